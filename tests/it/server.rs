//! The server itself: limits, deadlines, defects, streams, probes, and the program around it.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use countersign::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::kit::{JEN, Kit, Options, SAM, reason};

/// RFC 9113, section 6.8.
const GOAWAY: u8 = 7;
/// RFC 9113, section 6.2.
const HEADERS: u8 = 1;
const LIST: &str = "/api/pamresources/pamrequeststoapprove";

#[tokio::test]
async fn a_request_out_of_time_is_told_so_in_both_dialects() {
    let kit = Kit::with(with(Limits {
        request_time: Duration::ZERO,
        ..Limits::default()
    }))
    .await;
    let answer = kit.as_(SAM).get(LIST).await;
    assert_eq!((answer.status, &*answer.code()), (408, "DEADLINE_EXCEEDED"));
    let refused = kit
        .as_(SAM)
        .approve("5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143")
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), &*reason(&refused)),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED")
    );
}

#[tokio::test]
async fn a_decision_out_of_time_is_not_written() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    // By hand, because a client with a timeout stops by itself.
    let headers = "Content-Type: application/grpc\r\nTE: trailers\r\ngrpc-timeout: 1n\r\nContent-Length: 43\r\n";
    let body = format!("\0\0\0\0\x26\x0a\x24{}", filed.approval_id);
    let answer = kit
        .as_(SAM)
        .rest("POST", "/pam.v1.ApprovalService/Approve", headers, &body)
        .await;
    assert_eq!(
        (answer.status, answer.header("grpc-status")),
        (200, Some("4"))
    );
    assert_eq!(kit.as_(SAM).pending().await, [filed.approval_id]);
}

#[tokio::test]
async fn overload_is_told_so_in_both_dialects() {
    let kit = Kit::with(with(Limits {
        requests: 0,
        ..Limits::default()
    }))
    .await;
    let answer = kit.as_(SAM).get(LIST).await;
    assert_eq!((answer.status, &*answer.code()), (503, "OVERLOADED"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let refused = kit
        .as_(SAM)
        .approve("5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143")
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), &*reason(&refused)),
        (Code::Unavailable, "OVERLOADED")
    );
    assert_eq!(
        kit.anonymous().get("/healthz").await.status,
        200,
        "probes are not turned away"
    );
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_server_lives() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    kit.ids.break_once();
    let refused = kit.as_(JEN).file(&role.id).await.unwrap_err();
    assert_eq!(
        (refused.code(), &*reason(&refused)),
        (Code::Internal, "INTERNAL")
    );
    assert!(
        !refused.message().contains("broken"),
        "the cause stays inside"
    );
    kit.ids.break_once();
    let path = format!(
        "/api/pamresources/pamrequests?RoleId={}&RequestedTTL=60",
        role.id
    );
    let answer = kit.as_(JEN).post(&path).await;
    assert_eq!((answer.status, &*answer.code()), (500, "INTERNAL"));
    assert!(!answer.body.contains("broken"));
    assert!(kit.as_(JEN).file(&role.id).await.is_ok());
}

#[tokio::test]
async fn a_request_has_an_id() {
    let kit = Kit::start().await;
    let given = |id: &str| format!("x-request-id: {id}\r\n");
    let answer = kit
        .as_(SAM)
        .rest("GET", LIST, &given("portal-4711.a_b"), "")
        .await;
    assert_eq!(answer.header("x-request-id"), Some("portal-4711.a_b"));
    for bad in ["<script>", "a b", &"x".repeat(65), "é"] {
        let answer = kit.as_(SAM).rest("GET", LIST, &given(bad), "").await;
        assert_eq!(answer.header("x-request-id").unwrap().len(), 36, "{bad}");
    }
    assert!(
        kit.anonymous()
            .get(LIST)
            .await
            .header("x-request-id")
            .is_some(),
        "refusals too"
    );
    let grpc = kit
        .as_(SAM)
        .approvals()
        .list_approvals(Request::new(Default::default()))
        .await
        .unwrap();
    assert!(grpc.metadata().get("x-request-id").is_some());
}

