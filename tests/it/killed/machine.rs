//! What outlives the servers: the store, the tokens, and what the clients know.

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::domain::account::{Account, Group};
use countersign::domain::event::{Fact, Subject};
use countersign::domain::status::Status;
use countersign::proto::pam::v1::ElevationStatus;
use countersign::record::Envelope;
use countersign::store::postgres::PostgresStore;
use countersign::store::sqlite::SqliteStore;
use countersign::store::{ElevationKey, Store};
use countersign::telemetry::metrics::StoreMetrics;
use countersign::time::{Clock, SystemClock};
use countersign::tokens_file;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;
use tokio_postgres::NoTls;

use super::client::{self, Answer, Crowd, End, Entry, Filed, random};
use super::judge::Remains;
use crate::kit::{ANN, GIL, JEN, KIM, Person, SAM, role};
use crate::postgres::Database;

/// What outlives the servers.
pub struct Machine {
    place: Place,
    /// Of the tokens file and the log.
    folder: TempDir,
    tokens: Vec<(&'static str, String)>,
    /// Each with how many approvals it needs.
    roles: Vec<(String, usize)>,
    filed: Vec<Filed>,
    pub log: Vec<Entry>,
}

impl Machine {
    pub async fn new(place: Place) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let cast: [(&str, &[&str]); 5] = [
            (ANN, &[]),
            (JEN, &[]),
            (GIL, &["SQL Users"]),
            (SAM, &[]),
            (KIM, &["SQL Owners"]),
        ];
        let token = |(name, groups): (&'static str, &[&str])| {
            let groups: Vec<Group> = groups
                .iter()
                .map(|group| Group::named(group).unwrap())
                .collect();
            let account = Account::named(name).unwrap();
            (
                name,
                tokens_file::add(&path, &account, &groups, SystemClock.now(), None).unwrap(),
            )
        };
        let tokens: Vec<_> = cast.into_iter().map(token).collect();
        let mut machine = Self {
            place,
            folder,
            tokens,
            roles: Vec::new(),
            filed: Vec::new(),
            log: Vec::new(),
        };
        let server = machine.start().await;
        let ann = Person::at(server.address, &machine.tokens[0].1);
        for required_approvals in [1, 2] {
            let role = role("SQL", &[SAM, "group:SQL Owners"], required_approvals);
            let role = ann.create_role(role).await.unwrap();
            machine
                .roles
                .push((role.id, usize::try_from(required_approvals).unwrap()));
        }
        machine
    }

    async fn start(&self) -> Server {
        Server::start(self.folder.path(), &self.place.location()).await
    }

    /// A server, clients, and kill -9 at some moment.
    pub async fn live_and_die(&mut self) {
        let server = self.start().await;
        let crowd = self.crowd(&server, None);
        let clients: JoinSet<Vec<Entry>> =
            (0..CLIENTS).map(|_| client::run(crowd.clone())).collect();
        let answers = u32::try_from(100 + random(300)).unwrap();
        crowd.answers.acquire_many(answers).await.unwrap().forget();
        // Not in step with the answers.
        sleep(Duration::from_micros(u64::try_from(random(5_000)).unwrap())).await;
        if random(2) == 0 {
            // Under a server that lives on.
            self.place.kill_sometimes();
        }
        drop(server);
        self.place.kill_sometimes();
        self.log
            .extend(clients.join_all().await.into_iter().flatten());
        self.filed = std::mem::take(&mut crowd.filed.lock().unwrap());
    }

    /// A server and clients that go on while something happens to the store; answers for how long nothing was
    /// acknowledged.
    pub async fn live_through(&mut self, happens: impl FnOnce() + Send + 'static) -> Duration {
        let server = self.start().await;
        let crowd = self.crowd(&server, Some(End::default()));
        let clients: JoinSet<Vec<Entry>> =
            (0..CLIENTS).map(|_| client::run(crowd.clone())).collect();
        crowd.answers.acquire_many(200).await.unwrap().forget();
        spawn_blocking(happens).await.unwrap();
        // What came meanwhile does not count.
        crowd.answers.forget_permits(usize::MAX);
        crowd.answers.acquire_many(300).await.unwrap().forget();
        let end = crowd.end.as_ref().unwrap();
        end.over.store(true, Ordering::SeqCst);
        self.log
            .extend(clients.join_all().await.into_iter().flatten());
        self.filed = std::mem::take(&mut crowd.filed.lock().unwrap());
        end.quiet.lock().unwrap().1
    }

    fn crowd(&mut self, server: &Server, end: Option<End>) -> Arc<Crowd> {
        Arc::new(Crowd {
            address: server.address,
            tokens: self.tokens.clone(),
            roles: self.roles.iter().map(|(id, _)| id.clone()).collect(),
            filed: Mutex::new(std::mem::take(&mut self.filed)),
            answers: Semaphore::new(0),
            end,
        })
    }

