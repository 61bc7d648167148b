//! Requests that never become one, byte by byte: each is refused as every other, and no other answer is touched.

use std::time::Duration;

use countersign::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kit::{Answer, JEN, Kit, MAX, Options, answered};

const GOOD: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// Texts that are no requests, and their refusals.
fn bad() -> Vec<(&'static str, String, u16, &'static str)> {
    let get = |headers: &str| {
        format!("GET /api/pamresources/pamroles HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
    };
    let filter = "GET /api/pamresources/pamroles?$filter=DisplayName%20eq%20\"x\" HTTP/1.1\r\nHost: x\r\n\r\n";
    let long = "x".repeat(300_000);
    vec![
        ("a double quote", filter.into(), 400, "INVALID_ARGUMENT"),
        (
            "no HTTP",
            "hello, world\r\n\r\n".into(),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "TLS",
            "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n".into(),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "a space in the path",
            "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n".into(),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "a later version",
            "GET / HTTP/2.0\r\nHost: x\r\n\r\n".into(),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "an earlier version",
            "GET / HTTP/0.9\r\n\r\n".into(),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "a header without a colon",
            get("Accept\r\n"),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "a name with a space",
            get("Accept : */*\r\n"),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "a length that is none",
            get("Content-Length: <b>\r\n"),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "two lengths",
            get("Content-Length: 1\r\nContent-Length: 2\r\n"),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "too many headers",
            get(&"A: b\r\n".repeat(100)),
            431,
            "HEAD_TOO_LARGE",
        ),
        (
            "a long header",
            get(&format!("A: {long}\r\n")),
            431,
            "HEAD_TOO_LARGE",
        ),
        (
            "a header without an end",
            get(&format!("A: {long}")),
            431,
            "HEAD_TOO_LARGE",
        ),
        (
            "a long path",
            format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
            431,
            "HEAD_TOO_LARGE",
        ),
    ]
}

#[tokio::test]
async fn what_is_no_request_is_refused_as_every_other() {
    let kit = Kit::start().await;
    for (what, bytes, status, code) in bad() {
        let answer = kit.raw(&bytes).await;
        check(what, &answer, status, code);
    }
}

#[tokio::test]
async fn what_comes_behind_a_request_is_refused_too() {
    let kit = Kit::start().await;
    for (what, bytes, status, code) in bad() {
        let mut stream = TcpStream::connect(kit.address).await.unwrap();
        let mut first = [0; 4_096];
        stream.write_all(GOOD.as_bytes()).await.unwrap();
        let read = stream.read(&mut first).await.unwrap();
        assert!(first[..read].starts_with(b"HTTP/1.1 200 OK"), "{what}");
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut second = String::new();
        stream.read_to_string(&mut second).await.unwrap();
        check(what, &Answer::parse(&second), status, code);
    }
}

#[tokio::test]
async fn an_answer_before_it_arrives_whole() {
    let kit = Kit::start().await;
    for (what, bytes, status, code) in bad() {
        let answers = kit.raw(&format!("{GOOD}{GOOD}{bytes}")).await.body;
        let (_, refused) = answers.rsplit_once("\r\n\r\nHTTP/1.1 ").expect(what);
        assert_eq!(
            answers.matches("HTTP/1.1 200 OK").count(),
            1,
            "{what}: the first is parsed, the second here"
        );
        check(
            what,
            &Answer::parse(&format!("HTTP/1.1 {refused}")),
            status,
            code,
        );
    }
}

#[tokio::test]
async fn a_slow_head_is_told_that_it_took_too_long() {
    let limits = Limits {
        headers: Duration::from_millis(100),
        ..Limits::default()
    };
    let kit = Kit::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    for begun in [
        "GET /api/pamresources/pamroles HTTP/1.1\r\nHost: x\r\n",
        "G",
    ] {
        check(begun, &kit.raw(begun).await, 408, "DEADLINE_EXCEEDED");
    }
    // Bytes that come together with an earlier request have the idle time; the next ones start the time of the head.
    let mut stream = TcpStream::connect(kit.address).await.unwrap();
    answered(&mut stream, &format!("{GOOD}G")).await;
    stream.write_all(b"ET").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    check(
        "after another",
        &Answer::parse(&answer),
        408,
        "DEADLINE_EXCEEDED",
    );
}

#[tokio::test]
async fn a_refusal_is_counted() {
    let kit = Kit::start().await;
    kit.raw("hello, world\r\n\r\n").await;
    let metrics = kit.as_(MAX).get("/metrics").await.body;
    let line = "countersign_refusals_total{operation=\"unknown\",reason=\"INVALID_ARGUMENT\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}

/// Many requests on one connection, some with long answers, are answered to the byte as each by itself.
#[tokio::test]
async fn no_answer_to_a_request_is_touched() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    let justification = "x".repeat(1_000);
    for _ in 0..50 {
        let path =
            format!("/api/pamresources/pamrequests?RoleId={role}&Justification={justification}");
        assert_eq!(kit.as_(JEN).post(&path).await.status, 201);
    }
    let jen = format!(
        "Authorization: Bearer {}\r\nx-request-id: 1\r\nHost: x\r\n",
        kit.token(JEN)
    );
    let list = |method: &str, set: &str, version: &str| {
        format!("{method} /api/pamresources/{set} HTTP/{version}\r\n{jen}\r\n")
    };
    let requests = [
        list("GET", "pamrequests", "1.1"),
        list("HEAD", "pamrequests", "1.1"),
        list("GET", "nosuchset", "1.1"),
        list("POST", "pamrequests", "1.1").replace(
            "\r\n\r\n",
            "\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\nRoleId=x",
        ),
        list("POST", "pamrequests", "1.1").replace(
            "\r\n\r\n",
            "\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nRoleId=x\r\n0\r\n\r\n",
        ),
        list("OPTIONS", "pamroles", "1.1"),
        list("DELETE", "pamroles", "1.1"),
        "GET /healthz HTTP/1.1\r\nHost: x\r\nx-request-id: 1\r\n\r\n".to_owned(),
        list("GET", "sessioninfo", "1.0").replace("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n"),
        list("GET", "pamrequests", "1.0"),
    ];
    let mut apart = String::new();
    for request in &requests {
        apart += &without_connection(
            &kit.bytes(&request.replacen("\r\n", "\r\nConnection: close\r\n", 1))
                .await,
        );
    }
    assert!(
        without_connection(&kit.bytes(&requests.concat()).await) == apart,
        "the answers differ"
    );
}

/// The bytes without what differs by nature: the time, and whether the connection goes on.
fn without_connection(bytes: &str) -> String {
    let lines = bytes.split_inclusive("\r\n");
    lines
        .filter(|line| {
            !["connection: ", "date: "]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .collect()
}

fn check(what: &str, answer: &Answer, status: u16, code: &str) {
    let what: String = what.chars().take(40).collect();
    assert_eq!((answer.status, &*answer.code()), (status, code), "{what}");
    for (name, value) in [
        (
            "content-type",
            "application/json; odata=minimalmetadata; streaming=true; charset=utf-8",
        ),
        ("dataserviceversion", "3.0"),
        ("connection", "close"),
        ("content-length", &answer.body.len().to_string()),
        ("vary", "Origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{what}: {name}");
    }
    assert_eq!(
        answer.header("x-request-id").map(str::len),
        Some(36),
        "{what}"
    );
    assert!(
        answer
            .header("date")
            .is_some_and(|date| date.len() == 29 && date.ends_with(" GMT")),
        "{what}"
    );
    assert_eq!(
        answer
            .headers
            .iter()
            .filter(|(name, _)| name == "content-length")
            .count(),
        1,
        "{what}"
    );
    assert!(!answer.body.contains("<b>"), "{what}");
}
