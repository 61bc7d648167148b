//! The log line, the metrics and the trace of each request.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::context::FutureExt;
use prometheus_client::metrics::histogram::Histogram;
use tracing::{Instrument, field};
use uuid::Uuid;

use super::content_type::is_grpc;
use super::dialect::Dialect;
use super::operations;
use crate::domain::event::{Channel, Origin};
use crate::errors::{Error, Kind, Problem, refuse, row};
use crate::ids::{Ids, SystemIds};
use crate::server::tasks::Tasks;
use crate::telemetry::metrics::{Measured, Metrics, OneMore, RequestMetrics};
use crate::telemetry::traces::Traces;
use crate::time::Stopwatch;

/// What observes the requests.
pub(crate) struct Observer {
    metrics: RequestMetrics,
    /// By operation, found once so that no request has to.
    durations: HashMap<&'static str, Histogram>,
    traces: Option<Traces>,
    tasks: Tasks,
}

impl Observer {
    /// Observes for those metrics and traces.
    pub(crate) fn new(metrics: &Metrics, traces: Option<Traces>, tasks: &Tasks) -> Self {
        let metrics = metrics.requests.clone();
        let durations = operations::all().map(|operation| (operation, metrics.duration(operation)));
        Self {
            durations: durations.collect(),
            metrics,
            traces,
            tasks: tasks.clone(),
        }
    }
}

/// Gives the request an id; logs and measures it with its outcome. A request that may change something goes on to its end
/// when the client leaves, so that this is logged like any other.
pub(crate) async fn observe(
    State(observer): State<Arc<Observer>>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return observed(&observer, request, next).await;
    }
    let tasks = observer.tasks.clone();
    let dialect = Dialect::of(&request);
    let answer = tasks.spawn(async move { observed(&observer, request, next).await });
    match answer.await {
        Ok(Some(answer)) => answer,
        Ok(None) => dialect.print(refuse(Error::unavailable("the drain took too long"))),
        Err(error) => dialect.print(refuse(Error::internal(error))),
    }
}

async fn observed(observer: &Observer, mut request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let operation = operations::of(&request);
    let _in_flight = OneMore::of(&observer.metrics.in_flight);
    let _measured = observer.durations.get(operation).map(Measured::into);
    let id = request_id(request.headers());
    let channel = if is_grpc(&request) {
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
    let problem = response.extensions().get::<Problem>();
    let row = problem.map(|problem| row(problem.kind()));
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
        if let Some(error) = problem.and_then(Problem::error)
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

const LONGEST_REQUEST_ID: usize = 64;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
