//! How many durable approvals a second one server answers over REST, to 1 and to 64 clients, each request another pending
//! approval; beside it the server's cheapest answer, `/healthz`, met by the same clients in the same run.
//!
//! `cargo bench --bench approve`. Clients and server share the machine, so the ratio to `/healthz` is what to compare
//! between versions; the absolute numbers say more about the machine. November 2026, 2 cores, three rounds each: 1 client
//! 1,588 to 1,873 approves a second (ratio 0.03 to 0.04, one sync for each), 64 clients 8,909 to 11,081 (ratio 0.08 to
//! 0.10).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on has failed, and prints"
)]

use std::net::SocketAddr;
use std::sync::Arc;

use countersign::auth::Authenticator;
use countersign::auth::bearer::Bearer;
use countersign::auth::tokens::{self, TokensFile};
use countersign::domain::account::{Account, Principal};
use countersign::domain::caller::Caller;
use countersign::domain::event::{Channel, Origin};
use countersign::domain::moment::Life;
use countersign::domain::quota::Quota;
use countersign::domain::role::{Role, Stage};
use countersign::metrics::Metrics;
use countersign::ports::Clock;
use countersign::rest::cors::Cors;
use countersign::server::{self, App, Limits};
use countersign::service::{Context, Request, Service, Settings};
use countersign::steady::Stopwatch;
use countersign::store::Store;
use countersign::store::sqlite::SqliteStore;
use countersign::system::{SystemClock, SystemIds};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const ROUNDS: usize = 3;

#[tokio::main]
async fn main() {
    let bench = Bench::start().await;
    println!("{:>8} {:>14} {:>14} {:>8}", "clients", "approves/s", "healthz/s", "ratio");
    for clients in [1, 64] {
        for _ in 0..ROUNDS {
            let per_client = 6_400 / clients;
            let requests = bench.approvals(clients * per_client).await;
            let approves = bench.rate(clients, &requests).await;
            let probes = vec!["GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(); requests.len()];
            let healthz = bench.rate(clients, &probes).await;
            println!("{clients:>8} {approves:>14.0} {healthz:>14.0} {:>8.3}", approves / healthz);
        }
    }
}

struct Bench {
    address: SocketAddr,
    service: Arc<Service>,
    requester: Caller,
    role: Role,
    token: String,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokens = folder.path().join("tokens.toml");
        let [ann, jen, sam] =
            ["PRIV\\ann", "PRIV\\jen", "PRIV\\sam"].map(|name| Account::named(name).unwrap());
        let token = tokens::add(&tokens, &sam, &[], SystemClock.now(), None).unwrap();
        let tokens = Arc::new(TokensFile::open(&tokens, &[], &[], SystemClock.now()).unwrap());
        let metrics = Arc::new(Metrics::default());
        let path = folder.path().join("bench.db");
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path, metrics.store.clone()).unwrap());
        let pending_timeout = Life::from_seconds(3_600).unwrap();
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let settings = Settings { pending_timeout, quota: Quota::default() };
        let service = Arc::new(Service::new(store.clone(), tokens.clone(), clock.clone(), ids, settings));
        let role = Role {
            id: service.new_role_id(),
            display_name: "SQL".to_owned(),
            description: String::new(),
            longest_life: pending_timeout,
            candidates: vec![Principal::Account(jen.clone())],
            stage: Some(Stage { approvers: vec![Principal::Account(sam)], needed: 1 }),
        };
        let ann = Caller::new(ann, Vec::new(), true, "bench".to_owned());
        service.create_role(&ann, role.clone(), &context()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = App {
            authenticator: Authenticator::new(vec![Box::new(Bearer(tokens))], clock),
            cors: Cors::default(),
            limits: Limits::default(),
            metrics,
            reflection: false,
            service: service.clone(),
            store,
            traces: None,
            zone: jiff::tz::TimeZone::UTC,
        };
        tokio::spawn(server::run(listener, app, std::future::pending()));
        let requester = Caller::new(jen, Vec::new(), false, "bench".to_owned());
        Self { address, service, requester, role, token, _folder: folder }
    }

    /// Files so many elevations; answers the requests that approve them.
    async fn approvals(&self, count: usize) -> Vec<String> {
        let mut filed = Vec::new();
        while filed.len() < count {
            // No more at once than the store's queue holds.
            let mut filings = JoinSet::new();
            for _ in filed.len()..count.min(filed.len() + 1_000) {
                let (service, requester) = (self.service.clone(), self.requester.clone());
                let asked =
                    Request { role: self.role.id, life: None, justification: None, requested_start: None };
                filings.spawn(async move {
                    service.create_elevation(&requester, asked, &context()).await.unwrap()
                });
            }
            filed.extend(filings.join_all().await);
        }
        let request = |id| {
            format!(
                "POST /api/pamresources/pamrequeststoapprove(guid'{id}')/Approve HTTP/1.1\r\nHost: x\r\n\
                 Authorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
                self.token
            )
        };
        filed.into_iter().map(|filed| request(filed.elevation.value.approval.unwrap().id)).collect()
    }

    /// Requests a second, when so many clients share the requests.
    async fn rate(&self, clients: usize, requests: &[String]) -> f64 {
        let mut streams = Vec::new();
        for _ in 0..clients {
            streams.push(TcpStream::connect(self.address).await.unwrap());
        }
        let watch = Stopwatch::start();
        let mut running = JoinSet::new();
        for (share, stream) in requests.chunks(requests.len().div_ceil(clients)).zip(streams) {
            running.spawn(send(stream, share.to_vec()));
        }
        running.join_all().await;
        f64::from(u32::try_from(requests.len()).unwrap()) / watch.elapsed().as_secs_f64()
    }
}

fn context() -> Context {
    Context { origin: Origin { channel: Channel::Grpc, request_id: "bench".to_owned() }, deadline: None }
}

/// Sends one request after the other, each after the answer to the one before.
async fn send(mut stream: TcpStream, requests: Vec<String>) {
    let mut answer = [0; 1_024];
    for request in requests {
        stream.write_all(request.as_bytes()).await.unwrap();
        let read = stream.read(&mut answer).await.unwrap();
        assert!(
            answer[..read].starts_with(b"HTTP/1.1 200 OK"),
            "{}",
            String::from_utf8_lossy(&answer[..read])
        );
    }
}
