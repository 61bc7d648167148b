//! `pamrequests`: the caller's own requests, and their close.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use prost_types::Timestamp;
use tonic::Status;
use uuid::Uuid;

use super::call::{ROOT, action_of, message_of};
use crate::proto::pam::v1::elevation_service_server::ElevationService;
use crate::proto::pam::v1::{
    CloseElevationRequest, Elevation, GetElevationRequest, ListElevationsRequest,
};
use crate::rest::odata::address::base_url;
use crate::rest::odata::document::answer;
use crate::rest::odata::format::Format;
use crate::rest::odata::list::{Single, entity, selected};
use crate::rest::odata::model::{Cell, Edm, Property, Source};
use crate::rest::odata::query::{ListOptions, check_action};
use crate::rest::odata::set::{Page, PageRequest, Set, guid_key};

impl Requests {
    /// Handles `GET pamrequests(guid'..')`, the `Location` of a new request.
    pub async fn get(&self, id: Uuid, request: &Parts) -> Result<Response, Status> {
        let options = ListOptions::parse_single(request.uri.query())?;
        let base = base_url(request, ROOT)?;
        let format = Format::of(options.format.as_deref(), &request.headers);
        let selected = selected::<Requests>(options.select.as_deref(), format)?;
        let message = GetElevationRequest {
            elevation_id: id.to_string(),
        };
        let found = self.0.get_elevation(message_of(request, message)).await?;
        let elevation = found.into_inner().elevation.unwrap_or_default();
        let single = Single::of::<Requests>(
            &base,
            entity::<Requests>(&elevation, &base, &selected, format),
        );
        Ok(answer(StatusCode::OK, format, &single))
    }

    /// Handles `POST pamrequests(guid'..')/Close`, with the same response as Approve.
    pub async fn close(&self, id: Uuid, request: Parts) -> Result<Response, Status> {
        check_action(request.uri.query())?;
        let message = CloseElevationRequest {
            elevation_id: id.to_string(),
        };
        self.0.close_elevation(action_of(request, message)).await?;
        Ok(Response::new(Body::empty()))
    }
}

/// `GET pamrequests`: the caller's own, in the order of creation, since the portal keeps the last of each role
/// (`docs/rest-api.md` 23, B7).
pub struct Requests(pub Arc<dyn ElevationService>);

#[async_trait]
impl Set for Requests {
    const ROOT: &'static str = ROOT;
    const NAME: &'static str = "pamrequests";
    const TYPE: &'static str = "PAM.PamRequest";
    const KEY: &'static [&'static str] = &["RequestId"];
    const PROPERTIES: &'static [Property<Elevation>] = &[
        Property::new("RequestId", Edm::Guid, Source::Field("id"), |elevation| {
            Cell::text(&elevation.id)
        }),
        Property::new(
            "CreatorID",
            Edm::Guid,
            Source::Field("requester.id"),
            |elevation| {
                Cell::text(
                    elevation
                        .requester
                        .as_ref()
                        .map_or("", |requester| &requester.id),
                )
            },
        ),
        Property::nullable(
            "Justification",
            Edm::String,
            Source::Field("justification"),
            |elevation| Cell::optional(elevation.justification.as_deref()),
        ),
        Property::new(
            CREATION_TIME,
            Edm::DateTime,
            Source::Field("create_time"),
            |elevation| Cell::Moment(elevation.create_time),
        ),
        Property::new(
            "CreationMethod",
            Edm::String,
            Source::Named("creation_method", &CREATION_METHODS),
            |elevation| {
                Cell::text(named(
                    &CREATION_METHODS,
                    elevation.creation_method().as_str_name(),
                    "gRPC",
                ))
            },
        ),
        Property::new(
            "ExpirationTime",
            Edm::DateTime,
            Source::Field("expire_time"),
            |elevation| Cell::Moment(elevation.expire_time),
        ),
        Property::new("RoleId", Edm::Guid, Source::Field("role_id"), |elevation| {
            Cell::text(&elevation.role_id)
        }),
        // Nullable, although no row lacks it. A client with types sends null if it omits the value. A 0 would give the
        // role up.
        Property::nullable(
            "RequestedTTL",
            Edm::Int64,
            Source::Field("requested_duration"),
            |elevation| Cell::seconds(elevation.requested_duration),
        ),
        Property::new(
            REQUESTED_TIME,
            Edm::DateTime,
            Source::Field("requested_start_time"),
            |elevation| Cell::Moment(elevation.requested_start_time),
        ),
        Property::new(
            "RequestStatus",
            Edm::String,
            Source::Named("status", &STATUSES),
            |elevation| {
                Cell::text(named(
                    &STATUSES,
                    elevation.status().as_str_name(),
                    "Processing",
                ))
            },
        ),
    ];
    const ACTIONS: &'static [&'static str] = &["Close"];
    type Row = Elevation;

    fn address(elevation: &Elevation) -> Option<&str> {
        Some(&elevation.id)
    }

    fn key(elevation: &Elevation) -> String {
        guid_key(&elevation.id)
    }

    fn updated(elevation: &Elevation) -> Option<Timestamp> {
        elevation.activate_time.or(elevation.create_time)
    }

    async fn page(&self, request: &Parts, page: PageRequest) -> Result<Page<Elevation>, Status> {
        let message = ListElevationsRequest {
            page_size: page.page_size,
            page_token: page.page_token,
            filter: page.filter,
            order_by: page.order_by,
            skip: page.skip,
            include_total_size: page.include_total_size,
        };
        let page = self
            .0
            .list_elevations(message_of(request, message))
            .await?
            .into_inner();
        Ok(Page {
            rows: page.elevations,
            next_page_token: page.next_page_token,
            total_size: page.total_size,
        })
    }
}

/// Returns the text that clients know a value of the contract by.
fn named(names: &[(&'static str, &str)], value: &str, otherwise: &'static str) -> &'static str {
    for (name, known) in names {
        if *known == value {
            return name;
        }
    }
    otherwise
}

/// The response to a creation prints this one in local time.
pub const CREATION_TIME: &str = "CreationTime";
/// The response to a creation prints this one with all its digits.
pub const REQUESTED_TIME: &str = "RequestedTime";
/// The literal of the original for requests through its REST API, and ours for the others (`docs/rest-api.md` B30).
const CREATION_METHODS: [(&str, &str); 2] = [
    ("PAM Web API", "CREATION_METHOD_PAM_WEB_API"),
    ("gRPC", "CREATION_METHOD_GRPC"),
];
/// The statuses of the original that elevations have, without spaces (`docs/rest-api.md` B1).
const STATUSES: [(&str, &str); 6] = [
    ("Active", "ELEVATION_STATUS_ACTIVE"),
    ("Closed", "ELEVATION_STATUS_CLOSED"),
    ("Expired", "ELEVATION_STATUS_EXPIRED"),
    ("PendingApproval", "ELEVATION_STATUS_PENDING_APPROVAL"),
    ("Rejected", "ELEVATION_STATUS_REJECTED"),
    ("Scheduled", "ELEVATION_STATUS_SCHEDULED"),
];
