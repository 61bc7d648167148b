//! The whole way of a request, once by curl in the REST dialect, once by buf in gRPC. Then the server is killed, and its
//! store is copied: the decisions are there in both cases.

mod grpc;
mod rest;

use std::collections::BTreeSet;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clients::{Response, buf_curl, buf_methods, curl, run};
use crate::program::{Server, program, token};

#[test]
#[ignore = "needs curl and buf; a step of .ci/run"]
fn story() {
    let mut story = Story::begin();
    story.make_roles();
    story.file_over_rest();
    story.decide_over_rest();
    story.close_over_rest();
    story.refuse_over_rest();
    story.read_over_grpc();
    story.change_roles_over_grpc();
    story.decide_over_grpc();
    story.close_over_grpc();
    story.refuse_over_grpc();
    story.leave_two_requests();
    story.every_rpc_was_called();
    story.survive_a_kill().live_on_in_a_copy();
}

struct Story {
    folder: TempDir,
    server: Server,
    /// An administrator, a requester and two approvers, each as a header.
    ann: String,
    jen: String,
    sam: String,
    kim: String,
    /// The methods that were called.
    called: BTreeSet<String>,
    /// A role with an approval, and one without.
    role: Value,
    spare: Value,
    /// An elevation that was activated over gRPC.
    elevation: String,
    /// The path of an approval over REST that was decided.
    decided: String,
    /// The approval of a request that was approved, and of one that is pending.
    held: String,
    waiting: String,
}

