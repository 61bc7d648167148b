//! Traces: the outcome of a request and the duration of its parts, as OpenTelemetry spans for a collector.
//!
//! Without an endpoint there are no traces, and they cost nothing. A span has fixed words and the id of its request: no
//! tokens, no accounts, and no text of a caller except the ids of a `traceparent`. Spans wait in a bounded queue, and a
//! separate thread sends them. If the collector does not answer, spans are dropped and no request waits.

use std::time::Duration;

use http::{HeaderMap, Uri};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use tokio::task::spawn_blocking;

use crate::domain::error::Error;

/// Sends the traces of a server to a collector.
#[derive(Clone, Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Connects to the collector at `endpoint`, by OTLP over gRPC, from within the runtime. The `OTEL_` variables choose
    /// sampling, batches and the resource.
    ///
    /// # Errors
    ///
    /// `Internal` if the exporter cannot be built.
    pub fn to(endpoint: &Uri) -> Result<Self, Error> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint.to_string())
            .build();
        let resource = Resource::builder()
            .with_service_name("countersign")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter.map_err(Error::internal)?)
            .with_resource(resource)
            .build();
        Ok(Self {
            tracer: provider.tracer("countersign"),
            provider,
        })
    }

    /// Begins the span of a request, as a part of the trace that its headers name.
    pub fn begin(
        &self,
        operation: &'static str,
        request_id: &str,
        headers: &HeaderMap,
    ) -> RequestSpan {
        let parent =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Parent(headers));
        let attributes = [
            KeyValue::new("operation", operation),
            KeyValue::new("request_id", request_id.to_owned()),
        ];
        let span = self
            .tracer
            .span_builder(operation)
            .with_kind(SpanKind::Server)
            .with_attributes(attributes);
        let span = span.start_with_context(&self.tracer, &parent);
        RequestSpan(parent.with_span(span).with_value(self.tracer.clone()))
    }

    /// Sends the waiting spans, for at most `MAX_FLUSH`.
    pub async fn flush(self) {
        let flushed = spawn_blocking(move || self.provider.shutdown_with_timeout(MAX_FLUSH)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!("the last traces could not be sent");
        }
    }
}

/// The span of a request; it ends when this is dropped.
#[derive(Debug)]
pub struct RequestSpan(Context);

impl RequestSpan {
    /// Returns the context in which the request is served, so that spans of its parts have this parent.
    pub fn context(&self) -> Context {
        self.0.clone()
    }

    /// Sets the outcome of the request. `failed` means that the server is at fault.
    pub fn outcome(&self, outcome: &'static str, failed: bool) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("outcome", outcome));
        if failed {
            span.set_status(Status::error(outcome));
        }
    }
}

impl Drop for RequestSpan {
    fn drop(&mut self) {
        // A task that still holds the context must not keep the span open.
        self.0.span().end();
    }
}

/// A part of a request, as a span of its own; it ends when this is dropped.
#[derive(Debug)]
pub struct Part(Option<Span>);

impl Part {
    /// Begins a part of the present request, if that is traced.
    pub fn begin(name: &'static str) -> Self {
        Self(Context::map_current(|context| {
            let tracer = context.get::<SdkTracer>()?;
            Some(
                tracer
                    .span_builder(name)
                    .start_with_context(tracer, context),
            )
        }))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(span) = &mut self.0 {
            span.end();
        }
    }
}

/// The `traceparent` of a request. Its `tracestate` is not read, because it would put a caller's text into spans.
struct Parent<'a>(&'a HeaderMap);

impl Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        if key == TRACEPARENT {
            self.0.get(key)?.to_str().ok()
        } else {
            None
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

const MAX_FLUSH: Duration = Duration::from_secs(5);
/// W3C Trace Context, section 3.2.
const TRACEPARENT: &str = "traceparent";
