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
use http::{HeaderValue, Method};
use jiff::tz::TimeZone;
use tonic::Status;

use crate::errors::{Error, Kind, refuse};
use crate::proto::pam::v1::approval_service_server::ApprovalService;
use crate::proto::pam::v1::elevation_service_server::ElevationService;
use crate::proto::pam::v1::role_service_server::RoleService;
use crate::proto::pam::v1::session_service_server::SessionService;
pub use odata::address::Address;
use odata::body::check_length;
use odata::list::list;
use odata::single::single;
pub use openapi::document;
pub use path::OPERATIONS;
use path::{Action, Target};
use resources::approvals::PendingApprovals;
use resources::requests::Requests;
use resources::roles::Roles;
use resources::session::Session;

/// The REST API.
pub struct Rest {
    approvals: PendingApprovals,
    requests: Requests,
    roles: Roles,
    session: Session,
    longest_list: usize,
    zone: TimeZone,
}

impl Rest {
    /// Returns the REST API of gRPC services in this process. A list has at most `longest_list` rows. Times without a zone
    /// are in `zone`.
    pub fn new(
        approvals: Arc<dyn ApprovalService>,
        elevations: Arc<dyn ElevationService>,
        roles: Arc<dyn RoleService>,
        sessions: Arc<dyn SessionService>,
        longest_list: usize,
        zone: TimeZone,
    ) -> Self {
        Self {
            approvals: PendingApprovals(approvals),
            requests: Requests(elevations),
            roles: Roles(roles),
            session: Session(sessions),
            longest_list,
            zone,
        }
    }

    /// Answers a request of the REST API. The server prints an error as OData.
    pub async fn answer(&self, request: Request) -> Response {
        match self.route(request).await {
            Ok(response) => response,
            Err(status) => refuse(status),
        }
    }

    async fn route(&self, request: Request) -> Result<Response, Status> {
        let target = path::parse(request.uri().path())?;
        check_length(request.body())?;
        let (parts, body) = request.into_parts();
        let request = &parts;
        let (approvals, requests) = (&self.approvals, &self.requests);
        let (roles, session, longest) = (&self.roles, &self.session, self.longest_list);
        match (target, &request.method) {
            (Target::ApprovalAction(id, Action::Approve), &Method::POST) => {
                approvals.approve(id, parts).await
            }
            (Target::ApprovalAction(id, Action::Reject), &Method::POST) => {
                approvals.reject(id, parts).await
            }
            (Target::PendingApproval(id), &Method::GET | &Method::HEAD) => {
                single(approvals, id, request).await
            }
            (Target::PendingApprovals, &Method::GET | &Method::HEAD) => {
                list(approvals, request, longest).await
            }
            (Target::Request(id), &Method::GET | &Method::HEAD) => requests.get(id, request).await,
            (Target::RequestClose(id), &Method::POST) => requests.close(id, parts).await,
            (Target::Requests, &Method::GET | &Method::HEAD) => {
                list(requests, request, longest).await
            }
            (Target::Requests, &Method::POST) => requests.create(request, body, &self.zone).await,
            (Target::Role(id), &Method::GET | &Method::HEAD) => single(roles, id, request).await,
            (Target::Roles, &Method::GET | &Method::HEAD) => list(roles, request, longest).await,
            (Target::Metadata, &Method::GET | &Method::HEAD) => metadata::metadata(request),
            (Target::ServiceDocument, &Method::GET | &Method::HEAD) => {
                metadata::service_document(request)
            }
            (Target::Session, &Method::GET | &Method::HEAD) => {
                list(session, request, longest).await
            }
            (target, _) => Ok(method_not_allowed(target)),
        }
    }
}

/// Returns the operation of a request; `None` if there is nothing at its path.
pub fn operation(method: &Method, path: &str) -> Option<&'static str> {
    path::parse(path)
        .ok()
        .map(|target| target.operation(method))
}

fn method_not_allowed(target: Target) -> Response {
    let error = Error::new(
        Kind::MethodNotAllowed,
        "This resource does not know the method.",
    );
    let mut response: Response = refuse(error);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(target.methods()));
    response
}
