//! Whatever layer refuses a request, the portal can read why: an `odata.error`, with the marks that let its page see it.

use std::time::Duration;

use countersign::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kit::{ANN, Answer, JEN, Kit, Options, SAM, START};
use crate::law::history::{History, filing};

const ORIGIN: &str = "Origin: http://pamsrv:8090\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[tokio::test]
async fn every_layer_refuses_in_the_words_of_odata() {
    let kit = Kit::start().await;
    let json = "Content-Type: application/json\r\nContent-Length: 2\r\n";
    let chunked = format!("{FORM}Transfer-Encoding: chunked\r\n");
    let long = format!("11170\r\nRoleId={}\r\n0\r\n\r\n", "x".repeat(0x11170 - 7));
    #[rustfmt::skip]
    let table = [
        // The router, outside the API and inside.
        (JEN, "GET",     "/",                                     "",            "",    404, "NO_SUCH_OPERATION"),
        (JEN, "GET",     "/nosuch",                               "",            "",    404, "NO_SUCH_OPERATION"),
        (JEN, "GET",     "/api/pamresources/nosuchset",           "",            "",    404, "NO_SUCH_OPERATION"),
        (JEN, "DELETE",  "/api/pamresources/pamroles",            "",            "",    405, "METHOD_NOT_ALLOWED"),
        (JEN, "BREW",    "/api/pamresources/pamroles",            "",            "",    405, "METHOD_NOT_ALLOWED"),
        (JEN, "CONNECT", "pam.test:8086",                         "",            "",    404, "NO_SUCH_OPERATION"),
        // What only gRPC calls may reach.
        (JEN, "GET",     "/pam.v1.ApprovalService/Approve",       "",            "",    404, "NO_SUCH_OPERATION"),
        (JEN, "POST",    "/pam.v1.ApprovalService/Approve",       json,          "{}",  404, "NO_SUCH_OPERATION"),
        ("",  "POST",    "/grpc.health.v1.Health/Check",          json,          "{}",  404, "NO_SUCH_OPERATION"),
        ("",  "GET",     "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "", "", 404, "NO_SUCH_OPERATION"),
        // The probes and the metrics.
        ("",  "POST",    "/healthz",                              json,          "{}",  405, "METHOD_NOT_ALLOWED"),
        ("",  "DELETE",  "/readyz",                               "",            "",    405, "METHOD_NOT_ALLOWED"),
        ("",  "PUT",     "/openapi.json",                         json,          "{}",  405, "METHOD_NOT_ALLOWED"),
        (ANN, "POST",    "/metrics",                              json,          "{}",  405, "METHOD_NOT_ALLOWED"),
        (JEN, "GET",     "/metrics",                              "",            "",    403, "ACCESS_DENIED"),
        ("",  "GET",     "/metrics",                              "",            "",    401, "UNAUTHENTICATED"),
        // The authentication, before the caller learns which routes exist.
        ("",  "GET",     "/api/pamresources/pamroles",            "",            "",    401, "UNAUTHENTICATED"),
        ("",  "GET",     "/nosuch",                               "",            "",    401, "UNAUTHENTICATED"),
        // The body: too long as it says, too long in fact, and no form of any kind.
        (JEN, "POST",    "/api/pamresources/pamrequests",         "Content-Length: 70000\r\n", "", 413, "BODY_TOO_LARGE"),
        (JEN, "POST",    "/api/pamresources/pamrequests",         &*chunked,     &*long, 413, "BODY_TOO_LARGE"),
        (JEN, "POST",    "/api/pamresources/pamrequests",         &*chunked,     "no\r\n", 400, "INVALID_ARGUMENT"),
        (JEN, "POST",    "/api/pamresources/pamrequests",         json,          "[]",  400, "INVALID_ARGUMENT"),
    ];
    for (name, method, path, headers, body, status, code) in table {
        let person = if name.is_empty() {
            kit.anonymous()
        } else {
            kit.as_(name)
        };
        let answer = person
            .rest(method, path, &format!("{ORIGIN}{headers}"), body)
            .await;
        check(&format!("{method} {path} {name}"), &answer, status, code);
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_out_of_time() {
    let limits = Limits {
        request_time: Duration::from_millis(100),
        ..Limits::default()
    };
    let kit = Kit::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    let headers = format!("{ORIGIN}{FORM}Content-Length: 100\r\n");
    let answer = kit
        .as_(JEN)
        .rest("POST", "/api/pamresources/pamrequests", &headers, "RoleId=")
        .await;
    check("a slow body", &answer, 408, "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_body_that_ends_early_is_malformed() {
    let kit = Kit::start().await;
    let mut stream = TcpStream::connect(kit.address).await.unwrap();
    let head = format!(
        "POST /api/pamresources/pamrequests HTTP/1.1\r\nHost: x\r\n{ORIGIN}{FORM}Authorization: Bearer {}\r\n\
         Content-Length: 100\r\n\r\nRoleId=",
        kit.token(JEN)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    check(
        "half a body",
        &Answer::parse(&answer),
        400,
        "INVALID_ARGUMENT",
    );
}

#[tokio::test]
async fn a_server_that_is_busy_or_broken_says_so() {
    let limits = Limits {
        requests: 0,
        ..Limits::default()
    };
    let busy = Kit::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    check(
        "busy",
        &busy.as_(SAM).rest("GET", "/nosuch", ORIGIN, "").await,
        503,
        "OVERLOADED",
    );

    let kit = Kit::start().await;
    let role = kit.role().await.id;
    kit.ids.break_once();
    let path = format!("/api/pamresources/pamrequests?RoleId={role}");
    check(
        "a panic",
        &kit.as_(JEN).rest("POST", &path, ORIGIN, "").await,
        500,
        "INTERNAL",
    );

    assert!(kit.store.commit(History::filed(1).change()).await.is_ok());
    assert_eq!(kit.anonymous().get("/readyz").await.status, 200);
    assert!(
        kit.store
            .commit(History::of(2, START, filing(1)).change())
            .await
            .is_err()
    );
    let answer = kit.anonymous().rest("GET", "/readyz", ORIGIN, "").await;
    check("not ready", &answer, 503, "UNAVAILABLE");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

fn check(what: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &*answer.code()), (status, code), "{what}");
    for (name, value) in [
        (
            "content-type",
            "application/json; odata=minimalmetadata; streaming=true; charset=utf-8",
        ),
        ("dataserviceversion", "3.0"),
        ("access-control-allow-origin", "http://pamsrv:8090"),
        ("access-control-allow-credentials", "true"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{what}: {name}");
    }
    assert!(answer.header("x-request-id").is_some(), "{what}");
}
