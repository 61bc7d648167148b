//! Traces: what a collector is sent, and what it is not.

use std::time::Duration;

use countersign::time::Stopwatch;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::kit::{ANN, JEN, Kit, Options, SAM, role};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

#[tokio::test]
async fn a_request_is_a_span_that_continues_the_callers_trace() {
    let collector = Collector::start().await;
    let kit = collector.kit().await;
    let filed = kit.pending().await;
    let approve = format!(
        "/api/pamresources/pamrequeststoapprove(guid'{}')/Approve",
        filed.approval_id
    );
    let headers = format!(
        "traceparent: 00-{TRACE}-{PARENT}-01\r\nx-request-id: r-1\r\nContent-Length: 0\r\n"
    );
    assert_eq!(
        kit.as_(SAM)
            .rest("POST", &approve, &headers, "")
            .await
            .status,
        200
    );
    let mut request = Request::new(Default::default());
    request.metadata_mut().insert(
        "traceparent",
        format!("00-{TRACE}-{PARENT}-01").parse().unwrap(),
    );
    kit.as_(SAM)
        .approvals()
        .list_approvals(request)
        .await
        .unwrap();
    let spans = collector.sent_by(kit).await;

    let span = spans
        .iter()
        .find(|span| span.name == "rest:Approve")
        .unwrap();
    assert_eq!(
        (hex(&span.trace_id), hex(&span.parent_span_id)),
        (TRACE.into(), PARENT.into())
    );
    assert_eq!(span.kind(), SpanKind::Server);
    assert_eq!(
        attributes(span),
        [
            ("operation", "rest:Approve"),
            ("request_id", "r-1"),
            ("outcome", "OK")
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
    );
    let parts = spans
        .iter()
        .filter(|part| part.parent_span_id == span.span_id);
    assert_eq!(
        parts.map(|part| &*part.name).collect::<Vec<_>>(),
        ["store.read", "store.commit"]
    );

    let span = spans
        .iter()
        .find(|span| span.name == "/pam.v1.ApprovalService/ListApprovals")
        .unwrap();
    assert_eq!(
        (hex(&span.trace_id), hex(&span.parent_span_id)),
        (TRACE.into(), PARENT.into())
    );
    let parts = spans
        .iter()
        .filter(|part| part.parent_span_id == span.span_id);
    assert_eq!(
        parts
            .map(|part| (&*part.name, &part.trace_id))
            .collect::<Vec<_>>(),
        [("store.read", &span.trace_id)]
    );
}

#[tokio::test]
async fn a_span_tells_the_outcome() {
    let collector = Collector::start().await;
    let kit = collector.kit().await;
    kit.anonymous().get("/api/pamresources/pamroles").await;
    let there = kit.role().await;
    kit.ids.break_once();
    kit.as_(JEN).file(&there.id).await.unwrap_err();
    let spans = collector.sent_by(kit).await;
    let of = |operation: &str| spans.iter().find(|span| span.name == operation).unwrap();
    let outcome = |span: &Span| attributes(span)[2].1.clone();
    let status = |span: &Span| span.status.clone().unwrap_or_default().code();
    let denied = of("rest:pamroles");
    assert_eq!(
        (outcome(denied), status(denied)),
        ("UNAUTHENTICATED".to_owned(), StatusCode::Unset)
    );
    let broken = of("/pam.v1.ElevationService/CreateElevation");
    assert_eq!(
        (outcome(broken), status(broken)),
        ("INTERNAL".to_owned(), StatusCode::Error)
    );
}

#[tokio::test]
async fn nothing_that_a_caller_sends_is_in_a_span() {
    let collector = Collector::start().await;
    let kit = collector.kit().await;
    kit.as_(ANN)
        .create_role(role("SECRET", &[SAM], 1))
        .await
        .unwrap();
    let headers = format!(
        "traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: secret=secret\r\nbaggage: secret=secret\r\n\
         User-Agent: secret\r\nContent-Length: 0\r\n"
    );
    for path in [
        "/secret",
        "/api/pamresources/secret?$filter=secret",
        "/api/pamresources/pamroles?$top=secret",
    ] {
        kit.as_(SAM).rest("GET", path, &headers, "").await;
        kit.as_(SAM).rest("SECRET", path, &headers, "").await;
    }
    // An invalid traceparent starts a new trace.
    for bad in [
        "secret",
        "00-secret-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-secret-01",
        "",
    ] {
        kit.as_(SAM)
            .rest("GET", "/healthz", &format!("traceparent: {bad}\r\n"), "")
            .await;
    }
    let token = kit.token(SAM).to_owned();
    let spans = collector.sent_by(kit).await;
    assert_eq!(
        spans
            .iter()
            .filter(|span| span.name == "healthz" && span.parent_span_id.is_empty())
            .count(),
        4
    );
    let told = format!("{spans:?}").to_lowercase();
    for secret in ["secret", &token[4..20], &token[21..], "priv", "ticket"] {
        assert!(!told.contains(&secret.to_lowercase()), "{secret}");
    }
}

#[tokio::test]
async fn a_caller_who_samples_nothing_is_not_traced() {
    let collector = Collector::start().await;
    let kit = collector.kit().await;
    let headers = format!("traceparent: 00-{TRACE}-{PARENT}-00\r\n");
    kit.as_(SAM)
        .rest("GET", "/api/pamresources/pamroles", &headers, "")
        .await;
    kit.as_(SAM).get("/api/pamresources/sessioninfo").await;
    let spans = collector.sent_by(kit).await;
    assert_eq!(
        spans.iter().map(|span| &*span.name).collect::<Vec<_>>(),
        ["rest:sessioninfo"]
    );
}

#[tokio::test]
async fn a_collector_that_is_away_holds_up_nothing() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kit = Kit::with(Options {
        collector: Some(endpoint(&nobody)),
        ..Options::default()
    })
    .await;
    // More than the queue of spans holds, to a collector that never answers.
    let watch = Stopwatch::start();
    for _ in 0..3_000 {
        assert_eq!(kit.anonymous().get("/healthz").await.status, 200);
    }
    assert!(watch.elapsed() < Duration::from_secs(60));
    let watch = Stopwatch::start();
    kit.signal();
    kit.ended().await;
    assert!(
        watch.elapsed() < Duration::from_secs(10),
        "the last flush has an end"
    );
}

