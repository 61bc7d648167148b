//! Processes that serve, each on a port of its own, until they are dropped.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use countersign::domain::account::Account;
use countersign::store::Store;
use countersign::store::postgres::PostgresStore;
use countersign::store::sqlite::SqliteStore;
use countersign::telemetry::metrics::StoreMetrics;
use countersign::time::{Clock, Stopwatch, SystemClock};
use countersign::tokens_file;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::seed::{APPROVER, REQUESTERS, requester};

/// The administrator.
const ADMINISTRATOR: &str = "PRIV\\ann";

/// A process that serves.
pub struct Server {
    pub address: SocketAddr,
    process: Child,
}

/// The bearer tokens of a server's callers.
#[derive(Clone)]
pub struct Tokens {
    pub administrator: String,
    pub approver: String,
    pub requesters: Vec<String>,
}

impl Tokens {
    /// Writes the tokens file of a data folder.
    pub fn write(folder: &Path) -> Self {
        let token = |name: &str| {
            let account = Account::named(name).unwrap();
            let path = folder.join("tokens.toml");
            tokens_file::add(&path, &account, &[], SystemClock.now(), None).unwrap()
        };
        Self {
            administrator: token(ADMINISTRATOR),
            approver: token(APPROVER),
            requesters: (1..=REQUESTERS)
                .map(|number| token(&requester(number)))
                .collect(),
        }
    }
}

impl Server {
    /// Starts `countersign serve` like an operator, on a store, with its log in a file. Only the quotas are off, because
    /// eight requesters file everything.
    pub async fn countersign(program: &Path, folder: &Path, store: &str) -> Self {
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--store", store])
            .args(["--administrator", ADMINISTRATOR])
            .args(["--max-pending", "0", "--max-filings", "0"])
            .arg("--data-dir")
            .arg(folder);
        Self::start(command, &log(folder)).await
    }

    /// Starts the server. Returns it with the seconds until `/readyz` answers 200.
    pub async fn start_time(folder: &Path, store: &str) -> (Self, f64) {
        let watch = Stopwatch::start();
        let server = Self::countersign(&countersign(), folder, store).await;
        while !server.is_ready().await {
            sleep(POLL).await;
        }
        (server, watch.elapsed().as_secs_f64())
    }

    async fn is_ready(&self) -> bool {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer.starts_with(b"HTTP/1.1 200 ")
    }

    /// Starts one of the references.
    pub async fn reference(words: &[&str], folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(words).current_dir(folder);
        Self::start(command, &folder.join(words[0])).await
    }

    /// Starts a program that prints its address, and waits for the address.
    pub async fn start(mut command: Command, log: &Path) -> Self {
        let file = File::create(log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let mut process = command.spawn().unwrap();
        loop {
            let text = fs::read_to_string(log).unwrap();
            if let Some(address) = text.lines().find_map(address) {
                return Self { address, process };
            }
            assert!(process.try_wait().unwrap().is_none(), "{text}");
            sleep(POLL).await;
        }
    }

    /// Returns the id of the process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Returns the path of the program that was built with this bench.
pub fn countersign() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_countersign"))
}

/// Returns the path of a new log in a folder. Several servers may share the folder.
fn log(folder: &Path) -> PathBuf {
    let mut logs = (0..).map(|number| folder.join(format!("log{number}")));
    logs.find(|path| !path.exists()).unwrap()
}

/// Returns the address in a line that names one.
fn address(line: &str) -> Option<SocketAddr> {
    if !line.contains("address") {
        return None;
    }
    let from = line.find("127.0.0.1:")?;
    line[from..]
        .split(|c: char| !(c.is_ascii_digit() || ".:".contains(c)))
        .next()?
        .parse()
        .ok()
}

/// Opens a store in this process: a file, or the database of a URL.
pub async fn open(store: &str) -> Arc<dyn Store> {
    let metrics = StoreMetrics::default();
    if store.starts_with("postgres:") {
        Arc::new(
            PostgresStore::open(store, None, None, metrics)
                .await
                .unwrap(),
        )
    } else {
        Arc::new(SqliteStore::open(Path::new(store), metrics).unwrap())
    }
}

const POLL: Duration = Duration::from_millis(5);
