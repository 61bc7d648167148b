//! How much memory the server holds under 1,000 connections of HTTP/1.1, then 1,000 of HTTP/2: half of them list and
//! approve, the others are idle, send their headers a byte at a time, or ask for lists and never read them.
//!
//! `cargo bench --bench memory`. It starts the program that is released, and reads its resident memory: before, the most
//! while the connections are open, and after they have gone. The figures are in `docs/performance.md`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on has failed, and prints"
)]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use countersign::proto::pam::v1::approval_service_client::ApprovalServiceClient;
use countersign::proto::pam::v1::elevation_service_client::ElevationServiceClient;
use countersign::proto::pam::v1::principal::Kind;
use countersign::proto::pam::v1::role_service_client::RoleServiceClient;
use countersign::proto::pam::v1::{
    ApproveRequest, CreateElevationRequest, CreateRoleRequest, ListApprovalsRequest, Principal,
    Role, Stage,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

const CONNECTIONS: usize = 1_000;
const ROUNDS: usize = 3;
/// After how long to ask a server again that was too busy.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// The number of elevations that stay pending, so that a list is a long response.
const PENDING: usize = 250;

#[tokio::main]
async fn main() {
    let bench = Bench::start().await;
    bench.file(PENDING).await;
    println!(
        "{:>8} {:>11} {:>11} {:>11} {:>8}",
        "", "before MiB", "most MiB", "after MiB", "repeats"
    );
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for _ in 0..ROUNDS {
            let approvals = bench.file(CONNECTIONS / 2).await;
            let before = bench.resident();
            let (most, repeats) = bench.round(protocol, approvals).await;
            // What the server keeps for a moment, such as idle threads, it gives back.
            sleep(Duration::from_secs(12)).await;
            let after = bench.resident();
            println!(
                "{:>8} {before:>11.1} {most:>11.1} {after:>11.1} {repeats:>8}",
                format!("{protocol:?}")
            );
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Http1,
    Http2,
}

struct Bench {
    server: Child,
    address: SocketAddr,
    requester: String,
    approver: String,
    role: String,
    _folder: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Bench {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        let [administrator, requester, approver] =
            ["PRIV\\ann", "PRIV\\jen", "PRIV\\sam"].map(|name| token(data, name));
        let (server, address) = serve(data);
        let role = role(address, &administrator).await;
        Self {
            server,
            address,
            requester,
            approver,
            role,
            _folder: folder,
        }
    }

    /// Files `count` elevations; returns their approvals.
    async fn file(&self, count: usize) -> Vec<String> {
        let channel = channel(self.address).await;
        let mut approvals = Vec::new();
        while approvals.len() < count {
            let mut filings = JoinSet::new();
            for _ in approvals.len()..count.min(approvals.len() + 100) {
                let mut client = ElevationServiceClient::new(channel.clone());
                let asked = CreateElevationRequest {
                    role_id: self.role.clone(),
                    ..Default::default()
                };
                let asked = authorized(&self.requester, asked);
                filings.spawn(
                    async move { client.create_elevation(asked).await.unwrap().into_inner() },
                );
            }
            let filed = filings.join_all().await.into_iter();
            approvals.extend(filed.map(|filed| filed.elevation.unwrap().approval_id));
        }
        approvals
    }

    /// Opens all connections, and closes them when those that work have done; answers the most memory meanwhile, and how
    /// often a request had to be repeated.
    async fn round(&self, protocol: Protocol, approvals: Vec<String>) -> (f64, usize) {
        let mut others = JoinSet::new();
        for number in approvals.len()..CONNECTIONS {
            let (address, token) = (self.address, self.approver.clone());
            match number % 4 {
                0 => others.spawn(dribble(protocol, address)),
                1 => others.spawn(hoard(protocol, address, token)),
                _ => others.spawn(idle(protocol, address)),
            };
        }
        let mut workers = JoinSet::new();
        for approval in approvals {
            let (address, token) = (self.address, self.approver.clone());
            match protocol {
                Protocol::Http1 => workers.spawn(work_http1(address, token, approval)),
                Protocol::Http2 => workers.spawn(work_http2(address, token, approval)),
            };
        }
        let mut most = self.resident();
        let mut working = tokio::spawn(workers.join_all());
        let repeats = loop {
            tokio::select! {
                done = &mut working => break done.unwrap().into_iter().sum(),
                () = sleep(Duration::from_millis(20)) => most = most.max(self.resident()),
            }
        };
        others.abort_all();
        while others.join_next().await.is_some() {}
        (most, repeats)
    }

    /// The resident memory of the server, in MiB.
    fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }
}

/// Lists, approves and lists again, over one connection.
async fn work_http1(address: SocketAddr, token: String, approval: String) -> usize {
    let mut repeats = 0;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let approve = format!("POST {LIST}(guid'{approval}')/Approve");
    for request in [&format!("GET {LIST}"), &approve, &format!("GET {LIST}")] {
        let request = format!(
            "{request} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
        );
        loop {
            stream.write_all(request.as_bytes()).await.unwrap();
            match &*read_answer(&mut stream).await {
                "200" => break,
                "408" | "503" => repeats += 1,
                status => panic!("{status}"),
            }
            sleep(AGAIN_AFTER).await;
        }
    }
    repeats
}

async fn work_http2(address: SocketAddr, token: String, approval: String) -> usize {
    let mut repeats = 0;
    let channel = channel(address).await;
    let mut client = ApprovalServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    for approval in [None, Some(approval), None] {
        while let Err(status) = call(&mut client, &token, approval.clone()).await {
            // Busy, out of time, or the connection was cut; the channel makes itself another.
            let known = [
                Code::Cancelled,
                Code::DeadlineExceeded,
                Code::Unavailable,
                Code::Unknown,
            ];
            assert!(known.contains(&status.code()), "{status}");
            repeats += 1;
            sleep(AGAIN_AFTER).await;
        }
    }
    repeats
}

/// Approves that approval, or else lists.
async fn call(
    client: &mut ApprovalServiceClient<Channel>,
    token: &str,
    approval: Option<String>,
) -> Result<(), Status> {
    match approval {
        None => client
            .list_approvals(authorized(token, ListApprovalsRequest::default()))
            .await
            .map(drop),
        Some(approval_id) => client
            .approve(authorized(
                token,
                ApproveRequest {
                    approval_id,
                    reason: None,
                },
            ))
            .await
            .map(drop),
    }
}

/// Asks once, and keeps the connection.
async fn idle(protocol: Protocol, address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    match protocol {
        Protocol::Http1 => {
            stream
                .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                .await
                .unwrap();
            assert_eq!(read_answer(&mut stream).await, "200");
        }
        Protocol::Http2 => stream
            .write_all(&preface(u32::from(u16::MAX)))
            .await
            .unwrap(),
    }
    std::future::pending().await
}

/// Sends headers one byte at a time until the server closes the connection, then starts again.
async fn dribble(protocol: Protocol, address: SocketAddr) {
    let begin = match protocol {
        Protocol::Http1 => b"GET /healthz HTTP/1.1\r\nX: ".to_vec(),
        Protocol::Http2 => preface(u32::from(u16::MAX)),
    };
    loop {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut sent = stream.write_all(&begin).await;
        while sent.is_ok() {
            sleep(Duration::from_millis(100)).await;
            sent = stream.write_all(b"\0").await;
        }
    }
}

/// Asks for one list after the other, as many as the server takes, and reads nothing.
async fn hoard(protocol: Protocol, address: SocketAddr, token: String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let requests = match protocol {
        Protocol::Http1 => {
            format!("GET {LIST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n")
                .repeat(16)
                .into()
        }
        Protocol::Http2 => (0..16).fold(preface(0), |mut bytes, number| {
            bytes.extend(list_frame(1 + 2 * number, &token));
            bytes
        }),
    };
    stream.write_all(&requests).await.unwrap();
    std::future::pending().await
}

/// The preface of HTTP/2, with so much room for the data of a stream.
fn preface(window: u32) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4]);
    bytes.extend(window.to_be_bytes());
    bytes
}