#[tokio::test]
async fn probes_need_no_credentials() {
    let kit = Kit::start().await;
    assert_eq!(kit.anonymous().get("/healthz").await.status, 200);
    assert_eq!(kit.anonymous().get("/readyz").await.status, 200);
    for service in ["", "pam.v1.ApprovalService", "pam.v1.SessionService"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = HealthClient::new(channel(&kit))
            .check(request)
            .await
            .unwrap();
        assert_eq!(answer.into_inner().status, 1, "{service}");
    }
}

#[tokio::test]
async fn the_health_of_an_unknown_service_is_that_it_is_unknown() {
    let kit = Kit::start().await;
    let request = HealthCheckRequest {
        service: "nope".to_owned(),
    };
    let mut health = HealthClient::new(channel(&kit));
    let refused = health.check(request.clone()).await.unwrap_err();
    assert_eq!(
        (refused.code(), &*reason(&refused)),
        (Code::NotFound, "NO_SUCH_SERVICE")
    );
    let mut watch = health.watch(request).await.unwrap().into_inner();
    assert_eq!(
        watch.next().await.unwrap().unwrap().status,
        3,
        "SERVICE_UNKNOWN"
    );
    kit.signal();
    kit.ended().await;
    assert_eq!(
        watch.next().await.unwrap().unwrap_err().code(),
        Code::Unavailable,
        "it went on until the end"
    );
}

/// Clients such as grpcio look for the status of a refusal only where its headers end the stream.
#[tokio::test]
async fn the_headers_of_a_refused_call_end_its_stream() {
    let kit = Kit::start().await;
    let stream = TcpStream::connect(kit.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for (path, message, status) in [
        (
            "/grpc.health.v1.Health/Check",
            &b"\0\0\0\0\x06\x0a\x04nope"[..],
            "5",
        ),
        ("/grpc.health.v1.Health/Nothing", b"\0\0\0\0\0", "12"),
        ("/pam.v1.ApprovalService/Approve", b"\0\0\0\0\0", "16"),
    ] {
        let request = http::Request::post(format!("http://x{path}"))
            .header("content-type", "application/grpc");
        let (response, mut body) = client
            .send_request(request.body(()).unwrap(), false)
            .unwrap();
        body.send_data(message.into(), true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.headers()["grpc-status"], status, "{path}");
        assert!(response.body().is_end_stream(), "{path}");
    }
}

#[tokio::test]
async fn reflection_tells_the_contract_with_its_comments() {
    let kit = Kit::start().await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol(
            "pam.v1.ApprovalService".into(),
        )),
    };
    let mut client = ServerReflectionClient::new(channel(&kit));
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.next().await.unwrap().unwrap();
    let Some(MessageResponse::FileDescriptorResponse(files)) = answer.message_response else {
        panic!("{answer:?}")
    };
    let text = String::from_utf8_lossy(&files.file_descriptor_proto[0]).into_owned();
    assert!(text.contains("Approves exactly the elevation as it was requested."));
}

#[tokio::test]
async fn reflection_speaks_the_older_version_too() {
    use tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1alpha::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1alpha::{ServerReflectionRequest, server_reflection_response};
    let kit = Kit::start().await;
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request,
    };
    let mut client = ServerReflectionClient::new(channel(&kit));
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers
        .next()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    let server_reflection_response::MessageResponse::ListServicesResponse(services) = answer else {
        panic!("{answer:?}")
    };
    assert!(
        services
            .service
            .iter()
            .any(|service| service.name == "pam.v1.ApprovalService")
    );
}

#[tokio::test]
async fn reflection_is_off_unless_it_is_set() {
    let kit = Kit::with(Options {
        reflection: false,
        ..Options::default()
    })
    .await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel(&kit));
    let refused = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .err()
        .unwrap();
    assert_eq!(
        refused.code(),
        Code::Unauthenticated,
        "an unknown method, for somebody unknown"
    );
}

