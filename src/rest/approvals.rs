//! `pamrequeststoapprove`: the list, and the actions on its members.

use async_trait::async_trait;
use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use serde::Serialize;
use tonic::Status;
use uuid::Uuid;

use super::entity::{Id, seconds, utc};
use super::list::Set;
use super::query::check_action;
use super::{Rest, message_of};
use crate::proto::pam::v1::{Approval, ApproveRequest, ListApprovalsRequest, RejectRequest};

impl Rest {
    /// `POST pamrequeststoapprove(guid'..')/Approve`: 200 without a body, and so without a content type, which the
    /// portal would try to parse (`wire.md` 1, 4).
    pub(super) async fn approve(&self, id: Uuid, request: &Parts) -> Result<Response, Status> {
        check_action(request.uri.query())?;
        let message = ApproveRequest { approval_id: id.to_string(), reason: None };
        self.approvals.approve(message_of(request, message)).await?;
        Ok(Response::new(Body::empty()))
    }

    /// `POST pamrequeststoapprove(guid'..')/Reject`, which answers as Approve does.
    pub(super) async fn reject(&self, id: Uuid, request: &Parts) -> Result<Response, Status> {
        check_action(request.uri.query())?;
        let message = RejectRequest { approval_id: id.to_string(), reason: None };
        self.approvals.reject(message_of(request, message)).await?;
        Ok(Response::new(Body::empty()))
    }
}

/// `GET pamrequeststoapprove`: all that the caller may decide, oldest first.
pub(super) struct PendingApprovals;

#[async_trait]
impl Set for PendingApprovals {
    const NAME: &'static str = "pamrequeststoapprove";
    type Row = PendingRow;

    async fn page(
        rest: &Rest,
        request: &Parts,
        page_size: i32,
        page_token: String,
    ) -> Result<(Vec<PendingRow>, String), Status> {
        let message = ListApprovalsRequest { page_size, page_token, ..ListApprovalsRequest::default() };
        let page = rest.approvals.list_approvals(message_of(request, message)).await?.into_inner();
        Ok((page.approvals.into_iter().map(PendingRow::from).collect(), page.next_page_token))
    }
}

/// A row of `pamrequeststoapprove`, its properties in the documented order (`wire.md` 24).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PendingRow {
    role_name: String,
    requestor: String,
    justification: Option<String>,
    #[serde(rename = "RequestedTTL")]
    requested_ttl: String,
    requested_time: String,
    creation_time: String,
    #[serde(rename = "FIMRequestID")]
    fim_request_id: Id,
    #[serde(rename = "RequestorID")]
    requestor_id: Id,
    #[serde(rename = "ApprovalObjectID")]
    approval_object_id: Id,
}

impl From<Approval> for PendingRow {
    fn from(approval: Approval) -> Self {
        let requester = approval.requester.unwrap_or_default();
        // The account name alone, without its domain (`wire.md` B33).
        let requestor = requester.name.rsplit('\\').next().unwrap_or_default().to_owned();
        Self {
            role_name: approval.role_display_name,
            requestor,
            justification: approval.justification,
            requested_ttl: seconds(approval.requested_life),
            requested_time: utc(approval.requested_start),
            creation_time: utc(approval.filed_at),
            fim_request_id: Id { value: approval.fim_request_id },
            requestor_id: Id { value: requester.id },
            approval_object_id: Id { value: approval.id },
        }
    }
}
