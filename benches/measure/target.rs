//! A server of ours under load, with pending approvals.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use countersign::proto::pam::v1::approval_service_client::ApprovalServiceClient;
use countersign::proto::pam::v1::elevation_service_client::ElevationServiceClient;
use countersign::proto::pam::v1::principal::Kind;
use countersign::proto::pam::v1::role_service_client::RoleServiceClient;
use countersign::proto::pam::v1::{
    CreateRoleRequest, GetApprovalRequest, ListApprovalsRequest, ListElevationsRequest, Principal,
    Role, Stage,
};
use prost::Message;
use tonic::transport::Channel;
use tonic::{Request, metadata::MetadataValue};

use super::seed::{APPROVER, REQUESTERS, requester};
use super::server::{Server, Tokens};

/// Nodes over one store, their callers, and a role that all requesters may ask for.
pub struct Target {
    pub servers: Vec<Server>,
    pub tokens: Tokens,
    pub role: String,
    /// Approvals in the order of their filing.
    pub pending: RefCell<VecDeque<String>>,
    /// The first process of its PostgreSQL.
    pub backend: Option<u32>,
    /// Whether `pending` has been prepared in full, so that nothing is filed before a run.
    pub is_prepared: bool,
}

impl Target {
    /// Starts `nodes` servers over a store, and creates the role.
    pub async fn start(program: &Path, folder: &Path, store: &str, nodes: usize) -> Self {
        let tokens = Tokens::write(folder);
        let mut servers = Vec::new();
        for _ in 0..nodes {
            servers.push(Server::countersign(program, folder, store).await);
        }
        let mut target = Self {
            servers,
            tokens,
            role: String::new(),
            pending: RefCell::default(),
            backend: None,
            is_prepared: false,
        };
        target.role = target.create_role().await;
        target
    }

    async fn create_role(&self) -> String {
        let account = |name: &str| Principal {
            kind: Some(Kind::Account(name.to_owned())),
        };
        let role = Role {
            display_name: "SQL on port 64".to_owned(),
            max_duration: Some(prost_types::Duration {
                seconds: 3_600,
                nanos: 0,
            }),
            candidates: (1..=REQUESTERS)
                .map(|number| account(&requester(number)))
                .collect(),
            approval_required: true,
            stages: vec![Stage {
                approvers: vec![account(APPROVER)],
                required_approvals: 1,
            }],
            ..Default::default()
        };
        let request = CreateRoleRequest { role: Some(role) };
        let request = with_token(request, &self.tokens.administrator);
        let created = RoleServiceClient::new(self.channel().await)
            .create_role(request)
            .await
            .unwrap();
        created.into_inner().role.unwrap().id
    }

    /// Returns the next pending approvals.
    pub fn take(&self, count: usize) -> Vec<String> {
        self.pending.borrow_mut().drain(..count).collect()
    }

    /// Writes the answers to the reads into a new folder, for the bare call that returns the same messages.
    pub async fn answers(&self, folder: &Path) {
        fs::create_dir(folder).unwrap();
        let approver = &self.tokens.approver;
        let mut approvals = ApprovalServiceClient::new(self.channel().await);
        let page = approvals
            .list_approvals(with_token(ListApprovalsRequest::default(), approver))
            .await
            .unwrap()
            .into_inner();
        let request = GetApprovalRequest {
            approval_id: page.approvals[0].id.clone(),
        };
        let approval = approvals
            .get_approval(with_token(request, approver))
            .await
            .unwrap()
            .into_inner();
        let mut elevations = ElevationServiceClient::new(self.channel().await);
        let request = with_token(ListElevationsRequest::default(), &self.tokens.requesters[0]);
        let own = elevations
            .list_elevations(request)
            .await
            .unwrap()
            .into_inner();
        let write = |name: &str, bytes: Vec<u8>| {
            let path: PathBuf = folder.join(name);
            fs::write(path, bytes).unwrap();
        };
        write("approvals", page.encode_to_vec());
        write("approval", approval.encode_to_vec());
        write("elevations", own.encode_to_vec());
    }

    async fn channel(&self) -> Channel {
        let address = format!("http://{}", self.servers[0].address);
        Channel::from_shared(address)
            .unwrap()
            .connect()
            .await
            .unwrap()
    }
}

fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}
