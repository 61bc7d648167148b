//! The accounts that call.

use std::net::SocketAddr;

use countersign::proto::pam::v1::approval_service_client::ApprovalServiceClient;
use countersign::proto::pam::v1::elevation_service_client::ElevationServiceClient;
use countersign::proto::pam::v1::role_service_client::RoleServiceClient;
use countersign::proto::pam::v1::session_service_client::SessionServiceClient;
use countersign::proto::pam::v1::{
    Approval, ApproveRequest, CreateElevationRequest, CreateRoleRequest, Elevation,
    GetApprovalRequest, GetElevationRequest, ListApprovalsRequest, RejectRequest, Role,
};
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::http::{Answer, bytes, exchange};
use crate::contract::Documented;

/// A caller, in both dialects.
#[derive(Clone)]
pub struct Person {
    pub(super) address: SocketAddr,
    pub(super) token: Option<String>,
}

/// A client's way to the server: it adds the token of a person, and holds refusals to the contract's comments.
pub type Authorized = InterceptedService<Documented, AddToken>;

/// Adds the bearer token of a person to every call.
#[derive(Clone)]
pub struct AddToken(Option<String>);

impl tonic::service::Interceptor for AddToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

impl Person {
    /// The caller with a token, at any server.
    pub fn at(address: SocketAddr, token: &str) -> Self {
        Self {
            address,
            token: Some(token.to_owned()),
        }
    }

    fn channel(&self) -> Documented {
        Documented(
            Channel::from_shared(format!("http://{}", self.address))
                .unwrap()
                .connect_lazy(),
        )
    }

    pub fn approvals(&self) -> ApprovalServiceClient<Authorized> {
        ApprovalServiceClient::with_interceptor(self.channel(), AddToken(self.token.clone()))
    }

    pub fn elevations(&self) -> ElevationServiceClient<Authorized> {
        ElevationServiceClient::with_interceptor(self.channel(), AddToken(self.token.clone()))
    }

    pub fn roles(&self) -> RoleServiceClient<Authorized> {
        RoleServiceClient::with_interceptor(self.channel(), AddToken(self.token.clone()))
    }

    pub fn sessions(&self) -> SessionServiceClient<Authorized> {
        SessionServiceClient::with_interceptor(self.channel(), AddToken(self.token.clone()))
    }

    pub async fn create_role(&self, role: Role) -> Result<Role, Status> {
        let answer = self
            .roles()
            .create_role(CreateRoleRequest { role: Some(role) })
            .await?;
        Ok(answer.into_inner().role.unwrap())
    }

    /// Asks to hold a role for as long as it allows.
    pub async fn file(&self, role: &str) -> Result<Elevation, Status> {
        let request = CreateElevationRequest {
            role_id: role.to_owned(),
            justification: Some("Ticket 4711".into()),
            ..Default::default()
        };
        Ok(self
            .elevations()
            .create_elevation(request)
            .await?
            .into_inner()
            .elevation
            .unwrap())
    }

    pub async fn elevation(&self, id: &str) -> Result<Elevation, Status> {
        let request = GetElevationRequest {
            elevation_id: id.to_owned(),
        };
        Ok(self
            .elevations()
            .get_elevation(request)
            .await?
            .into_inner()
            .elevation
            .unwrap())
    }

    pub async fn approval(&self, id: &str) -> Result<Approval, Status> {
        let request = GetApprovalRequest {
            approval_id: id.to_owned(),
        };
        Ok(self
            .approvals()
            .get_approval(request)
            .await?
            .into_inner()
            .approval
            .unwrap())
    }

    pub async fn approve(&self, id: &str) -> Result<Approval, Status> {
        let request = ApproveRequest {
            approval_id: id.to_owned(),
            reason: None,
        };
        Ok(self
            .approvals()
            .approve(request)
            .await?
            .into_inner()
            .approval
            .unwrap())
    }

    pub async fn reject(&self, id: &str) -> Result<Approval, Status> {
        let request = RejectRequest {
            approval_id: id.to_owned(),
            reason: None,
        };
        Ok(self
            .approvals()
            .reject(request)
            .await?
            .into_inner()
            .approval
            .unwrap())
    }

    /// The ids of the approvals that the person may decide.
    pub async fn pending(&self) -> Vec<String> {
        let answer = self
            .approvals()
            .list_approvals(ListApprovalsRequest::default())
            .await
            .unwrap();
        answer
            .into_inner()
            .approvals
            .into_iter()
            .map(|approval| approval.id)
            .collect()
    }

    /// `POST pamrequeststoapprove(guid'..')/Approve` or `/Reject`.
    pub async fn act(&self, approval: &str, action: &str) -> Answer {
        self.post(&format!(
            "/api/pamresources/pamrequeststoapprove(guid'{approval}')/{action}"
        ))
        .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.rest("GET", path, "", "").await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.rest("POST", path, "Content-Length: 0\r\n", "").await
    }

    /// A request over HTTP/1.1, its path and headers as written.
    pub async fn rest(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let authorization = self
            .token
            .as_ref()
            .map(|token| format!("Authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: pam.test:8086\r\nConnection: close\r\n{authorization}{headers}\r\n{body}"
        );
        exchange(self.address, request.as_bytes()).await
    }

    /// Sends a request line as a page prints it to `localhost:8086`, and answers the bytes that come back.
    pub async fn line(&self, line: &str) -> String {
        let authorization = self
            .token
            .as_ref()
            .map(|token| format!("Authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        let request =
            format!("{line}\r\nHost: localhost:8086\r\nConnection: close\r\n{authorization}\r\n");
        bytes(self.address, request.as_bytes()).await
    }
}