/// A HEADERS frame that asks for the list, each field literal (RFC 7541, section 6.2.2).
fn list_frame(stream: u32, token: &str) -> Vec<u8> {
    let authorization = format!("Bearer {token}");
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", LIST),
        (":authority", "x"),
        ("authorization", &authorization),
    ];
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    let length = u32::try_from(block.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], 1, 5];
    frame.extend(stream.to_be_bytes());
    frame.extend(block);
    frame
}

/// Reads one answer to its end, by its Content-Length; answers its status.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    head.split(' ').nth(1).unwrap().to_owned()
}

async fn role(address: SocketAddr, administrator: &str) -> String {
    let principal = |name: &str| Principal {
        kind: Some(Kind::Account(name.to_owned())),
    };
    let role = Role {
        display_name: "SQL File Access".to_owned(),
        max_duration: Some(prost_types::Duration {
            seconds: 3_600,
            nanos: 0,
        }),
        candidates: vec![principal("PRIV\\jen")],
        approval_required: true,
        stages: vec![Stage {
            approvers: vec![principal("PRIV\\sam")],
            required_approvals: 1,
        }],
        ..Role::default()
    };
    let mut client = RoleServiceClient::new(channel(address).await);
    let request = authorized(administrator, CreateRoleRequest { role: Some(role) });
    client
        .create_role(request)
        .await
        .unwrap()
        .into_inner()
        .role
        .unwrap()
        .id
}

async fn channel(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

fn authorized<M>(token: &str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

fn token(data: &str, account: &str) -> String {
    let arguments = ["token", "new", "--data-dir", data, "--account", account];
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Starts the program; its log is read, and thrown away.
fn serve(data: &str) -> (Child, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args([
            "serve",
            "--data-dir",
            data,
            "--listen",
            "127.0.0.1:0",
            "--administrator",
            "PRIV\\ann",
        ])
        .args(["--max-pending", "0", "--max-filings", "0"])
        .args(["--log-format", "json"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line: serde_json::Value =
            serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        if let Some(address) = line["address"].as_str() {
            break address.parse().unwrap();
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    (child, address)
}

const LIST: &str = "/api/pamresources/pamrequeststoapprove";
