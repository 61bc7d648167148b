//! The clients: one process and one thread, one connection each, every request after the answer to the one before.
//!
//! The requests are made before the clock starts, and the times are written after it has stopped, in the form of
//! h2load's log: start, status and length in microseconds.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process;

use bytes::{Bytes, BytesMut};
use clap::Args;
use countersign::proto::pam::v1::CreateElevationResponse;
use countersign::time::Stopwatch;
use h2::client::SendRequest;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::calls::Call;
use super::figures::Times;
use super::machine;

/// The requests to send.
#[derive(Args)]
pub struct Load {
    #[arg(long)]
    pub call: Call,
    /// The servers. The clients take them in turns.
    #[arg(long, value_delimiter = ',')]
    pub address: Vec<SocketAddr>,
    /// Bearer tokens. The clients take them in turns.
    #[arg(long, value_delimiter = ',')]
    pub token: Vec<String>,
    #[arg(long)]
    pub connections: usize,
    /// Number of times that the ids are sent.
    #[arg(long, default_value_t = 1)]
    pub repeat: usize,
    /// File with an id for each request, one a line.
    #[arg(long)]
    pub ids: PathBuf,
    /// File to write the times to.
    #[arg(long)]
    pub log: PathBuf,
    /// File to write the ids of the approvals to, if the requests file elevations.
    #[arg(long)]
    pub filed: Option<PathBuf>,
}

/// Sends all requests.
pub async fn run(load: Load) {
    let ids = fs::read_to_string(&load.ids).unwrap();
    let ids: Vec<&str> = ids.lines().collect();
    let ids = ids.repeat(load.repeat);
    let mut clients = Vec::new();
    for number in 0..load.connections {
        // Taken in turns, so that all together keep to the order.
        let share: Vec<&str> = ids
            .iter()
            .skip(number)
            .step_by(load.connections)
            .copied()
            .collect();
        clients.push(Client::connect(&load, number, &share).await);
    }
    let started = Started::now();
    let mut running = JoinSet::new();
    let keep = load.filed.is_some();
    for client in clients {
        running.spawn_local(client.run(started.watch, keep));
    }
    let (times, answers): (Vec<_>, Vec<_>) = running.join_all().await.into_iter().unzip();
    started.write(&times.concat(), &load.log);
    if let Some(path) = &load.filed {
        fs::write(path, approval_ids(&answers.concat())).unwrap();
    }
}

/// Returns the approval ids of filed elevations, one a line.
fn approval_ids(answers: &[Bytes]) -> String {
    let mut ids = String::new();
    for answer in answers {
        // A message follows one byte of flags and four of its length.
        let answer = CreateElevationResponse::decode(&answer[5..]).unwrap();
        ids += &answer.elevation.unwrap().approval_id;
        ids.push('\n');
    }
    ids
}

/// The moment when the requests begin.
pub struct Started {
    pub watch: Stopwatch,
    run_time: f64,
}

impl Started {
    /// Returns the present moment.
    pub fn now() -> Self {
        Self {
            run_time: machine::run_time(process::id()),
            watch: Stopwatch::start(),
        }
    }

    /// Writes the log, and prints the CPU time of this process since the start.
    pub fn write(&self, times: &[Times], log: &Path) {
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
    Http1(TcpStream, Vec<String>),
    Http2(SendRequest<Bytes>, Vec<(http::Request<()>, Bytes)>),
}

impl Client {
    async fn connect(load: &Load, number: usize, ids: &[&str]) -> Self {
        let address = load.address[number % load.address.len()];
        let token = &load.token[number % load.token.len()];
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        if load.call.is_grpc() {
            let (sender, connection) = h2::client::Builder::new()
                .initial_window_size(1 << 20)
                .initial_connection_window_size(1 << 20)
                .handshake(stream)
                .await
                .unwrap();
            tokio::task::spawn_local(async { connection.await.unwrap() });
            let calls = ids.iter().map(|id| load.call.grpc(address, token, id));
            Self::Http2(sender, calls.collect())
        } else {
            let posts = ids.iter().map(|id| load.call.post(address, token, id));
            Self::Http1(stream, posts.collect())
        }
    }

    /// Sends the requests of this client. Returns their times and, if `keep` is set, the answers.
    async fn run(self, watch: Stopwatch, keep: bool) -> (Vec<Times>, Vec<Bytes>) {
        let now = || watch.elapsed().as_secs_f64() * 1e6;
        let (mut times, mut answers) = (Vec::new(), Vec::new());
        let mut answer = BytesMut::with_capacity(BUFFER);
        match self {
            Self::Http1(mut stream, posts) => {
                for request in posts {
                    let began = now();
                    answered_post(&mut stream, &request, &mut answer).await;
                    let ended = now();
                    times.push(Times { began, ended });
                }
            }
            Self::Http2(mut sender, calls) => {
                for (request, message) in calls {
                    let began = now();
                    sender = answered_call(sender, request, message, &mut answer).await;
                    let ended = now();
                    times.push(Times { began, ended });
                    if keep {
                        answers.push(answer.split().freeze());
                    }
                }
            }
        }
        (times, answers)
    }
}

/// Sends a request over HTTP/1.1 and reads its answer.
async fn answered_post(stream: &mut TcpStream, request: &str, answer: &mut BytesMut) {
    stream.write_all(request.as_bytes()).await.unwrap();
    answer.clear();
    loop {
        let more = stream.read_buf(answer).await.unwrap();
        assert!(more > 0, "{}", String::from_utf8_lossy(answer));
        if is_complete(answer) {
            break;
        }
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(answer)
    );
}

/// Returns whether the whole answer has arrived.
fn is_complete(answer: &[u8]) -> bool {
    // Most answers have no body and end here.
    if answer.ends_with(b"\r\n\r\n") {
        return true;
    }
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .expect("an answer with a body has a length");
    answer.len() >= end + 4 + length.trim().parse::<usize>().unwrap()
}

/// Calls a method and reads its answer.
async fn answered_call(
    sender: SendRequest<Bytes>,
    request: http::Request<()>,
    message: Bytes,
    answer: &mut BytesMut,
) -> SendRequest<Bytes> {
    let mut sender = sender.ready().await.unwrap();
    let (response, mut body) = sender.send_request(request, false).unwrap();
    body.send_data(message, true).unwrap();
    let mut response = response.await.unwrap();
    answer.clear();
    while let Some(part) = response.body_mut().data().await {
        let part = part.unwrap();
        answer.extend_from_slice(&part);
        response
            .body_mut()
            .flow_control()
            .release_capacity(part.len())
            .unwrap();
    }
    let trailers = response.body_mut().trailers().await.unwrap();
    let status = trailers
        .as_ref()
        .and_then(|trailers| trailers.get("grpc-status"));
    assert!(
        status.is_some_and(|status| status == "0") && answer.len() >= 5,
        "{response:?} {trailers:?}"
    );
    sender
}

const BUFFER: usize = 64 * 1_024;
