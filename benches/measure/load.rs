//! The clients: one process, one connection each, every request after the answer to the one before.
//!
//! The requests are made before the clock starts, and the times are written down after it has stopped, in the form of
//! h2load's log: start, status and length in microseconds.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process;

use bytes::{BufMut, Bytes, BytesMut};
use clap::{Args, ValueEnum};
use countersign::proto::pam::v1::ApproveRequest;
use countersign::time::Stopwatch;
use h2::client::SendRequest;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::figures::Times;
use super::machine;

/// What to send.
#[derive(Args)]
pub struct Load {
    #[arg(long)]
    pub dialect: Dialect,
    #[arg(long)]
    pub address: SocketAddr,
    #[arg(long)]
    pub token: String,
    #[arg(long)]
    pub connections: usize,
    /// How often every approval is approved.
    #[arg(long, default_value_t = 1)]
    pub repeat: usize,
    /// The ids of the approvals, one a line.
    #[arg(long)]
    pub approvals: PathBuf,
    /// Where to write the times.
    #[arg(long)]
    pub log: PathBuf,
}

/// How to say it.
#[derive(Clone, Copy, ValueEnum)]
pub enum Dialect {
    Grpc,
    Rest,
}

/// Sends it all.
pub async fn run(load: Load) {
    let approvals = fs::read_to_string(&load.approvals).unwrap();
    let approvals: Vec<&str> = approvals.lines().collect();
    let approvals = approvals.repeat(load.repeat);
    let mut clients = Vec::new();
    for number in 0..load.connections {
        // Taken in turns, so that all together keep to the order.
        let share: Vec<&str> = approvals
            .iter()
            .skip(number)
            .step_by(load.connections)
            .copied()
            .collect();
        clients.push(Client::connect(&load, &share).await);
    }
    let started = Started::now();
    let mut running = JoinSet::new();
    for client in clients {
        running.spawn_local(client.run(started.watch));
    }
    let times = running.join_all().await.concat();
    started.tell(&times, &load.log);
}

/// When a part began in earnest.
pub struct Started {
    pub watch: Stopwatch,
    run_time: f64,
}

impl Started {
    /// Now.
    pub fn now() -> Self {
        Self {
            run_time: machine::run_time(process::id()),
            watch: Stopwatch::start(),
        }
    }

    /// Writes the log, and prints how long this process has run since.
    pub fn tell(&self, times: &[Times], log: &Path) {
        println!("{}", machine::run_time(process::id()) - self.run_time);
        let line = |times: &Times| {
            format!(
                "{:.0}\t200\t{:.0}\n",
                times.began,
                times.ended - times.began
            )
        };
        fs::write(log, times.iter().map(line).collect::<String>()).unwrap();
    }
}
enum Client {
    Grpc(SendRequest<Bytes>, Vec<(http::Request<()>, Bytes)>),
    Rest(TcpStream, Vec<String>),
}

impl Client {
    async fn connect(load: &Load, approvals: &[&str]) -> Self {
        let stream = TcpStream::connect(load.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        match load.dialect {
            Dialect::Grpc => {
                let (sender, connection) = h2::client::handshake(stream).await.unwrap();
                tokio::task::spawn_local(async { connection.await.unwrap() });
                Self::Grpc(sender, approvals.iter().map(|id| call(load, id)).collect())
            }
            Dialect::Rest => {
                Self::Rest(stream, approvals.iter().map(|id| post(load, id)).collect())
            }
        }
    }

    async fn run(self, watch: Stopwatch) -> Vec<Times> {
        let now = || watch.elapsed().as_secs_f64() * 1e6;
        let mut times = Vec::new();
        match self {
            Self::Grpc(mut sender, calls) => {
                for (request, message) in calls {
                    let began = now();
                    sender = answered_call(sender, request, message).await;
                    times.push(Times {
                        began,
                        ended: now(),
                    });
                }
            }
            Self::Rest(mut stream, posts) => {
                for request in posts {
                    let began = now();
                    answered_post(&mut stream, &request).await;
                    times.push(Times {
                        began,
                        ended: now(),
                    });
                }
            }
        }
        times
    }
}

fn post(load: &Load, approval: &str) -> String {
    let (address, token) = (load.address, &load.token);
    format!(
        "POST /api/pamresources/pamrequeststoapprove(guid'{approval}')/Approve HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    )
}

async fn answered_post(stream: &mut TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 1_024];
    let mut read = 0;
    while !answer[..read].ends_with(b"\r\n\r\n") {
        let more = stream.read(&mut answer[read..]).await.unwrap();
        assert!(more > 0, "{}", String::from_utf8_lossy(&answer));
        read += more;
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

fn call(load: &Load, approval: &str) -> (http::Request<()>, Bytes) {
    let request = http::Request::post(format!(
        "http://{}/pam.v1.ApprovalService/Approve",
        load.address
    ))
    .version(http::Version::HTTP_2)
    .header("content-type", "application/grpc")
    .header("te", "trailers")
    .header("authorization", format!("Bearer {}", load.token));
    let message = ApproveRequest {
        approval_id: approval.to_owned(),
        reason: None,
    };
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut framed).unwrap();
    (request.body(()).unwrap(), framed.freeze())
}

async fn answered_call(
    sender: SendRequest<Bytes>,
    request: http::Request<()>,
    message: Bytes,
) -> SendRequest<Bytes> {
    let mut sender = sender.ready().await.unwrap();
    let (answer, mut body) = sender.send_request(request, false).unwrap();
    body.send_data(message, true).unwrap();
    let mut answer = answer.await.unwrap();
    let mut length = 0;
    while let Some(part) = answer.body_mut().data().await {
        let part = part.unwrap();
        length += part.len();
        answer
            .body_mut()
            .flow_control()
            .release_capacity(part.len())
            .unwrap();
    }
    let trailers = answer.body_mut().trailers().await.unwrap();
    let status = trailers
        .as_ref()
        .and_then(|trailers| trailers.get("grpc-status"));
    assert!(
        status.is_some_and(|status| status == "0") && length > 5,
        "{answer:?} {trailers:?}"
    );
    sender
}
