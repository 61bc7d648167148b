//! `pamrequeststoapprove`: the list, and the actions on its members.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use prost_types::Timestamp;
use tonic::Status;
use uuid::Uuid;

use super::call::{IDENTIFIER, ROOT, action_of, message_of};
use crate::proto::pam::v1::approval_service_server::ApprovalService;
use crate::proto::pam::v1::{Approval, ApproveRequest, ListApprovalsRequest, RejectRequest};
use crate::rest::odata::model::{Cell, Edm, Property, Source};
use crate::rest::odata::query::check_action;
use crate::rest::odata::set::{Page, PageRequest, Set, guid_key};

impl PendingApprovals {
    /// Handles `POST pamrequeststoapprove(guid'..')/Approve`. Returns 200 without a body, and so without a content
    /// type, since the portal would try to parse it (`docs/rest-api.md` 1, 4).
    pub async fn approve(&self, id: Uuid, request: Parts) -> Result<Response, Status> {
        check_action(request.uri.query())?;
        let message = ApproveRequest {
            approval_id: id.to_string(),
            reason: None,
        };
        self.0.approve(action_of(request, message)).await?;
        Ok(Response::new(Body::empty()))
    }

    /// Handles `POST pamrequeststoapprove(guid'..')/Reject`, with the same response as Approve.
    pub async fn reject(&self, id: Uuid, request: Parts) -> Result<Response, Status> {
        check_action(request.uri.query())?;
        let message = RejectRequest {
            approval_id: id.to_string(),
            reason: None,
        };
        self.0.reject(action_of(request, message)).await?;
        Ok(Response::new(Body::empty()))
    }
}

/// `GET pamrequeststoapprove`: all approvals that the caller may decide, oldest first (`docs/rest-api.md` 24).
pub struct PendingApprovals(pub Arc<dyn ApprovalService>);

#[async_trait]
impl Set for PendingApprovals {
    const ROOT: &'static str = ROOT;
    const NAME: &'static str = "pamrequeststoapprove";
    const TYPE: &'static str = "PAM.PendingPamRequest";
    // The documented ids are of a complex type, which OData v3 does not allow in a key (`docs/rest-api.md` A24).
    const KEY: &'static [&'static str] = &["ApprovalId"];
    const PROPERTIES: &'static [Property<Approval>] = &[
        Property::new(
            "RoleName",
            Edm::String,
            Source::Field("role_display_name"),
            |approval| Cell::text(&approval.role_display_name),
        ),
        // The account name alone, without its domain (`docs/rest-api.md` B33).
        Property::new(
            "Requestor",
            Edm::String,
            Source::Field("requester.user"),
            |approval| {
                Cell::text(
                    approval
                        .requester
                        .as_ref()
                        .map_or("", |requester| &requester.user),
                )
            },
        ),
        Property::nullable(
            "Justification",
            Edm::String,
            Source::Field("justification"),
            |approval| Cell::optional(approval.justification.as_deref()),
        ),
        Property::new(
            "RequestedTTL",
            Edm::Int64,
            Source::Field("requested_duration"),
            |approval| Cell::seconds(approval.requested_duration),
        ),
        Property::new(
            "RequestedTime",
            Edm::DateTime,
            Source::Field("requested_start_time"),
            |approval| Cell::Moment(approval.requested_start_time),
        ),
        Property::new(
            "CreationTime",
            Edm::DateTime,
            Source::Field("create_time"),
            |approval| Cell::Moment(approval.create_time),
        ),
        Property::new(
            "FIMRequestID",
            IDENTIFIER,
            Source::Field("fim_request_id"),
            |approval| Cell::complex(&approval.fim_request_id),
        ),
        Property::new(
            "RequestorID",
            IDENTIFIER,
            Source::Field("requester.id"),
            |approval| {
                Cell::complex(
                    approval
                        .requester
                        .as_ref()
                        .map_or("", |requester| &requester.id),
                )
            },
        ),
        Property::new(
            "ApprovalObjectID",
            IDENTIFIER,
            Source::Field("id"),
            |approval| Cell::complex(&approval.id),
        ),
        Property::key("ApprovalId", Source::Field("id"), |approval| {
            Cell::text(&approval.id)
        }),
    ];
    const ACTIONS: &'static [&'static str] = &["Approve", "Reject"];
    type Row = Approval;

    fn address(approval: &Approval) -> Option<&str> {
        Some(&approval.id)
    }

    fn key(approval: &Approval) -> String {
        guid_key(&approval.id)
    }

    fn updated(approval: &Approval) -> Option<Timestamp> {
        approval.create_time
    }

    async fn page(&self, request: &Parts, page: PageRequest) -> Result<Page<Approval>, Status> {
        let message = ListApprovalsRequest {
            page_size: page.page_size,
            page_token: page.page_token,
            filter: page.filter,
            order_by: page.order_by,
            skip: page.skip,
            include_total_size: page.include_total_size,
        };
        let page = self
            .0
            .list_approvals(message_of(request, message))
            .await?
            .into_inner();
        Ok(Page {
            rows: page.approvals,
            next_page_token: page.next_page_token,
            total_size: page.total_size,
        })
    }
}
