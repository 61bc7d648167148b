//! `pamrequeststoapprove`: the list, and the actions on its members.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use tonic::Status;
use tonic::metadata::MetadataMap;
use uuid::Uuid;

use super::entity::{self, List, PendingRow};
use super::query::{ListOptions, check_action};
use super::{Rest, message_of};
use crate::proto::pam::v1::{Approval, ApproveRequest, ListApprovalsRequest, RejectRequest};

impl Rest {
    /// `POST pamrequeststoapprove(guid'..')/Approve`: 200 without a body, and so without a content type, which the
    /// portal would try to parse (`wire.md` 1, 4).
    pub(super) async fn approve(&self, id: Uuid, request: Request) -> Result<Response, Status> {
        check_action(request.uri().query())?;
        let message = ApproveRequest { approval_id: id.to_string(), reason: None };
        self.approvals.approve(message_of(request, message)).await?;
        Ok(Response::new(Body::empty()))
    }

    /// `POST pamrequeststoapprove(guid'..')/Reject`, which answers as Approve does.
    pub(super) async fn reject(&self, id: Uuid, request: Request) -> Result<Response, Status> {
        check_action(request.uri().query())?;
        let message = RejectRequest { approval_id: id.to_string(), reason: None };
        self.approvals.reject(message_of(request, message)).await?;
        Ok(Response::new(Body::empty()))
    }

    /// `GET pamrequeststoapprove`: all that the caller may decide, oldest first, since its clients follow no next link;
    /// the link is there only past [`Rest::longest_list`] rows.
    pub(super) async fn pending_approvals(&self, request: Request) -> Result<Response, Status> {
        let options = ListOptions::parse(request.uri().query())?;
        let base = entity::base_url(request.uri(), request.headers())?;
        let (approvals, next) = self.pages(request, options.skip_token).await?;
        let list = List {
            metadata: format!("{base}%24metadata#pamrequeststoapprove"),
            value: approvals.into_iter().map(PendingRow::from).collect(),
            next_link: (!next.is_empty()).then(|| format!("{base}pamrequeststoapprove?$skiptoken={next}")),
        };
        Ok(entity::json(StatusCode::OK, &list))
    }

    /// How many to ask for when so many are there.
    fn page_size(&self, there: usize) -> i32 {
        let missing = self.longest_list.saturating_sub(there).clamp(1, LARGEST_PAGE);
        i32::try_from(missing).unwrap_or(i32::MAX)
    }

    /// Reads pages of one snapshot, from `page_token` on, up to the cap; answers the token of what comes behind it.
    async fn pages(&self, request: Request, page_token: String) -> Result<(Vec<Approval>, String), Status> {
        let (parts, _) = request.into_parts();
        let (mut approvals, mut page_token) = (Vec::new(), page_token);
        loop {
            let message = ListApprovalsRequest {
                page_size: self.page_size(approvals.len()),
                page_token,
                ..ListApprovalsRequest::default()
            };
            let request = tonic::Request::from_parts(MetadataMap::new(), parts.extensions.clone(), message);
            let page = self.approvals.list_approvals(request).await?.into_inner();
            approvals.extend(page.approvals);
            page_token = page.next_page_token;
            if page_token.is_empty() || approvals.len() >= self.longest_list {
                return Ok((approvals, page_token));
            }
        }
    }
}

const LARGEST_PAGE: usize = 1_000;
