//! The REST dialect: the PAM REST API of Microsoft Identity Manager 2016, spoken to the gRPC services in this process.
//!
//! A request becomes one protobuf message for the generated service trait, and its answer, or its `Status`, becomes
//! OData. So nothing can be done here that a gRPC caller cannot do.

mod approvals;
pub mod cors;
mod entity;
pub mod error;
mod path;
mod query;

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::header::ALLOW;
use http::{HeaderValue, Method};
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::proto::pam::v1::approval_service_server::ApprovalService;
use crate::status::{Error, Kind};
use path::{Action, Target};

/// The services that the REST dialect speaks to.
#[derive(Clone)]
pub struct Rest {
    /// Approvals.
    pub approvals: Arc<dyn ApprovalService>,
    /// How many rows a list has at most.
    pub longest_list: usize,
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
        let span = tracing::Span::current();
        span.record("operation", target.name());
        if declared_length(&request) > LONGEST_BODY {
            return Err(Error::new(Kind::BodyTooLarge, "The body of the request is too long.").into());
        }
        match (target, request.method()) {
            (Target::PendingApprovals, &Method::GET | &Method::HEAD) => self.pending_approvals(request).await,
            (Target::ApprovalAction(id, action), &Method::POST) => match action {
                Action::Approve => self.approve(id, request).await,
                Action::Reject => self.reject(id, request).await,
            },
            (target, _) => Ok(method_not_allowed(target)),
        }
    }
}

/// The message with all that the layers in front have found out about the caller.
fn message_of<M>(request: Request, message: M) -> tonic::Request<M> {
    let (parts, _) = request.into_parts();
    tonic::Request::from_parts(MetadataMap::new(), parts.extensions, message)
}

fn method_not_allowed(target: Target) -> Response {
    let error = Error::new(Kind::MethodNotAllowed, "This resource does not know the method.");
    let mut response = Status::from(error).into_http::<axum::body::Body>();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(target.methods()));
    response
}

/// The length that the request says its body has; a body without one is not read further than the operation needs.
fn declared_length(request: &Request) -> u64 {
    http_body::Body::size_hint(request.body()).lower()
}

const LONGEST_BODY: u64 = 64 * 1024;