#[tokio::test]
async fn what_tonic_refuses_by_itself_has_a_reason_too() {
    let kit = Kit::start().await;
    let frame = |length: usize, body: &str| {
        let prefix: String = u32::try_from(length)
            .unwrap()
            .to_be_bytes()
            .map(char::from)
            .iter()
            .collect();
        format!("\0{prefix}{body}")
    };
    let path = "/pam.v1.ApprovalService/Approve";
    for (path, body, code, reason) in [
        (path, frame(3, "\x0a\x24x"), "3", "INVALID_ARGUMENT"),
        (path, frame(70_000, ""), "8", "BODY_TOO_LARGE"),
        (
            "/pam.v1.ApprovalService/Nothing",
            frame(0, ""),
            "12",
            "NO_SUCH_OPERATION",
        ),
    ] {
        let length = body.len();
        let headers = format!(
            "Content-Type: application/grpc\r\nTE: trailers\r\nContent-Length: {length}\r\n"
        );
        let answer = kit.as_(SAM).rest("POST", path, &headers, &body).await;
        assert_eq!(
            answer.header("grpc-status"),
            Some(code),
            "{reason}: {answer:?}"
        );
        let details = answer.header("grpc-status-details-bin").unwrap();
        let details = base64::engine::general_purpose::STANDARD_NO_PAD
            .decode(details)
            .unwrap();
        assert!(
            String::from_utf8_lossy(&details).contains(reason),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let kit = Kit::start().await;
    let mut grpc = tonic::client::Grpc::new(channel(&kit));
    for path in [
        "/pam.v1.ApprovalService/Nothing",
        "/pam.v1.Nothing/Approve",
        "/nothing",
    ] {
        grpc.ready().await.unwrap();
        let mut request = Request::new(countersign::proto::pam::v1::GetSessionRequest {});
        let token = kit.token(SAM);
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
        let codec =
            tonic_prost::ProstCodec::<_, countersign::proto::pam::v1::GetSessionResponse>::default(
            );
        let refused = grpc
            .unary(request, path.parse().unwrap(), codec)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn a_health_watch_does_not_hold_up_the_shutdown() {
    let kit = Kit::start().await;
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let mut watch = HealthClient::new(channel(&kit))
        .watch(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status, 1);
    kit.signal();
    kit.ended().await;
    let last = loop {
        match watch.next().await {
            Some(Ok(_)) => {}
            Some(Err(status)) => break status.code(),
            None => panic!("a stream that ends early says why"),
        }
    };
    assert_eq!(last, Code::Unavailable);
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_shutdown() {
    let kit = Kit::start().await;
    let mut silent = TcpStream::connect(kit.address).await.unwrap();
    let mut begun = TcpStream::connect(kit.address).await.unwrap();
    begun
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 15];
    begun.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    kit.signal();
    kit.ended().await;
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn slow_headers_are_cut() {
    // Nothing but the guard of the headers can end these connections in time.
    let hour = Duration::from_secs(3_600);
    let limits = Limits {
        headers: Duration::ZERO,
        idle: hour,
        ..Limits::default()
    };
    let kit = Kit::with(with(limits)).await;
    for begun in [
        "GET /healthz HTTP/1.1\r\nHost: x\r\n",
        "P",
        "PRI * HTTP/2.0\r\n",
    ] {
        let mut slow = TcpStream::connect(kit.address).await.unwrap();
        slow.write_all(begun.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // An error is a cut too: the connection may be reset.
        let cut = tokio::time::timeout(Duration::from_secs(30), slow.read_to_end(&mut rest)).await;
        assert!(
            cut.is_ok() && !rest.starts_with(b"HTTP/1.1 200"),
            "{begun:?}"
        );
    }
}

#[tokio::test]
async fn an_idle_connection_is_cut_in_either_protocol() {
    let limits = Limits {
        idle: Duration::from_millis(500),
        ..Limits::default()
    };
    let kit = Kit::with(with(limits)).await;
    let mut idle = TcpStream::connect(kit.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    idle.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");

    let mut idle = TcpStream::connect(kit.address).await.unwrap();
    idle.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    while frame(&mut idle).await.unwrap() != GOAWAY {}
}

#[tokio::test]
async fn an_idle_connection_is_kept_while_it_may_be() {
    let limits = Limits {
        headers: Duration::from_secs(3_600),
        ..Limits::default()
    };
    let kit = Kit::with(with(limits)).await;
    let mut kept = TcpStream::connect(kit.address).await.unwrap();
    for _ in 0..3 {
        kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 256];
        let read = kept.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200 OK"));
    }
}

#[tokio::test]
async fn an_answer_that_nobody_takes_keeps_its_place_and_is_cut() {
    let limits = Limits {
        requests: 1,
        request_time: Duration::from_secs(5),
        ..Limits::default()
    };
    let kit = Kit::with(with(limits)).await;
    let mut hoarder = hoarder(&kit, LIST, &format!("Bearer {}", kit.token(SAM))).await;
    assert_eq!(
        kit.as_(SAM).get(LIST).await.status,
        503,
        "the one place is taken"
    );
    while frame(&mut hoarder).await.is_some() {}
    // The connection may have ended a moment before the server forgets the answer.
    let mut status = 503;
    for _ in 0..1_000 {
        status = kit.as_(SAM).get(LIST).await.status;
        if status == 200 {
            break;
        }
    }
    assert_eq!(status, 200, "and free again");
}

#[tokio::test]
async fn a_description_that_nobody_takes_keeps_no_caller_out_and_is_cut() {
    let limits = Limits {
        requests: 1,
        request_time: Duration::from_secs(5),
        ..Limits::default()
    };
    let kit = Kit::with(with(limits)).await;
    let mut hoarder = hoarder(&kit, "/openapi.json", "").await;
    assert_eq!(
        kit.as_(SAM).get("/openapi.json").await.code(),
        "OVERLOADED",
        "it is not given to more at once"
    );
    assert_eq!(kit.as_(SAM).get(LIST).await.status, 200);
    while frame(&mut hoarder).await.is_some() {}
}

/// A connection whose client has sent a request, and does not read the response.
async fn hoarder(kit: &Kit, path: &str, authorization: &str) -> TcpStream {
    let mut hoarder = TcpStream::connect(kit.address).await.unwrap();
    // The preface, and SETTINGS with an initial window of nothing.
    let mut asked =
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0".to_vec();
    asked.extend(get_frame(path, authorization));
    hoarder.write_all(&asked).await.unwrap();
    while frame(&mut hoarder).await != Some(HEADERS) {}
    hoarder
}

/// A HEADERS frame that asks for something, each field literal (RFC 7541, section 6.2.2).
fn get_frame(path: &str, authorization: &str) -> Vec<u8> {
    let mut block = Vec::new();
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", path),
        ("authorization", authorization),
    ];
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    let mut frame = vec![
        0,
        0,
        u8::try_from(block.len()).unwrap(),
        HEADERS,
        5,
        0,
        0,
        0,
        1,
    ];
    frame.extend(block);
    frame
}

/// The type of the next frame, which is read; `None` when the connection has ended.
async fn frame(stream: &mut TcpStream) -> Option<u8> {
    let mut header = [0; 9];
    stream.read_exact(&mut header).await.ok()?;
    let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
    stream
        .read_exact(&mut vec![0; length as usize])
        .await
        .ok()?;
    Some(header[3])
}

#[test]
fn the_program_keeps_a_decision_through_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap().to_owned();
    let [ann, jen, sam] =
        ["PRIV\\ann", "PRIV\\jen", "PRIV\\sam"].map(|account| token(&data, account));
    let mut first = Program::serve(&data);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let people = |program: &Program| {
        [&ann, &jen, &sam].map(|token| crate::kit::Person::at(program.address, token))
    };
    let filed = runtime.block_on(async {
        let [ann, jen, sam] = people(&first);
        let role = ann
            .create_role(crate::kit::role("SQL", &["PRIV\\sam"], 1))
            .await
            .unwrap();
        let filed = jen.file(&role.id).await.unwrap();
        assert_eq!(sam.act(&filed.approval_id, "Approve").await.status, 200);
        filed
    });
    let mode = std::fs::metadata(folder.path().join("countersign.db"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "the store is for its owner");
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let second = Program::serve(&data);
    runtime.block_on(async {
        let [_, jen, sam] = people(&second);
        assert_eq!(
            jen.elevation(&filed.id)
                .await
                .unwrap()
                .status()
                .as_str_name(),
            "ELEVATION_STATUS_ACTIVE"
        );
        assert_eq!(sam.pending().await, [""; 0]);
        assert_eq!(sam.act(&filed.approval_id, "Reject").await.status, 403);
    });
}

#[test]
fn the_program_lists_and_revokes_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let [jen, sam] = ["PRIV\\jen", "PRIV\\sam"].map(|account| token(data, account));
    let run = |arguments: &[&str]| {
        let output = countersign(&[&["token"], arguments, &["--data-dir", data]].concat())
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (_, listed) = run(&["list"]);
    assert!(
        listed.contains(&jen[4..20]) && listed.contains("PRIV\\sam"),
        "{listed}"
    );
    assert!(!listed.contains(&jen[21..]));
    assert!(run(&["revoke", &jen[4..20]]).0);
    assert!(
        !run(&["revoke", &jen[4..20]]).0,
        "there is no such token any more"
    );
    let path = folder.path().join("tokens.toml");
    let spaced = std::fs::read_to_string(&path)
        .unwrap()
        .replace("[[token]]", "[[ token ]]");
    std::fs::write(&path, &spaced).unwrap();
    assert!(
        !run(&["revoke", &sam[4..20]]).0,
        "what is written otherwise is not touched"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), spaced);
    let (_, listed) = run(&["list"]);
    assert!(
        !listed.contains(&jen[4..20]) && listed.contains(&sam[4..20]),
        "{listed}"
    );
}

#[test]
fn the_program_refuses_what_it_must_not_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8086"] {
        let output = countersign(&["serve", "--data-dir", data, "--listen", address])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{address}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            error.contains(&format!(
                "cannot listen on {address}: without TLS the server listens on loopback only"
            )),
            "{error}"
        );
    }
    let _running = Program::serve(data);
    let output = countersign(&["serve", "--data-dir", data, "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "one process per file");
}

/// The program, serving on a port of its own choice; killed when it is dropped.
pub struct Program {
    pub child: Child,
    pub address: std::net::SocketAddr,
    log: std::sync::mpsc::Receiver<serde_json::Value>,
}

impl Program {
    pub fn serve(data: &str) -> Self {
        Self::run(countersign(&["serve", "--data-dir", data]))
    }

    /// Runs a command that serves, and adds the arguments that every test needs.
    pub fn run(mut command: Command) -> Self {
        let mut child = command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--administrator",
                "PRIV\\ann",
                "--log-format",
                "json",
            ])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, log) = std::sync::mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let mut program = Self {
            child,
            address: ([0; 4], 0).into(),
            log,
        };
        program.address = program.logged("listening")["address"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        program
    }

    /// Waits for a line of the log with that message.
    pub fn logged(&self, message: &str) -> serde_json::Value {
        let mut lines = std::iter::from_fn(|| self.log.recv_timeout(Duration::from_secs(30)).ok());
        lines
            .find(|line| line["message"] == message)
            .expect("the program logs it")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn token(data: &str, account: &str) -> String {
    let arguments = [
        "token",
        "new",
        "--data-dir",
        data,
        "--account",
        account,
        "--expires",
        "1h",
    ];
    let output = countersign(&arguments).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn countersign(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments);
    command
}

fn channel(kit: &Kit) -> tonic::transport::Channel {
    tonic::transport::Channel::from_shared(format!("http://{}", kit.address))
        .unwrap()
        .connect_lazy()
}

fn with(limits: Limits) -> Options {
    Options {
        limits,
        ..Options::default()
    }
}
