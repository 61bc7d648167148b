//! The story over gRPC.

use serde_json::{Value, json};

use super::{Story, WRONG, column};

impl Story {
    pub(super) fn read_over_grpc(&mut self) {
        let (ann, jen, sam) = (self.ann.clone(), self.jen.clone(), self.sam.clone());
        let session = self.rpc(&jen, "SessionService/GetSession", json!({}));
        assert_eq!(session["session"]["account"]["name"], "PRIV\\jen");
        assert_eq!(session["session"]["administrator"], Value::Null);
        let roles = self.rpc(&jen, "RoleService/ListRoles", json!({}));
        assert_eq!(
            column(&roles["roles"], "/id"),
            [self.role["id"].clone(), self.spare["id"].clone()]
        );
        let all = json!({"include_total_size": true});
        assert_eq!(
            self.rpc(&ann, "RoleService/ListAllRoles", all)["totalSize"],
            "2"
        );
        let role = json!({"role_id": self.role["id"]});
        let role = self.rpc(&sam, "RoleService/GetRole", role);
        assert_eq!(role["role"]["displayName"], "SQL File Access");
    }

    pub(super) fn change_roles_over_grpc(&mut self) {
        let (ann, jen) = (self.ann.clone(), self.jen.clone());
        let update = "RoleService/UpdateRole";
        let mut changed = self.spare.clone();
        changed["description"] = json!("For a while.");
        let changed = self.rpc(&ann, update, json!({"role": changed}));
        assert_eq!(changed["role"]["revision"], "2");
        assert_eq!(changed["role"]["description"], "For a while.");
        self.no_rpc(9, "ROLE_CHANGED", &ann, update, json!({"role": self.spare}));
        let spare = json!({"role_id": self.spare["id"]});
        self.rpc(&ann, "RoleService/DeleteRole", spare.clone());
        self.no_rpc(7, "ACCESS_DENIED", &jen, "RoleService/GetRole", spare);
    }

    /// Files a request over gRPC. Returns it.
    pub(super) fn file(&mut self, duration: &str) -> Value {
        let (jen, message) = (self.jen.clone(), self.filing(duration));
        self.rpc(&jen, "ElevationService/CreateElevation", message)["elevation"].take()
    }

    pub(super) fn filing(&self, duration: &str) -> Value {
        json!({"role_id": self.role["id"], "duration": duration, "justification": "Ticket 4711"})
    }

    pub(super) fn decide_over_grpc(&mut self) {
        let (jen, sam, kim) = (self.jen.clone(), self.sam.clone(), self.kim.clone());
        let filed = self.file("900s");
        assert_eq!(filed["status"], "ELEVATION_STATUS_PENDING_APPROVAL");
        assert_eq!(filed["revision"], "1");
        let other = self.file("900s");
        let list = self.rpc(&sam, "ApprovalService/ListApprovals", json!({}));
        let ids = [filed["approvalId"].clone(), other["approvalId"].clone()];
        assert_eq!(column(&list["approvals"], "/id"), ids);
        let id = json!({"approval_id": filed["approvalId"]});
        let approval = self.rpc(&sam, "ApprovalService/GetApproval", id.clone());
        assert_eq!(approval["approval"]["elevationId"], filed["id"]);
        assert_eq!(approval["approval"]["status"], "APPROVAL_STATUS_PENDING");
        let explained = self.rpc(&sam, "ApprovalService/ExplainApproval", id.clone());
        let explained = &explained["explanation"];
        assert_eq!(explained["approve"]["allowed"], true);
        assert_eq!(explained["stages"][0]["missing"], 1);
        let eligible = &explained["stages"][0]["eligibleApprovers"];
        assert_eq!(eligible.as_array().unwrap().len(), 2);

        let mut with_reason = id.clone();
        with_reason["reason"] = json!("Known");
        let first = self.rpc(&sam, "ApprovalService/Approve", with_reason);
        assert_eq!(first["approval"]["status"], "APPROVAL_STATUS_APPROVED");
        let again = self.rpc(&sam, "ApprovalService/Approve", id.clone());
        assert_eq!(again, first);
        self.no_rpc(
            9,
            "APPROVAL_NOT_PENDING",
            &kim,
            "ApprovalService/Reject",
            id,
        );
        let id = json!({"approval_id": other["approvalId"]});
        let rejected = self.rpc(&kim, "ApprovalService/Reject", id);
        assert_eq!(rejected["approval"]["status"], "APPROVAL_STATUS_REJECTED");

        let id = json!({"elevation_id": filed["id"]});
        let read = self.rpc(&jen, "ElevationService/GetElevation", id);
        assert_eq!(read["elevation"]["status"], "ELEVATION_STATUS_ACTIVE");
        assert_eq!(read["elevation"]["revision"], "2");
        assert_eq!(read["elevation"]["duration"], "900s");
        assert_eq!(
            column(&read["timeline"], "/event"),
            ["Filed", "Approved", "Activated"]
        );
        self.elevation = filed["id"].as_str().unwrap().to_owned();
    }

    /// An extension by itself, and then all of a role by a duration of 0.
    pub(super) fn close_over_grpc(&mut self) {
        let (jen, sam) = (self.jen.clone(), self.sam.clone());
        let extension = self.file("900s");
        let id = json!({"approval_id": extension["approvalId"]});
        self.rpc(&sam, "ApprovalService/Approve", id);
        let id = json!({"elevation_id": extension["id"]});
        let closed = self.rpc(&jen, "ElevationService/CloseElevation", id);
        assert_eq!(closed["elevation"]["status"], "ELEVATION_STATUS_CLOSED");
        self.file("0s");
        let id = json!({"elevation_id": self.elevation});
        let read = self.rpc(&jen, "ElevationService/GetElevation", id);
        assert_eq!(read["elevation"]["status"], "ELEVATION_STATUS_CLOSED");
    }

    pub(super) fn refuse_over_grpc(&self) {
        let (approve, create) = (
            "ApprovalService/Approve",
            "ElevationService/CreateElevation",
        );
        let unknown = json!({"approval_id": "5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143"});
        let undefined = json!({"approval_id": "undefined"});
        self.no_rpc(
            16,
            "UNAUTHENTICATED",
            WRONG,
            "SessionService/GetSession",
            json!({}),
        );
        self.no_rpc(3, "INVALID_ARGUMENT", &self.sam, approve, undefined);
        self.no_rpc(7, "ACCESS_DENIED", &self.sam, approve, unknown);
        self.no_rpc(7, "ACCESS_DENIED", &self.kim, create, self.filing("900s"));
    }
}