#[tokio::test]
async fn a_request_whose_client_leaves_ends_its_span_with_its_outcome() {
    let collector = Collector::start().await;
    let kit = Kit::with(collector.options()).await;
    let begun = format!(
        "POST /api/pamresources/pamrequests HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 9\r\n\r\n",
        kit.token(JEN)
    );
    let mut client = tokio::net::TcpStream::connect(kit.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut client, begun.as_bytes())
        .await
        .unwrap();
    let max = kit.as_(crate::kit::MAX);
    while !max
        .get("/metrics")
        .await
        .body
        .contains("requests_in_flight 2\n")
    {}
    drop(client);
    while !max
        .get("/metrics")
        .await
        .body
        .contains("requests_in_flight 1\n")
    {}
    let spans = collector.sent_by(kit).await;
    let span = spans
        .iter()
        .find(|span| span.name == "rest:Create")
        .unwrap();
    let outcome = ("outcome".to_owned(), "INVALID_ARGUMENT".to_owned());
    assert!(
        attributes(span).contains(&outcome),
        "{:?}",
        attributes(span)
    );
}

/// A collector that keeps what it is sent.
struct Collector {
    endpoint: http::Uri,
    spans: mpsc::UnboundedReceiver<Span>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sender, spans) = mpsc::unbounded_channel();
        let endpoint = endpoint(&listener);
        let serving =
            tonic::transport::Server::builder().add_service(TraceServiceServer::new(Sink(sender)));
        tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { endpoint, spans }
    }

    fn options(&self) -> Options {
        Options {
            collector: Some(self.endpoint.clone()),
            ..Options::default()
        }
    }

    async fn kit(&self) -> Kit {
        Kit::with(self.options()).await
    }

    /// Everything that the server has sent when it has ended, in the order in which it began.
    async fn sent_by(mut self, kit: Kit) -> Vec<Span> {
        kit.signal();
        kit.ended().await;
        let mut spans = Vec::new();
        while let Ok(span) = self.spans.try_recv() {
            spans.push(span);
        }
        spans.sort_by_key(|span| span.start_time_unix_nano);
        spans
    }
}

struct Sink(mpsc::UnboundedSender<Span>);

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let name = resource
                .resource
                .unwrap()
                .attributes
                .into_iter()
                .find(|one| one.key == "service.name");
            assert_eq!(
                name.unwrap().value.unwrap().value,
                Some(Value::StringValue("countersign".to_owned()))
            );
            for span in resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans)
            {
                self.0.send(span).unwrap();
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn endpoint(listener: &TcpListener) -> http::Uri {
    format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap()
}

/// The attributes of a span, all of which are text.
fn attributes(span: &Span) -> Vec<(String, String)> {
    let attributes = span
        .attributes
        .iter()
        .map(|one| match one.value.clone().unwrap().value {
            Some(Value::StringValue(value)) => (one.key.clone(), value),
            other => panic!("{}: {other:?}", one.key),
        });
    attributes.collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
