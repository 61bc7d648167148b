//! Processes that serve, each on a port of its own, until they are dropped.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use countersign::domain::account::Account;
use countersign::store::Store;
use countersign::store::postgres::PostgresStore;
use countersign::store::sqlite::SqliteStore;
use countersign::telemetry::metrics::StoreMetrics;
use countersign::time::{Clock, SystemClock};
use countersign::tokens_file;
use tokio::time::sleep;

use super::seed::APPROVER;

/// A process that serves.
pub struct Server {
    pub address: SocketAddr,
    process: Child,
}

impl Server {
    /// Starts `countersign serve` as an operator would, on the store, with its log in a file; answers it with the token of
    /// the approver.
    pub async fn countersign(folder: &Path, store: &str) -> (Self, String) {
        let approver = Account::named(APPROVER).unwrap();
        let token = tokens_file::add(
            &folder.join("tokens.toml"),
            &approver,
            &[],
            SystemClock.now(),
            None,
        )
        .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--store",
                store,
                "--data-dir",
            ])
            .arg(folder);
        (Self::start(command, &folder.join("log")).await, token)
    }

    /// Starts one of the references.
    pub async fn reference(part: &str, folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(part).current_dir(folder);
        Self::start(command, &folder.join(part)).await
    }

    async fn start(mut command: Command, log: &Path) -> Self {
        let file = File::create(log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let mut process = command.spawn().unwrap();
        loop {
            let told = fs::read_to_string(log).unwrap();
            if let Some(address) = told.lines().find_map(address) {
                return Self { address, process };
            }
            assert!(process.try_wait().unwrap().is_none(), "{told}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The id of the process.
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

/// The address in a line that says so.
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

/// Opens a store in this process: a file, or what a URL leads to.
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
