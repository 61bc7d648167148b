//! `pamrequests`: the caller's own requests, and their close.

use async_trait::async_trait;
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use tonic::Status;
use uuid::Uuid;

use super::entity::{self, base_url, seconds, utc};
use super::list::Set;
use super::query::check_action;
use super::{Rest, message_of};
use crate::proto::pam::v1::{
    CloseElevationRequest, CreationMethod, Elevation, ElevationStatus, GetElevationRequest,
    ListElevationsRequest,
};

impl Rest {
    /// `GET pamrequests(guid'..')`, where the `Location` of a new request leads.
    pub(super) async fn request(&self, id: Uuid, request: &Parts) -> Result<Response, Status> {
        check_action(request.uri.query())?;
        let base = base_url(&request.uri, &request.headers)?;
        let message = GetElevationRequest { elevation_id: id.to_string() };
        let answer = self.elevations.get_elevation(message_of(request, message)).await?;
        let row = RequestRow::from(answer.into_inner().elevation.unwrap_or_default());
        Ok(entity::json(StatusCode::OK, &Entry::new(&base, row)))
    }

    /// `POST pamrequests(guid'..')/Close`, which answers as Approve does.
    pub(super) async fn close(&self, id: Uuid, request: &Parts) -> Result<Response, Status> {
        check_action(request.uri.query())?;
        let message = CloseElevationRequest { elevation_id: id.to_string() };
        self.elevations.close_elevation(message_of(request, message)).await?;
        Ok(Response::new(Body::empty()))
    }
}

/// `GET pamrequests`: the caller's own, in the order of their creation: the portal keeps the last of each role (`wire.md` B7).
pub(super) struct Requests;

#[async_trait]
impl Set for Requests {
    const NAME: &'static str = "pamrequests";
    type Row = RequestRow;

    async fn page(
        rest: &Rest,
        request: &Parts,
        page_size: i32,
        page_token: String,
    ) -> Result<(Vec<RequestRow>, String), Status> {
        let message = ListElevationsRequest { page_size, page_token, ..ListElevationsRequest::default() };
        let page = rest.elevations.list_elevations(message_of(request, message)).await?.into_inner();
        Ok((page.elevations.into_iter().map(RequestRow::from).collect(), page.next_page_token))
    }
}

/// A single request.
#[derive(Serialize)]
pub(super) struct Entry {
    #[serde(rename = "odata.metadata")]
    metadata: String,
    #[serde(flatten)]
    row: RequestRow,
}

impl Entry {
    /// The request of that row, at an API with that address.
    pub(super) fn new(base: &str, row: RequestRow) -> Self {
        Self { metadata: format!("{base}%24metadata#pamrequests/@Element"), row }
    }
}

/// A row of `pamrequests`, its properties in the documented order (`wire.md` 23).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RequestRow {
    request_id: String,
    #[serde(rename = "CreatorID")]
    creator_id: String,
    justification: Option<String>,
    /// UTC in lists; local with its offset in the answer to a creation (`wire.md` A8).
    pub(super) creation_time: String,
    creation_method: &'static str,
    expiration_time: String,
    role_id: String,
    #[serde(rename = "RequestedTTL")]
    requested_ttl: String,
    pub(super) requested_time: String,
    request_status: &'static str,
}

impl From<Elevation> for RequestRow {
    fn from(elevation: Elevation) -> Self {
        Self {
            creation_method: creation_method(elevation.creation_method()),
            request_status: status(elevation.status()),
            request_id: elevation.id,
            creator_id: elevation.requester.unwrap_or_default().id,
            justification: elevation.justification,
            creation_time: utc(elevation.filed_at),
            expiration_time: utc(elevation.expires_at),
            role_id: elevation.role_id,
            requested_ttl: seconds(elevation.requested_life),
            requested_time: utc(elevation.requested_start),
        }
    }
}

/// The literal of the original for what came through its REST API (`wire.md` B30).
fn creation_method(method: CreationMethod) -> &'static str {
    match method {
        CreationMethod::PamWebApi => "PAM Web API",
        CreationMethod::Grpc | CreationMethod::Unspecified => "gRPC",
    }
}

/// The statuses of the original (`wire.md` B1), without spaces.
fn status(status: ElevationStatus) -> &'static str {
    match status {
        ElevationStatus::Active => "Active",
        ElevationStatus::Closed => "Closed",
        ElevationStatus::Expired => "Expired",
        ElevationStatus::PendingApproval => "PendingApproval",
        ElevationStatus::Rejected => "Rejected",
        ElevationStatus::Scheduled => "Scheduled",
        ElevationStatus::Unspecified => "Processing",
    }
}