    /// Reads the contents of the store without a server.
    pub async fn remains(&self) -> Remains {
        let store = self.place.open().await;
        let record = record(&*store).await;
        let mut rows = HashMap::new();
        for event in record.iter().filter_map(|envelope| envelope.event().ok()) {
            if let (Subject::Elevation(id), Fact::Filed(_)) = (event.subject, &event.fact) {
                let read = store.elevation(ElevationKey::Elevation(id)).await.unwrap();
                rows.extend(read.map(|read| (id.to_string(), read.elevation.value)));
            }
        }
        Remains {
            record,
            rows,
            required_approvals: self.roles.iter().cloned().collect(),
        }
    }

    /// Starts a server again, and reads every elevation that a client has seen.
    pub async fn ask_again(&self) {
        let rows = self.remains().await.rows;
        let server = self.start().await;
        for filed in &self.filed {
            let token = &self
                .tokens
                .iter()
                .find(|(name, _)| *name == filed.requester)
                .unwrap()
                .1;
            let told = Person::at(server.address, token)
                .elevation(&filed.elevation)
                .await
                .unwrap();
            assert_eq!(told.approval_id, filed.approval);
            assert_eq!(told.status(), status(rows[&filed.elevation].status));
        }
    }

    pub fn summary(&self) -> String {
        let count =
            |is: fn(&Answer) -> bool| self.log.iter().filter(|entry| is(&entry.answer)).count();
        let done = count(|answer| matches!(answer, Answer::Done(_)));
        let refused = count(|answer| matches!(answer, Answer::Refused(_)));
        let unknown = count(|answer| matches!(answer, Answer::Unknown));
        format!("{done} acknowledged, {refused} refused, {unknown} without an answer")
    }
}

/// Where the store is.
pub enum Place {
    /// A file in this folder.
    File(TempDir),
    Postgres(Database),
    /// The URL of a cluster.
    Cluster(String),
}

impl Place {
    fn location(&self) -> String {
        match self {
            Self::File(folder) => folder.path().join("countersign.db").display().to_string(),
            Self::Postgres(database) => database.url(),
            Self::Cluster(url) => url.clone(),
        }
    }

    /// Kills what a file does not have: the database. It is there again when this returns.
    fn kill_sometimes(&self) {
        if let Self::Postgres(database) = self
            && random(2) == 0
        {
            database.server.kill_and_start();
        }
    }

    /// Opens the store after the last other writer has gone.
    async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::File(_) => Arc::new(
                SqliteStore::open(Path::new(&self.location()), StoreMetrics::default()).unwrap(),
            ),
            Self::Postgres(database) => {
                while !database.backends().await.is_empty() {
                    sleep(Duration::from_millis(10)).await;
                }
                database.open().await
            }
            Self::Cluster(url) => {
                let of_the_server =
                    "SELECT FROM pg_stat_activity WHERE application_name = 'countersign'";
                let writable = format!("{url}?target_session_attrs=read-write");
                let (client, connection) = tokio_postgres::connect(&writable, NoTls).await.unwrap();
                tokio::spawn(connection);
                while !client.query(of_the_server, &[]).await.unwrap().is_empty() {
                    sleep(Duration::from_millis(10)).await;
                }
                Arc::new(
                    PostgresStore::open(url, None, None, StoreMetrics::default())
                        .await
                        .unwrap(),
                )
            }
        }
    }
}

fn status(status: Status) -> ElevationStatus {
    match status {
        Status::Active => ElevationStatus::Active,
        Status::Closed => ElevationStatus::Closed,
        Status::Expired => ElevationStatus::Expired,
        Status::PendingApproval => ElevationStatus::PendingApproval,
        Status::Rejected => ElevationStatus::Rejected,
        Status::Scheduled => ElevationStatus::Scheduled,
    }
}

async fn record(store: &dyn Store) -> Vec<Envelope> {
    let mut record: Vec<Envelope> = Vec::new();
    loop {
        let after = record.last().map_or(0, |last| last.sequence);
        let more = store.events(after, 1_000).await.unwrap();
        if more.is_empty() {
            return record;
        }
        record.extend(more);
    }
}

/// The real program, killed when this is dropped.
struct Server {
    address: SocketAddr,
    process: Child,
}

impl Server {
    async fn start(folder: &Path, store: &str) -> Self {
        let log = folder.join("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--administrator",
            ANN,
            "--log-format",
            "json",
        ]);
        command.args(["--max-pending", "0", "--max-filings", "0"]);
        // It may have a password in it.
        command
            .env("COUNTERSIGN_STORE", store)
            .arg("--data-dir")
            .arg(folder);
        let mut process = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
        loop {
            let told = fs::read_to_string(&log).unwrap();
            if let Some(address) = told.lines().find_map(address) {
                return Self { address, process };
            }
            assert!(process.try_wait().unwrap().is_none(), "{told}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL.
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// The address in the line of the log that says it.
fn address(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    line["address"].as_str()?.parse().ok()
}

const CLIENTS: usize = 8;
