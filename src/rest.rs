//! The REST dialect: the PAM REST API of Microsoft Identity Manager 2016, spoken to the gRPC services in this process.
//!
//! A request becomes one protobuf message for the generated service trait, and its answer, or its `Status`, becomes
//! OData. So nothing can be done here that a gRPC caller cannot do.

pub mod cors;
pub mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod metadata;
mod odata;
mod openapi;
mod path;
mod resources;

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method};
use jiff::tz::TimeZone;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::proto::pam::v1::approval_service_server::ApprovalService;
use crate::proto::pam::v1::elevation_service_server::ElevationService;
use crate::proto::pam::v1::role_service_server::RoleService;
use crate::proto::pam::v1::session_service_server::SessionService;
use crate::status::{Error, Kind};
pub use odata::entity::Address;
pub use openapi::document;
pub use path::OPERATIONS;
use path::{Action, Target};
use resources::approvals::PendingApprovals;
use resources::requests::Requests;
use resources::roles::Roles;
use resources::session::Session;

/// The services that the REST dialect speaks to.
#[derive(Clone)]
pub struct Rest {
    /// Approvals.
    pub approvals: Arc<dyn ApprovalService>,
    /// Elevations.
    pub elevations: Arc<dyn ElevationService>,
    /// Roles.
    pub roles: Arc<dyn RoleService>,
    /// Sessions.
    pub sessions: Arc<dyn SessionService>,
    /// How many rows a list has at most.
    pub longest_list: usize,
    /// The zone of times that come without one.
    pub zone: TimeZone,
}

impl Rest {
    /// Answers a request of the REST API. An error leaves as its gRPC response; the edge prints it as OData.
    pub async fn answer(&self, request: Request) -> Response {
        match self.route(request).await {
            Ok(response) => response,
            Err(status) => status.into_http(),
        }
    }

    async fn route(&self, request: Request) -> Result<Response, Status> {
        let target = path::parse(request.uri().path())?;
        if declared_length(&request) > LONGEST_BODY as u64 {
            return Err(body_too_large().into());
        }
        let (parts, body) = request.into_parts();
        let request = &parts;
        match (target, &request.method) {
            (Target::ApprovalAction(id, Action::Approve), &Method::POST) => {
                self.approve(id, request).await
            }
            (Target::ApprovalAction(id, Action::Reject), &Method::POST) => {
                self.reject(id, request).await
            }
            (Target::PendingApproval(id), &Method::GET | &Method::HEAD) => {
                self.single::<PendingApprovals>(id, request).await
            }
            (Target::PendingApprovals, &Method::GET | &Method::HEAD) => {
                self.list::<PendingApprovals>(request).await
            }
            (Target::Request(id), &Method::GET | &Method::HEAD) => self.request(id, request).await,
            (Target::RequestClose(id), &Method::POST) => self.close(id, request).await,
            (Target::Requests, &Method::GET | &Method::HEAD) => {
                self.list::<Requests>(request).await
            }
            (Target::Requests, &Method::POST) => self.create(request, body).await,
            (Target::Role(id), &Method::GET | &Method::HEAD) => {
                self.single::<Roles>(id, request).await
            }
            (Target::Roles, &Method::GET | &Method::HEAD) => self.list::<Roles>(request).await,
            (Target::Metadata, &Method::GET | &Method::HEAD) => self.metadata(request),
            (Target::ServiceDocument, &Method::GET | &Method::HEAD) => {
                self.service_document(request)
            }
            (Target::Session, &Method::GET | &Method::HEAD) => self.list::<Session>(request).await,
            (target, _) => Ok(method_not_allowed(target)),
        }
    }
}

/// What a request asks for, in one word; `None` when its path names nothing.
pub fn operation(method: &Method, path: &str) -> Option<&'static str> {
    path::parse(path)
        .ok()
        .map(|target| target.operation(method))
}

/// The message with all that the layers in front have found out about the caller.
fn message_of<M>(request: &Parts, message: M) -> tonic::Request<M> {
    tonic::Request::from_parts(MetadataMap::new(), request.extensions.clone(), message)
}

fn method_not_allowed(target: Target) -> Response {
    let error = Error::new(
        Kind::MethodNotAllowed,
        "This resource does not know the method.",
    );
    let mut response = Status::from(error).into_http::<axum::body::Body>();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(target.methods()));
    response
}

fn body_too_large() -> Error {
    Error::new(Kind::BodyTooLarge, "The body of the request is too long.")
}

/// The length that the request says its body has; a body without one is not read further than the operation needs.
fn declared_length(request: &Request) -> u64 {
    http_body::Body::size_hint(request.body()).lower()
}

const LONGEST_BODY: usize = 64 * 1024;
