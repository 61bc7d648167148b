//! The log line, the metrics and the trace of each request.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use prometheus_client::metrics::histogram::Histogram;
use uuid::Uuid;

use super::content_type::is_grpc;
use super::operations::{self, Operation};
use crate::domain::caller::Caller;
use crate::domain::event::{Channel, Origin};
use crate::errors::{Kind, Problem, row};
use crate::ids::{Ids, SystemIds};
use crate::telemetry::metrics::{GaugeGuard, Metrics, RequestMetrics, Timer};
use crate::telemetry::traces::{RequestSpan, Traces};
use crate::time::Stopwatch;

/// Logs, measures and traces the requests.
pub(crate) struct Observer {
    metrics: RequestMetrics,
    /// By operation, looked up once so that no request has to.
    durations: HashMap<&'static str, Histogram>,
    traces: Option<Traces>,
}

impl Observer {
    /// Returns an observer for those metrics and traces.
    pub(crate) fn new(metrics: &Metrics, traces: Option<Traces>) -> Self {
        let metrics = metrics.requests.clone();
        let durations = operations::all().map(|operation| (operation, metrics.duration(operation)));
        Self {
            durations: durations.collect(),
            metrics,
            traces,
        }
    }

    /// Begins to observe a request, and gives it an id.
    pub(super) fn begin(&self, request: &Request) -> Observation<'_> {
        let watch = Stopwatch::start();
        let operation = operations::of(request);
        let id = request_id(request.headers());
        let channel = if is_grpc(request) {
            Channel::Grpc
        } else {
            Channel::PamWebApi
        };
        let traces = self.traces.as_ref();
        let trace = traces.map(|traces| traces.begin(operation.name, text(&id), request.headers()));
        Observation {
            operation,
            caller: None,
            id,
            channel,
            trace,
            watch,
            _timer: self.durations.get(operation.name).map(Timer::start),
            _in_flight: GaugeGuard::new(&self.metrics.in_flight),
            metrics: &self.metrics,
        }
    }
}

/// The observation of a request. If the client leaves, it is dropped, which ends the measurements.
pub(super) struct Observation<'a> {
    /// The operation that the request asks for.
    pub(super) operation: Operation,
    /// The caller, as soon as the authentication has found it.
    pub(super) caller: Option<Arc<Caller>>,
    id: HeaderValue,
    channel: Channel,
    trace: Option<RequestSpan>,
    watch: Stopwatch,
    _timer: Option<Timer>,
    _in_flight: GaugeGuard,
    metrics: &'a RequestMetrics,
}

impl Observation<'_> {
    /// Returns the origin of the request, for the record.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            channel: self.channel,
            request_id: text(&self.id).to_owned(),
        }
    }

    /// Returns the context of the trace, if requests are traced.
    pub(super) fn trace_context(&self) -> Option<Context> {
        self.trace.as_ref().map(RequestSpan::context)
    }

    /// Counts, traces and logs the outcome of the request, and adds its id to the response.
    pub(super) fn end(self, response: &mut Response) {
        let problem = response.extensions().get::<Problem>();
        let row = problem.map(|problem| row(problem.kind()));
        let reason = row.map(|row| row.reason);
        if let Some(reason) = reason {
            self.metrics.refused(self.operation.name, reason);
        }
        if let Some(trace) = &self.trace {
            let failed = row.is_some_and(|row| row.http.is_server_error());
            trace.outcome(reason.unwrap_or("OK"), failed);
        }
        self.log(problem, reason, response.status().as_u16());
        response.headers_mut().insert(REQUEST_ID, self.id);
    }

    /// Writes the log line of the request, after the private cause of an error. The lines name the request in a span of
    /// their own. A span around the whole request would cost more than the lines.
    fn log(&self, problem: Option<&Problem>, reason: Option<&'static str>, http: u16) {
        let operation = self.operation.name;
        let account = self.caller.as_ref().map(|caller| &*caller.account.name);
        let line = tracing::info_span!("request", id = text(&self.id), operation, account);
        let _entered = line.enter();
        if let Some(error) = problem.and_then(Problem::error)
            && let Some(cause) = &error.cause
        {
            log_cause(error.kind, &**cause);
        }
        let microseconds = u64::try_from(self.watch.elapsed().as_micros()).unwrap_or(u64::MAX);
        if reason.is_none() && operations::is_probe(operation) {
            tracing::debug!(http, reason, microseconds, "answered");
        } else {
            tracing::info!(http, reason, microseconds, "answered");
        }
    }
}

/// Waits for a part of a request, whose own parts are traced under that context.
pub(super) async fn traced<T>(part: impl Future<Output = T>, context: Option<Context>) -> T {
    match context {
        Some(context) => part.with_context(context).await,
        None => part.await,
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

fn text(id: &HeaderValue) -> &str {
    id.to_str().unwrap_or_default()
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
