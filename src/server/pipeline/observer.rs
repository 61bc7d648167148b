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
use crate::telemetry::metrics::{GaugeGuard, Metrics, RequestMetrics, Timer};
use crate::telemetry::traces::{RequestSpan, Traces};
use crate::time::Stopwatch;

/// Logs, measures and traces the requests.
pub(crate) struct Observer {
    metrics: RequestMetrics,
    /// By operation, looked up once so that no request has to.
    durations: HashMap<&'static str, Histogram>,
    traces: Option<Traces>,
    tasks: Tasks,
}

impl Observer {
    /// Returns an observer for those metrics and traces.
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

/// Gives the request an id; logs, measures and traces it with its outcome. If the client leaves, a request that may
/// change something continues to its end, so that it is logged like any other.
pub(crate) async fn observe(
    State(observer): State<Arc<Observer>>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return serve(&observer, request, next).await;
    }
    let tasks = observer.tasks.clone();
    let dialect = Dialect::of(&request);
    let answer = tasks.spawn(async move { serve(&observer, request, next).await });
    match answer.await {
        Ok(Some(answer)) => answer,
        Ok(None) => dialect.print(refuse(Error::unavailable("the drain took too long"))),
        Err(error) => dialect.print(refuse(Error::internal(error))),
    }
}

async fn serve(observer: &Observer, mut request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let operation = operations::of(&request);
    let _in_flight = GaugeGuard::new(&observer.metrics.in_flight);
    let _timer = observer.durations.get(operation).map(Timer::start);
    let id = request_id(request.headers());
    let id_text = id.to_str().unwrap_or_default();
    let channel = if is_grpc(&request) {
        Channel::Grpc
    } else {
        Channel::PamWebApi
    };
    request.extensions_mut().insert(Origin {
        channel,
        request_id: id_text.to_owned(),
    });
    let line = tracing::info_span!("request", id = id_text, operation, account = field::Empty);
    let traces = observer.traces.as_ref();
    let trace = traces.map(|traces| traces.begin(operation, id_text, request.headers()));
    let answer = next.run(request).instrument(line.clone());
    let mut response = match &trace {
        Some(trace) => answer.with_context(trace.context()).await,
        None => answer.await,
    };
    line.in_scope(|| observer.report(operation, &response, trace, watch));
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

impl Observer {
    /// Counts, traces and logs the outcome of a request.
    fn report(
        &self,
        operation: &'static str,
        response: &Response,
        trace: Option<RequestSpan>,
        watch: Stopwatch,
    ) {
        let mut reason = None;
        let mut failed = false;
        if let Some(problem) = response.extensions().get::<Problem>() {
            let row = row(problem.kind());
            reason = Some(row.reason);
            failed = row.http.is_server_error();
            self.metrics.refused(operation, row.reason);
            if let Some(error) = problem.error()
                && let Some(cause) = &error.cause
            {
                log_cause(error.kind, &**cause);
            }
        }
        if let Some(trace) = trace {
            trace.outcome(reason.unwrap_or("OK"), failed);
        }
        let http = response.status().as_u16();
        let microseconds = u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX);
        if reason.is_none() && operations::is_probe(operation) {
            tracing::debug!(http, reason, microseconds, "answered");
        } else {
            tracing::info!(http, reason, microseconds, "answered");
        }
    }
}

/// Logs the private cause of an error: as an error if the operator has to act, otherwise only for debugging.
fn log_cause(kind: Kind, cause: &(dyn std::error::Error + 'static)) {
    match kind {
        Kind::Internal | Kind::Unavailable => tracing::error!(cause, "failed"),
        _ => tracing::debug!(cause, "refused"),
    }
}

/// Returns the caller's own id for the request if it is short and plain, otherwise a new id.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    match headers.get(REQUEST_ID) {
        Some(id) if is_plain(id) => id.clone(),
        _ => id_value(SystemIds.next()),
    }
}

fn is_plain(id: &HeaderValue) -> bool {
    (1..=MAX_REQUEST_ID).contains(&id.len())
        && id
            .as_bytes()
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn id_value(id: Uuid) -> HeaderValue {
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
        .expect("a GUID is a valid header value")
}

const MAX_REQUEST_ID: usize = 64;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
