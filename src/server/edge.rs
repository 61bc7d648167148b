//! The edge: what every request meets first and every answer last, whatever dialect it speaks.
//!
//! Layers and handlers answer errors as gRPC does, a `Status` that rides in the extensions of the response. Here it is
//! printed in the caller's dialect, and its private cause is logged, once.

use std::any::Any;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tonic::Status;
use tracing::{Instrument, field};
use uuid::Uuid;

use crate::ports::Ids;
use crate::rest;
use crate::rest::cors::Cors;
use crate::status::{Error, Kind, error_of, kind_of};
use crate::steady::Stopwatch;
use crate::system::SystemIds;

/// Gives the request an id, and logs it with its outcome.
pub(super) async fn observe(mut request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        operation = field::Empty,
        account = field::Empty,
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.extensions().get::<Status>();
    let reason = status.map(|status| crate::status::row(kind_of(status)).reason);
    let microseconds = u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX);
    span.in_scope(|| {
        if let Some(error) = status.and_then(error_of)
            && let Some(cause) = &error.cause
        {
            log_cause(error.kind, &**cause);
        }
        tracing::info!(http = response.status().as_u16(), reason, microseconds, "answered");
    });
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Speaks the caller's dialect: prints errors, answers preflights, marks answers for pages of other origins.
pub(super) async fn pass(State(cors): State<Arc<Cors>>, request: Request, next: Next) -> Response {
    if speaks_grpc(request.headers()) {
        let path = request.uri().path();
        // Only paths of the contract; what else a caller may send has no place in the log.
        let known =
            path.len() <= LONGEST_OPERATION && ["/pam.v1.", "/grpc."].iter().any(|own| path.starts_with(own));
        tracing::Span::current().record("operation", if known { path } else { "unknown" });
        return next.run(request).await;
    }
    let origin = cors.allowed(request.headers());
    let mut response =
        if request.method() == Method::OPTIONS { cors.preflight() } else { next.run(request).await };
    if let Some(status) = response.extensions_mut().remove::<Status>() {
        response = rest::error::print(&status, response.headers());
        response.extensions_mut().insert(status);
    }
    cors.mark(origin, response.headers_mut());
    response
}

/// Whether the request is a gRPC call, by its content type.
pub(super) fn speaks_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|content_type| content_type.as_bytes().starts_with(b"application/grpc"))
}

/// Lets gRPC calls pass, and nothing else.
pub(super) async fn only_grpc(request: Request, next: Next) -> Response {
    if speaks_grpc(request.headers()) { next.run(request).await } else { no_such_operation() }
}

/// Answers for what is neither a method of a service nor a resource of the REST API.
pub(super) fn no_such_operation() -> Response {
    let error = Error::new(Kind::NoSuchOperation, "There is no such operation.");
    Status::from(error).into_http()
}

/// Answers for a handler that panicked. The panic itself has been logged by the hook of `telemetry`.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Status::from(Error::internal("a handler panicked")).into_http::<Body>()
}

/// Defects and broken machines are for the operator; what a caller did is only worth a note.
fn log_cause(kind: Kind, cause: &(dyn std::error::Error + 'static)) {
    match kind {
        Kind::Internal | Kind::Unavailable => tracing::error!(cause, "failed"),
        _ => tracing::debug!(cause, "refused"),
    }
}

/// The caller's own id for the request, when it is short and plain, else one of ours.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let plain = |id: &&HeaderValue| {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        (1..=LONGEST_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(allowed)
    };
    match headers.get(REQUEST_ID).filter(plain) {
        Some(id) => id.clone(),
        None => id_value(SystemIds.next()),
    }
}

fn id_value(id: Uuid) -> HeaderValue {
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
        .expect("a GUID is a valid header value")
}

const LONGEST_OPERATION: usize = 100;
const LONGEST_REQUEST_ID: usize = 64;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
