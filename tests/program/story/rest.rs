//! The story over REST.

use serde_json::{Value, json};

use super::{Story, WRONG, column, texts};

impl Story {
    /// By form, by query and by JSON.
    pub(super) fn file_over_rest(&self) {
        let (jen, role) = (&self.jen, self.role_id());
        assert_eq!(
            self.list(jen, "sessioninfo/"),
            json!([{"Username": "PRIV\\jen"}])
        );
        let roles = self.list(jen, "pamroles");
        assert_eq!(
            column(&roles, "/RoleId"),
            [self.role["id"].clone(), self.spare["id"].clone()]
        );
        assert_eq!(column(&roles, "/DisplayName"), ["SQL File Access", "Spare"]);
        assert_eq!(column(&roles, "/TTL"), ["3600", "3600"]);
        assert_eq!(column(&roles, "/ApprovalEnabled"), [true, false]);

        let form =
            format!("Justification=Ticket+4711&RoleId={role}&RequestedTTL=3600&RequestedTime=");
        let filed = self.rest("201 Created", jen, "POST", "pamrequests", &["-d", &form]);
        let request = filed.json();
        assert_eq!(request["RequestStatus"], "PendingApproval");
        assert_eq!(request["ExpirationTime"], NEVER);
        assert_eq!(request["CreationMethod"], "PAM Web API");
        let location = format!(
            "location: http://{}/api/pamresources/pamrequests(guid'{}')",
            self.server.address,
            request["RequestId"].as_str().unwrap()
        );
        assert!(
            filed.head.lines().any(|line| line == location),
            "{}",
            filed.head
        );

        let query = format!(
            "pamrequests?Justification=Sample+Reason&RoleId={role}&RequestedTTL=1199.8799999999999"
        );
        let request = self.rest("201 Created", jen, "POST", &query, &[]).json();
        assert_eq!(request["RequestedTTL"], "1199");
        assert_eq!(request["Justification"], "Sample Reason");

        let body =
            json!({"RoleId": role, "RequestedTTL": "600", "Justification": null}).to_string();
        let json = ["-H", "Content-Type: application/json", "-d", &body];
        let request = self
            .rest("201 Created", jen, "POST", "pamrequests", &json)
            .json();
        assert_eq!(request["RequestedTTL"], "600");
        assert_eq!(request["Justification"], Value::Null);

        let list = self.list(&self.sam, "pamrequeststoapprove");
        assert_eq!(column(&list, "/RequestedTTL"), ["3600", "1199", "600"]);
        assert_eq!(column(&list, "/RoleName"), ["SQL File Access"; 3]);
        assert_eq!(column(&list, "/Requestor"), ["jen"; 3]);
    }

    /// Once, and for good. Then extended by another request, and all given up by a TTL of 0.
    pub(super) fn decide_over_rest(&self) {
        let (jen, sam, kim) = (&self.jen, &self.sam, &self.kim);
        let approvals = self.approvals();
        let [first, second, third] = &approvals[..] else {
            panic!("{approvals:?}")
        };
        let approve = |id: &str| format!("pamrequeststoapprove(guid'{id}')/Approve");
        let reject = |id: &str| format!("pamrequeststoapprove(guid'{id}')/Reject");
        self.act(sam, &approve(first));
        self.act(sam, &approve(first));
        self.no(
            "403 Forbidden",
            "APPROVAL_NOT_PENDING",
            kim,
            "POST",
            &reject(first),
            &[],
        );
        self.act(kim, &reject(second));
        self.no(
            "403 Forbidden",
            "APPROVAL_NOT_PENDING",
            sam,
            "POST",
            &approve(second),
            &[],
        );
        assert_eq!(self.approvals(), std::slice::from_ref(third));
        assert_eq!(self.statuses(), ["Active", "Rejected", "PendingApproval"]);
        let ends = column(&self.list(jen, "pamrequests"), "/ExpirationTime");
        let are_open: Vec<bool> = ends.iter().map(|end| end == NEVER).collect();
        assert_eq!(are_open, [false, true, true]);

        self.act(sam, &approve(third));
        assert_eq!(self.statuses(), ["Active", "Rejected", "Active"]);
        let form = format!("RoleId={}&RequestedTTL=0", self.role_id());
        let closed = self
            .rest("201 Created", jen, "POST", "pamrequests", &["-d", &form])
            .json();
        assert_eq!(closed["RequestStatus"], "Closed");
        assert_eq!(closed["RequestedTTL"], "0");
        assert_eq!(self.statuses(), ["Closed", "Rejected", "Closed", "Closed"]);
    }

