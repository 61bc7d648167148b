//! Clients that send nothing, stop sending, or leave.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::proto::pam::v1::{ApproveRequest, GetSessionRequest};
use countersign::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing_subscriber::fmt::MakeWriter;

use crate::kit::{Answer, Kit, MAX, Options, SAM, answered};
use crate::races::instead::Gate;

const HOUR: Duration = Duration::from_secs(3_600);
const LIST: &str = "/api/pamresources/pamrequeststoapprove";

#[tokio::test]
async fn a_silent_client_is_cut_like_one_whose_headers_are_slow() {
    let limits = Limits {
        headers: Duration::from_millis(100),
        idle: HOUR,
        ..Limits::default()
    };
    let kit = Kit::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    let mut silent = TcpStream::connect(kit.address).await.unwrap();
    let cut = timeout(Duration::from_secs(30), silent.read(&mut [0; 16])).await;
    assert_eq!(cut.expect("it is cut").unwrap_or(0), 0);
}

/// The time for a head is over when the head is there, however long the client keeps the connection.
#[tokio::test]
async fn a_client_that_was_answered_may_ask_again_later() {
    let limits = Limits {
        headers: Duration::from_millis(100),
        idle: HOUR,
        ..Limits::default()
    };
    let kit = Kit::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    let mut stream = TcpStream::connect(kit.address).await.unwrap();
    let list = format!(
        "HEAD {LIST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        kit.token(SAM)
    );
    for _ in 0..3 {
        answered(&mut stream, &list).await;
        let more = timeout(Duration::from_millis(300), stream.read(&mut [0; 16])).await;
        assert!(
            more.is_err(),
            "nothing comes, and the connection stays open: {more:?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_sends_no_more_gets_its_answers() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let head = format!("Host: x\r\nAuthorization: Bearer {}\r\n", kit.token(SAM));
    let list = format!("GET {LIST} HTTP/1.1\r\n{head}\r\n");
    let last = list.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let path = format!("{LIST}(guid'{}')/Approve", filed.approval_id);
    let approve = format!("POST {path} HTTP/1.1\r\n{head}Content-Length: 3\r\n\r\na=b");
    for (sent, answers) in [
        (&last, 1),
        (&list, 1),
        (&list.repeat(20), 20),
        (&approve, 1),
    ] {
        for _ in 0..20 {
            assert_eq!(
                whole(&kit, sent)
                    .await
                    .matches("HTTP/1.1 200 OK\r\n")
                    .count(),
                answers,
                "{sent}"
            );
        }
    }
    assert_eq!(
        whole(&kit, &approve.replace("a=b", "a"))
            .await
            .matches("HTTP/1.1 ")
            .count(),
        1,
        "it is told so"
    );
    assert_eq!(
        whole(&kit, "GET / HTTP/1.1\r\nHo").await,
        "",
        "there is nothing to answer"
    );
    let metrics = kit.as_(MAX).get("/metrics").await.body;
    assert!(
        metrics.contains("countersign_connections_open 1\n"),
        "none is left open: {metrics}"
    );
}

/// Sends bytes and nothing more; answers all that comes back until the server closes the connection.
async fn whole(kit: &Kit, sent: &str) -> String {
    let mut stream = TcpStream::connect(kit.address).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answers = String::new();
    timeout(Duration::from_secs(30), stream.read_to_string(&mut answers))
        .await
        .expect("it is closed")
        .unwrap();
    answers
}

/// Whether such a client has left cannot be seen, and over a stream that says nothing it would never be known.
#[tokio::test]
async fn a_watch_over_http1_ends_by_itself() {
    let limits = Limits {
        request_time: Duration::from_millis(100),
        ..Limits::default()
    };
    let kit = Kit::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    let watch = "POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\n\
                 TE: trailers\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0";
    assert!(whole(&kit, watch).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_decision_whose_client_has_gone_is_logged_and_counted_as_any_other() {
    let log = Log::default();
    // While there is only one subscriber, a thread without one decides for all threads which events
    // are logged.
    let _other = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(io::sink).finish());
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for dialect in ["rest", "grpc"] {
        let gate = Arc::new(Gate::default());
        let kit = Kit::with(Options {
            before_store: Some(gate.before()),
            ..Options::default()
        })
        .await;
        let filed = kit.pending().await;
        gate.hold(1);
        let operation = match dialect {
            "rest" => leave_rest(&kit, &gate, &filed.approval_id).await,
            _ => leave_grpc(&kit, &gate, &filed.approval_id).await,
        };
        gate.open();
        let answered = log.wait_for(|line| {
            line["message"] == "answered" && line["span"]["operation"] == operation
        });
        let answered = timeout(Duration::from_secs(30), answered)
            .await
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&log.0.lock().unwrap())));
        assert_eq!(
            (&answered["http"], &answered["span"]["account"]),
            (&200.into(), &SAM.into()),
            "{dialect}"
        );
        assert_eq!(kit.as_(SAM).pending().await, [""; 0], "{dialect}");
        let metrics = kit.as_(MAX).get("/metrics").await.body;
        let count =
            format!("countersign_request_duration_seconds_count{{operation=\"{operation}\"}} 1\n");
        assert!(metrics.contains(&count), "{dialect}: {metrics}");
    }
}