impl Story {
    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let [ann, jen, sam, kim] = ["ann", "jen", "sam", "kim"]
            .map(|name| format!("Authorization: Bearer {}", token(&data, name)));
        Self {
            server: Server::start(&data, &["--reflection"]),
            folder,
            ann,
            jen,
            sam,
            kim,
            called: BTreeSet::new(),
            role: Value::Null,
            spare: Value::Null,
            elevation: String::new(),
            decided: String::new(),
            held: String::new(),
            waiting: String::new(),
        }
    }

    /// A call over REST that must succeed with this status.
    fn rest(
        &self,
        status: &str,
        caller: &str,
        method: &str,
        path: &str,
        more: &[&str],
    ) -> Response {
        let url = format!("http://{}/api/pamresources/{path}", self.server.address);
        let response = curl(&url, method, caller, more);
        assert_eq!(response.status(), status, "{}", response.body);
        response
    }

    /// A list over REST.
    fn list(&self, caller: &str, path: &str) -> Value {
        self.rest("200 OK", caller, "GET", path, &[]).json()["value"].take()
    }

    /// An action over REST. Its response is empty, and so has no type.
    fn act(&self, caller: &str, path: &str) {
        let response = self.rest("200 OK", caller, "POST", path, &[]);
        assert_eq!(response.body, "");
        let head = response.head.to_ascii_lowercase();
        assert!(!head.contains("\ncontent-type:"), "{head}");
        assert!(head.contains("\r\ncontent-length: 0"), "{head}");
    }

    /// A refusal over REST.
    fn no(&self, status: &str, code: &str, caller: &str, method: &str, path: &str, more: &[&str]) {
        let response = self.rest(status, caller, method, path, more).json();
        let error = &response["odata.error"];
        assert_eq!(error["code"], code);
        assert_eq!(error["message"]["lang"], "en-US");
        assert_ne!(error["message"]["value"], "");
    }

    /// A call over gRPC that must succeed.
    fn rpc(&mut self, caller: &str, method: &str, message: Value) -> Value {
        self.called.insert(format!("pam.v1.{method}"));
        match buf_curl(&self.server.address, method, caller, &message) {
            Ok(response) => response,
            Err(error) => panic!("{method}: {error:?}"),
        }
    }

    /// A refusal over gRPC.
    fn no_rpc(&self, status: i32, reason: &str, caller: &str, method: &str, message: Value) {
        let refused = buf_curl(&self.server.address, method, caller, &message);
        let (code, error) = refused.expect_err("it is refused");
        assert_eq!(code, status, "{error}");
        let infos: Vec<&Value> = error["details"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|detail| detail["type"] == "google.rpc.ErrorInfo")
            .collect();
        // In a message of protobuf a text stands as it is.
        let [info] = infos[..] else { panic!("{error}") };
        // buf leaves out the padding.
        let bytes = STANDARD_NO_PAD
            .decode(info["value"].as_str().unwrap())
            .unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains(reason), "{error}");
    }

    fn role_id(&self) -> String {
        self.role["id"].as_str().unwrap().to_owned()
    }

    fn make_roles(&mut self) {
        let (ann, jen) = (self.ann.clone(), self.jen.clone());
        let role = |name: &str| {
            json!({
                "display_name": name,
                "candidates": [{"account": "PRIV\\jen"}],
                "max_duration": "3600s",
            })
        };
        let mut sql = role("SQL File Access");
        sql["approval_required"] = json!(true);
        sql["stages"] = json!([{
            "approvers": [{"account": "PRIV\\sam"}, {"account": "PRIV\\kim"}],
            "required_approvals": 1,
        }]);
        let create = "RoleService/CreateRole";
        self.role = self.rpc(&ann, create, json!({"role": sql}))["role"].take();
        assert_eq!(self.role["revision"], "1");
        assert_eq!(self.role["approvalRequired"], true);
        self.spare = self.rpc(&ann, create, json!({"role": role("Spare")}))["role"].take();
        self.no_rpc(
            7,
            "ACCESS_DENIED",
            &jen,
            create,
            json!({"role": role("Mine")}),
        );
    }

    /// One that is active, and one that is pending.
    fn leave_two_requests(&mut self) {
        let (jen, sam) = (self.jen.clone(), self.sam.clone());
        let held = self.file("900s")["approvalId"].take();
        self.rpc(
            &sam,
            "ApprovalService/Approve",
            json!({"approval_id": held}),
        );
        let waiting = self.file("900s")["approvalId"].take();
        self.held = held.as_str().unwrap().to_owned();
        self.waiting = waiting.as_str().unwrap().to_owned();
        let list = self.rpc(
            &jen,
            "ElevationService/ListElevations",
            json!({"page_size": 1000}),
        );
        let statuses = column(&list["elevations"], "/status");
        let last = [
            "ELEVATION_STATUS_ACTIVE",
            "ELEVATION_STATUS_PENDING_APPROVAL",
        ];
        assert_eq!(statuses[statuses.len() - 2..], last);
    }

    /// A new rpc must have its place in the story.
    fn every_rpc_was_called(&self) {
        let methods = buf_methods(&self.server.address);
        let ours: BTreeSet<String> = methods
            .into_iter()
            .filter(|method| method.starts_with("pam."))
            .collect();
        assert_eq!(ours, self.called);
    }

    /// Everything that the callers may see, in both dialects, where the address of the server makes no difference.
    fn seen(&mut self) -> Vec<Value> {
        let mut seen = Vec::new();
        for who in [self.jen.clone(), self.sam.clone(), self.kim.clone()] {
            let held = json!({"approval_id": self.held});
            seen.extend([
                self.list(&who, "pamrequests"),
                self.list(&who, "pamrequeststoapprove"),
                self.rpc(
                    &who,
                    "ElevationService/ListElevations",
                    json!({"page_size": 1000}),
                ),
                self.rpc(&who, "ApprovalService/GetApproval", held),
            ]);
        }
        seen
    }

    /// Kills the server, and starts one on the data of a folder.
    fn restart(self, folder: &str) -> Self {
        let data = self.folder.path().join(folder);
        self.server.kill();
        Self {
            server: Server::start(&data, &["--reflection"]),
            ..self
        }
    }

    /// Kills the server and starts it again. The callers see the same as before.
    fn survive_a_kill(mut self) -> Self {
        let before = self.seen();
        let mut after = self.restart("data");
        assert_eq!(after.seen(), before);
        let id = json!({"approval_id": after.held});
        after.no_rpc(
            9,
            "APPROVAL_NOT_PENDING",
            &after.kim,
            "ApprovalService/Reject",
            id,
        );
        after
    }

    /// Starts a server on a copy, which is a snapshot: a later decision on one side does not exist on the other.
    fn live_on_in_a_copy(mut self) {
        let before = self.seen();
        let (data, copy) = (
            self.folder.path().join("data"),
            self.folder.path().join("copy"),
        );
        fs::create_dir(&copy).unwrap();
        let backup = run(program()
            .arg("backup")
            .arg("--data-dir")
            .arg(&data)
            .arg(copy.join("countersign.db")));
        assert!(backup.status.success(), "{backup:?}");
        let waiting = format!("pamrequeststoapprove(guid'{}')", self.waiting);
        let (approve, reject) = (format!("{waiting}/Approve"), format!("{waiting}/Reject"));
        self.act(&self.sam, &approve);
        self.no(
            "403 Forbidden",
            "APPROVAL_NOT_PENDING",
            &self.kim,
            "POST",
            &reject,
            &[],
        );

        fs::copy(data.join("tokens.toml"), copy.join("tokens.toml")).unwrap();
        let mut after = self.restart("copy");
        assert_eq!(after.seen(), before);
        let held = format!("pamrequeststoapprove(guid'{}')/Reject", after.held);
        after.no(
            "403 Forbidden",
            "APPROVAL_NOT_PENDING",
            &after.kim,
            "POST",
            &held,
            &[],
        );
        after.act(&after.kim, &reject);
        after.no(
            "403 Forbidden",
            "APPROVAL_NOT_PENDING",
            &after.sam,
            "POST",
            &approve,
            &[],
        );
    }
}

/// The value at a JSON pointer in each row of a list.
fn column(list: &Value, pointer: &str) -> Vec<Value> {
    let rows = list.as_array().unwrap().iter();
    rows.map(|row| row.pointer(pointer).unwrap().clone())
        .collect()
}

/// The text at a JSON pointer in each row of a list.
fn texts(list: &Value, pointer: &str) -> Vec<String> {
    let values = column(list, pointer).into_iter();
    values
        .map(|value| value.as_str().unwrap().to_owned())
        .collect()
}

/// The credentials of an unknown caller.
const WRONG: &str = "Authorization: Bearer wrong";