    /// Before and after a decision. A closed request cannot be decided.
    pub(super) fn close_over_rest(&mut self) {
        let (jen, sam, kim) = (&self.jen, &self.sam, &self.kim);
        let form = format!(
            "Justification=Ticket+4711&RoleId={}&RequestedTTL=3600",
            self.role_id()
        );
        for _ in 0..2 {
            self.rest("201 Created", jen, "POST", "pamrequests", &["-d", &form]);
        }
        let approvals = self.approvals();
        let requests = texts(&self.list(jen, "pamrequests"), "/RequestId");
        let [_, _, _, _, before, after] = &requests[..] else {
            panic!("{requests:?}")
        };
        let approve =
            |number: usize| format!("pamrequeststoapprove(guid'{}')/Approve", approvals[number]);
        let close = |id: &str| format!("pamrequests(guid'{id}')/Close");
        self.no(
            "403 Forbidden",
            "ACCESS_DENIED",
            sam,
            "POST",
            &close(before),
            &[],
        );
        self.act(jen, &close(before));
        self.no(
            "403 Forbidden",
            "APPROVAL_NOT_PENDING",
            sam,
            "POST",
            &approve(0),
            &[],
        );
        self.no(
            "403 Forbidden",
            "ACCESS_DENIED",
            jen,
            "POST",
            &approve(1),
            &[],
        );
        self.act(kim, &approve(1));
        self.act(jen, &close(after));
        let request = format!("pamrequests(guid'{after}')");
        let request = self.rest("200 OK", jen, "GET", &request, &[]).json();
        assert_eq!(request["RequestStatus"], "Closed");
        self.decided = approve(1);
    }

    pub(super) fn refuse_over_rest(&self) {
        let (jen, sam, kim) = (&self.jen, &self.sam, &self.kim);
        let role = self.role_id();
        let form = format!("RoleId={role}&RequestedTTL=3600");
        let not_a_number = format!("RoleId={role}&RequestedTTL=NaN");
        let unknown = "pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/Approve";
        let decided = self.decided.as_str();
        let undefined = "pamrequeststoapprove(guid'undefined')/Approve";
        let (get, post) = ("GET", "POST");
        let (form, not_a_number) = (["-d", &form], ["-d", &not_a_number]);
        for (status, code, caller, method, path, more) in [
            (
                "401 Unauthorized",
                "UNAUTHENTICATED",
                WRONG,
                get,
                "pamroles",
                &[][..],
            ),
            (
                "401 Unauthorized",
                "UNAUTHENTICATED",
                "X-Nothing: x",
                post,
                decided,
                &[],
            ),
            (
                "403 Forbidden",
                "ACCESS_DENIED",
                kim,
                post,
                "pamrequests",
                &form,
            ),
            ("403 Forbidden", "ACCESS_DENIED", sam, post, unknown, &[]),
            (
                "400 Bad Request",
                "INVALID_ARGUMENT",
                sam,
                post,
                undefined,
                &[],
            ),
            (
                "400 Bad Request",
                "INVALID_ARGUMENT",
                jen,
                post,
                "pamrequests",
                &not_a_number,
            ),
            (
                "404 Not Found",
                "NO_SUCH_OPERATION",
                sam,
                get,
                "nosuchset",
                &[],
            ),
            (
                "405 Method Not Allowed",
                "METHOD_NOT_ALLOWED",
                sam,
                get,
                decided,
                &[],
            ),
        ] {
            self.no(status, code, caller, method, path, more);
        }
        let after = ["Closed", "Rejected", "Closed", "Closed", "Closed", "Closed"];
        assert_eq!(self.statuses(), after);
    }

    /// The statuses of all requests of jen, in their order.
    fn statuses(&self) -> Vec<Value> {
        column(&self.list(&self.jen, "pamrequests"), "/RequestStatus")
    }

    /// The pending approvals that sam may decide.
    fn approvals(&self) -> Vec<String> {
        let list = self.list(&self.sam, "pamrequeststoapprove");
        texts(&list, "/ApprovalObjectID/Value")
    }
}

/// The end of a request that is not active.
const NEVER: &str = "0001-01-01T00:00:00";