/// Sends an approval and closes the connection while it is committed; answers the name of the operation.
async fn leave_rest(kit: &Kit, gate: &Gate, approval: &str) -> &'static str {
    let mut stream = TcpStream::connect(kit.address).await.unwrap();
    let head = format!(
        "Host: x\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n",
        kit.token(SAM)
    );
    let request = format!("POST {LIST}(guid'{approval}')/Approve HTTP/1.1\r\n{head}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    gate.holds_all_but(0).await;
    drop(stream);
    // By this answer the server has had time to see it.
    assert_eq!(kit.anonymous().get("/healthz").await.status, 200);
    "rest:Approve"
}

/// Calls for an approval and cancels the call while it is committed.
async fn leave_grpc(kit: &Kit, gate: &Gate, approval: &str) -> &'static str {
    let channel = kit.as_(SAM).approvals();
    let mut sessions = kit.as_(SAM).sessions();
    let request = ApproveRequest {
        approval_id: approval.to_owned(),
        reason: None,
    };
    let mut calling = channel.clone();
    let call = tokio::spawn(async move { calling.approve(request).await });
    gate.holds_all_but(0).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    sessions.get_session(GetSessionRequest {}).await.unwrap();
    "/pam.v1.ApprovalService/Approve"
}

/// The log of this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Waits for a line, while the server goes on.
    async fn wait_for(&self, is_it: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        loop {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let mut lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            if let Some(line) = lines.find(|line| is_it(line)) {
                return line;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A request with two framings could be two requests to a proxy in front, so it is the last on its connection.
#[tokio::test]
async fn a_request_with_two_framings_is_the_last_on_its_connection() {
    let kit = Kit::start().await;
    let head = format!("Host: x\r\nAuthorization: Bearer {}\r\n", kit.token(SAM));
    let second = format!("GET {LIST} HTTP/1.1\r\n{head}Connection: close\r\n\r\n");
    for (framing, body) in [
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "0\r\n\r\n",
        ),
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "0\r\n\r\n",
        ),
        ("Content-Length: 0\r\nContent-Length: 5", "abcde"),
        ("Content-Length: 5, 5", "abcde"),
        ("Transfer-Encoding: xchunked", ""),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "",
        ),
        ("Transfer-Encoding : chunked", "0\r\n\r\n"),
        ("X-A: b\r\n c\r\nContent-Length: 0", ""),
    ] {
        let request =
            format!("POST /api/pamresources/pamrequests HTTP/1.1\r\n{head}{framing}\r\n\r\n{body}");
        let answers = kit.bytes(&format!("{request}{second}")).await;
        assert_eq!(
            answers.matches("HTTP/1.1 ").count(),
            1,
            "{framing}: {answers}"
        );
        assert_eq!(Answer::parse(&answers).status, 400, "{framing}");
    }
}
