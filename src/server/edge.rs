//! The edge: what every request meets first and every answer last, whatever dialect it speaks.
//!
//! Layers and handlers answer errors as gRPC does, a `Status` that rides in the extensions of the response. Here it is
//! printed in the caller's dialect, and its private cause is logged, once.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use opentelemetry::context::FutureExt;
use prometheus_client::metrics::histogram::Histogram;
use tonic::{Code, Status};
use tracing::{Instrument, field};
use uuid::Uuid;

use super::connections::Peer;
use super::forwarded::TrustedProxies;
use super::unserved::Unserved;
use super::work::Work;
use super::{head, operations};
use crate::domain::event::{Channel, Origin};
use crate::metrics::{Measured, Metrics, OneMore, RequestMetrics};
use crate::ports::Ids;
use crate::rest;
use crate::rest::cors::Cors;
use crate::status::{Error, Kind, error_of, kind_of, row};
use crate::steady::Stopwatch;
use crate::system::SystemIds;
use crate::traces::Traces;

/// What observes the requests.
pub(super) struct Observer {
    metrics: RequestMetrics,
    /// By operation, found once so that no request has to.
    durations: HashMap<&'static str, Histogram>,
    traces: Option<Traces>,
    work: Work,
}

impl Observer {
    /// Observes for those metrics and traces.
    pub(super) fn new(metrics: &Metrics, traces: Option<Traces>, work: &Work) -> Self {
        let metrics = metrics.requests.clone();
        let durations = operations::all().map(|operation| (operation, metrics.duration(operation)));
        Self {
            durations: durations.collect(),
            metrics,
            traces,
            work: work.clone(),
        }
    }
}

/// Gives the request an id; logs and measures it with its outcome. A request that may change something goes on to its end
/// when the client leaves, so that this is logged like any other.
pub(super) async fn observe(
    State(observer): State<Arc<Observer>>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return observed(&observer, request, next).await;
    }
    let work = observer.work.clone();
    let answer = work.spawn(async move { observed(&observer, request, next).await });
    match answer.await {
        Ok(Some(answer)) => answer,
        Ok(None) => Status::from(Error::unavailable("the drain took too long")).into_http(),
        Err(error) => Status::from(Error::internal(error)).into_http(),
    }
}

async fn observed(observer: &Observer, mut request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let operation = operations::of(&request);
    let _in_flight = OneMore::of(&observer.metrics.in_flight);
    let _measured = observer.durations.get(operation).map(Measured::into);
    let id = request_id(request.headers());
    let channel = if speaks_grpc(&request) {
        Channel::Grpc
    } else {
        Channel::PamWebApi
    };
    let origin = Origin {
        channel,
        request_id: id.to_str().unwrap_or_default().to_owned(),
    };
    request.extensions_mut().insert(origin);
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        operation,
        account = field::Empty,
    );
    let trace = observer.traces.as_ref().map(|traces| {
        traces.begin(
            operation,
            id.to_str().unwrap_or_default(),
            request.headers(),
        )
    });
    let answer = next.run(request).instrument(span.clone());
    let mut response = match &trace {
        Some(trace) => answer.with_context(trace.context()).await,
        None => answer.await,
    };
    let status = response.extensions().get::<Status>();
    let row = status.map(|status| row(kind_of(status)));
    let reason = row.map(|row| row.reason);
    if let Some(reason) = reason {
        observer.metrics.refused(operation, reason);
    }
    if let Some(trace) = trace {
        trace.outcome(
            reason.unwrap_or("OK"),
            row.is_some_and(|row| row.http.is_server_error()),
        );
    }
    let microseconds = u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX);
    span.in_scope(|| {
        if let Some(error) = status.and_then(error_of)
            && let Some(cause) = &error.cause
        {
            log_cause(error.kind, &**cause);
        }
        let http = response.status().as_u16();
        match reason {
            None if operations::is_probe(operation) => {
                tracing::debug!(http, reason, microseconds, "answered")
            }
            _ => tracing::info!(http, reason, microseconds, "answered"),
        }
    });
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// What lies between the clients and the server.
pub(super) struct Web {
    /// Which pages of other origins may call.
    pub(super) cors: Cors,
    /// Who may say how the clients reached it.
    pub(super) proxies: TrustedProxies,
}

