//! Traces: what became of a request and how long its parts took, as OpenTelemetry spans for a collector.
//!
//! Off unless there is an endpoint, and then nothing is done for them. A span has words of ours and the id of its request:
//! no tokens, no accounts, and of what a caller sends nothing but the ids of a `traceparent`. Spans wait in a bounded
//! queue and are sent by a thread of their own; when the collector is away they are dropped, and nobody waits.

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

/// Where the traces of a server go.
#[derive(Clone, Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Sends traces to the collector at `endpoint`, by OTLP over gRPC, from within the runtime. What the `OTEL_` variables
    /// say of sampling, batches and the resource holds.
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

    /// Begins the span of a request, which goes on with the trace that its headers name.
    pub fn begin(&self, operation: &'static str, request_id: &str, headers: &HeaderMap) -> Request {
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
        Request(parent.with_span(span).with_value(self.tracer.clone()))
    }

    /// Sends what is left, for as long as it may take.
    pub async fn flush(self) {
        let flushed =
            spawn_blocking(move || self.provider.shutdown_with_timeout(LONGEST_FLUSH)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!("the last traces could not be sent");
        }
    }
}

/// The span of a request; it ends when this is dropped.
#[derive(Debug)]
pub struct Request(Context);

impl Request {
    /// What the request is served within, so that its parts are known as such.
    pub fn context(&self) -> Context {
        self.0.clone()
    }

    /// Says what became of the request; `failed` when it was the server's fault.
    pub fn outcome(&self, outcome: &'static str, failed: bool) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("outcome", outcome));
        if failed {
            span.set_status(Status::error(outcome));
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // Whoever still has the context must not keep the span open.
        self.0.span().end();
    }
}

/// A part of a request, as a span of its own; it ends when this is dropped.
#[derive(Debug)]
pub struct Part(Option<Span>);

impl Part {
    /// Begins a part of the request that is being served, when that is traced.
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

/// The `traceparent` of a request. Its `tracestate` would put a caller's text into our spans, and is not read.
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

const LONGEST_FLUSH: Duration = Duration::from_secs(5);
/// W3C Trace Context, section 3.2.
const TRACEPARENT: &str = "traceparent";