impl Web {
    /// Puts the address that a proxy says its client called into the extensions of the request.
    fn note_address(&self, request: &mut Request) -> Result<(), Error> {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.address);
        if let Some(address) = self.proxies.address(peer, request.headers())? {
            request.extensions_mut().insert(address);
        }
        Ok(())
    }

    /// Answers preflights, and refuses pages of other origins.
    async fn answer(&self, request: Request, next: Next) -> Response {
        match request.method() {
            &Method::OPTIONS => self.cors.preflight(),
            _ if self.cors.refuses(&request) => {
                let message = "Pages of this origin may not call.";
                Status::from(Error::new(Kind::CrossOrigin, message)).into_http()
            }
            _ => next.run(request).await,
        }
    }
}

/// Speaks the caller's dialect: prints errors, answers preflights, marks answers for pages of other origins.
pub(super) async fn pass(
    State(web): State<Arc<Web>>,
    mut request: Request,
    next: Next,
) -> Response {
    let head = head::check(&request);
    if speaks_grpc(&request) {
        return match head {
            Ok(()) => explained(next.run(request).await),
            Err(error) => Status::from(error).into_http(),
        };
    }
    let head = head.and_then(|()| web.note_address(&mut request));
    let origin = web.cors.allowed(request.headers());
    let form = rest::error::Form::of(request.uri(), request.headers());
    let unserved = request
        .extensions()
        .get::<Unserved>()
        .copied()
        .map(Unserved::error);
    let mut response = match (head, unserved) {
        (Err(error), _) | (Ok(()), Some(error)) => Status::from(error).into_http(),
        (Ok(()), None) => web.answer(request, next).await,
    };
    if let Some(status) = response.extensions_mut().remove::<Status>() {
        response = rest::error::print(&status, response.headers(), form);
        response.extensions_mut().insert(status);
    }
    web.cors.mark(origin, response.headers_mut());
    response
}

/// Whether the request is a gRPC call.
pub(super) fn speaks_grpc(request: &Request) -> bool {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .map(HeaderValue::as_bytes);
    let rest = content_type.and_then(|content_type| content_type.strip_prefix(b"application/grpc"));
    request.method() == Method::POST && matches!(rest, Some([] | [b'+' | b';' | b' ', ..]))
}

/// The answer, with a reason also where tonic refused the call by itself: it could not be decoded, or there is no such
/// method. tonic calls what it cannot decode INTERNAL, which here is only what is not the caller's doing.
fn explained(mut response: Response) -> Response {
    let by_tonic = match response.extensions_mut().remove::<Status>() {
        Some(status) if error_of(&status).is_some() => {
            response.extensions_mut().insert(status);
            return response;
        }
        None if response.headers().contains_key(Status::GRPC_STATUS) => {
            Status::from_header_map(response.headers())
        }
        status => status,
    };
    let Some(status) = by_tonic.filter(|status| status.code() != Code::Ok) else {
        return response;
    };
    let compressions = response.headers_mut().remove(ACCEPTED_COMPRESSIONS);
    let error = match kind_of(&status) {
        Kind::NoSuchOperation if compressions.is_some() => Error::new(
            Kind::NoSuchOperation,
            "The compression of the message must be gzip or identity.",
        ),
        Kind::BodyTooLarge => Error::new(Kind::BodyTooLarge, "The message is too long."),
        Kind::NoSuchOperation => Error::new(Kind::NoSuchOperation, "There is no such operation."),
        Kind::Internal | Kind::InvalidArgument => Error::invalid("The message cannot be decoded."),
        kind => Error::new(kind, "The call was refused."),
    };
    let mut response = Status::from(error.because(status)).into_http();
    response
        .headers_mut()
        .extend(compressions.map(|compressions| (ACCEPTED_COMPRESSIONS, compressions)));
    response
}

/// Lets gRPC calls pass, and nothing else.
pub(super) async fn only_grpc(request: Request, next: Next) -> Response {
    if speaks_grpc(&request) {
        next.run(request).await
    } else {
        no_such_operation()
    }
}

/// Answers for what is neither a method of a service nor a resource of the REST API.
pub(super) fn no_such_operation() -> Response {
    let error = Error::new(Kind::NoSuchOperation, "There is no such operation.");
    Status::from(error).into_http()
}

/// Answers for a method that a resource does not know.
pub(super) async fn method_not_allowed() -> Response {
    let error = Error::new(
        Kind::MethodNotAllowed,
        "This resource does not know the method.",
    );
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

/// Of a call whose message is compressed in another way, with those that the server knows.
const ACCEPTED_COMPRESSIONS: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const LONGEST_REQUEST_ID: usize = 64;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
