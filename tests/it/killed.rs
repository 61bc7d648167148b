//! A server that is killed under load loses nothing that it has acknowledged, and keeps nothing by halves.
//!
//! A few cycles with every run of the tests; `COUNTERSIGN_TEST_CYCLES=50` says how many.

mod client;
mod judge;

use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::auth::tokens;
use countersign::domain::account::{Account, Group};
use countersign::domain::elevation::State;
use countersign::domain::event::{Fact, Subject};
use countersign::ports::Clock;
use countersign::proto::pam::v1::ElevationStatus;
use countersign::record::Envelope;
use countersign::store::sqlite::SqliteStore;
use countersign::store::{ElevationKey, Store};
use countersign::system::SystemClock;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::kit::{ANN, GIL, JEN, KIM, Person, SAM, role};
use client::{Act, Answer, Crowd, Entry, Filed, random};
use judge::{Remains, judge};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_outlives_kill_9() {
    let cycles = env::var("COUNTERSIGN_TEST_CYCLES").map_or(5, |cycles| cycles.parse().unwrap());
    let mut machine = Machine::new().await;
    for cycle in 1..=cycles {
        machine.live_and_die().await;
        let remains = machine.remains().await;
        let wrong = judge(&machine.log, &remains);
        assert!(wrong.is_empty(), "cycle {cycle}:\n{}", wrong.join("\n"));
    }
    machine.ask_again().await;
    println!("{cycles} cycles: {}", machine.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_judge_is_not_blind() {
    let mut machine = Machine::new().await;
    machine.live_and_die().await;
    let (log, remains) = (&machine.log, machine.remains().await);
    assert_eq!(judge(log, &remains), Vec::<String>::new());
    let spoilt = |what: &str, spoil: &dyn Fn(&mut Vec<Entry>, &mut Remains)| {
        let (mut log, mut remains) = (log.clone(), remains.clone());
        spoil(&mut log, &mut remains);
        assert!(!judge(&log, &remains).is_empty(), "{what}");
    };
    spoilt("the end of the record is gone", &|_, remains| {
        remains.record.truncate(remains.record.len() / 2);
    });
    spoilt("a gap", &|_, remains| drop(remains.record.remove(5)));
    spoilt("an event twice", &|_, remains| remains.record.push(remains.record[5].clone()));
    spoilt("another payload", &|_, remains| remains.record[5].payload[3] ^= 1);
    spoilt("another header", &|_, remains| {
        let header = &mut remains.record[5].header;
        *header.last_mut().unwrap() ^= 1;
    });
    spoilt("a row is gone", &|_, remains| remains.rows.clear());
    spoilt("an older row", &|_, remains| {
        let row = remains.rows.values_mut().find(|row| row.activated_at.is_some()).unwrap();
        row.activated_at = None;
    });
    spoilt("something that nobody sent", &|log, _| log.clear());
    spoilt("a refusal that was none", &|log, _| {
        for entry in log {
            entry.answer = Answer::Refused(String::new());
        }
    });
    spoilt("an acknowledgement of nothing", &|log, _| {
        let refused = |entry: &&mut Entry| {
            matches!(entry.answer, Answer::Refused(_)) && !matches!(entry.act, Act::File(_))
        };
        log.iter_mut().find(refused).unwrap().answer = Answer::Done(None);
    });
}

/// What outlives the servers.
struct Machine {
    folder: TempDir,
    tokens: Vec<(&'static str, String)>,
    /// Each with how many approvals it needs.
    roles: Vec<(String, usize)>,
    filed: Vec<Filed>,
    log: Vec<Entry>,
}

impl Machine {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let cast: [(&str, &[&str]); 5] =
            [(ANN, &[]), (JEN, &[]), (GIL, &["SQL Users"]), (SAM, &[]), (KIM, &["SQL Owners"])];
        let token = |(name, groups): (&'static str, &[&str])| {
            let groups: Vec<Group> = groups.iter().map(|group| Group::named(group).unwrap()).collect();
            let account = Account::named(name).unwrap();
            (name, tokens::add(&path, &account, &groups, SystemClock.now(), None).unwrap())
        };
        let tokens: Vec<_> = cast.into_iter().map(token).collect();
        let mut machine = Self { folder, tokens, roles: Vec::new(), filed: Vec::new(), log: Vec::new() };
        let server = Server::start(&machine.folder).await;
        let ann = Person::at(server.address, &machine.tokens[0].1);
        for needed in [1, 2] {
            let role = role("SQL", &[SAM, "group:SQL Owners"], needed);
            let role = ann.create_role(role).await.unwrap();
            machine.roles.push((role.id, usize::try_from(needed).unwrap()));
        }
        machine
    }

    /// A server, clients, and kill -9 at some moment.
    async fn live_and_die(&mut self) {
        let server = Server::start(&self.folder).await;
        let crowd = Arc::new(Crowd {
            address: server.address,
            tokens: self.tokens.clone(),
            roles: self.roles.iter().map(|(id, _)| id.clone()).collect(),
            filed: Mutex::new(std::mem::take(&mut self.filed)),
            answers: Semaphore::new(0),
        });
        let clients: JoinSet<Vec<Entry>> = (0..CLIENTS).map(|_| client::run(crowd.clone())).collect();
        let answers = u32::try_from(100 + random(300)).unwrap();
        crowd.answers.acquire_many(answers).await.unwrap().forget();
        // Not in step with the answers.
        sleep(Duration::from_micros(u64::try_from(random(5_000)).unwrap())).await;
        drop(server);
        self.log.extend(clients.join_all().await.into_iter().flatten());
        self.filed = std::mem::take(&mut crowd.filed.lock().unwrap());
    }

    /// What is in the store, read without a server.
    async fn remains(&self) -> Remains {
        let store = SqliteStore::open(&self.folder.path().join("countersign.db")).unwrap();
        let record = record(&store).await;
        let mut rows = HashMap::new();
        for event in record.iter().filter_map(|envelope| envelope.event().ok()) {
            if let (Subject::Elevation(id), Fact::Filed(_)) = (event.subject, &event.fact) {
                let read = store.elevation(ElevationKey::Elevation(id)).await.unwrap();
                rows.extend(read.map(|read| (id.to_string(), read.elevation.value)));
            }
        }
        Remains { record, rows, needed: self.roles.iter().cloned().collect() }
    }

    /// Starts a server once more, and asks it for every elevation that somebody was told of.
    async fn ask_again(&self) {
        let rows = self.remains().await.rows;
        let server = Server::start(&self.folder).await;
        for filed in &self.filed {
            let token = &self.tokens.iter().find(|(name, _)| *name == filed.requester).unwrap().1;
            let told = Person::at(server.address, token).elevation(&filed.elevation).await.unwrap();
            assert_eq!(told.approval_id, filed.approval);
            assert_eq!(told.status(), status(rows[&filed.elevation].state));
        }
    }

    fn summary(&self) -> String {
        let count = |is: fn(&Answer) -> bool| self.log.iter().filter(|entry| is(&entry.answer)).count();
        let done = count(|answer| matches!(answer, Answer::Done(_)));
        let refused = count(|answer| matches!(answer, Answer::Refused(_)));
        let unknown = count(|answer| matches!(answer, Answer::Unknown));
        format!("{done} acknowledged, {refused} refused, {unknown} without an answer")
    }
}

fn status(state: State) -> ElevationStatus {
    match state {
        State::Active => ElevationStatus::Active,
        State::Closed => ElevationStatus::Closed,
        State::PendingApproval => ElevationStatus::PendingApproval,
        State::Rejected => ElevationStatus::Rejected,
        State::Scheduled => ElevationStatus::Scheduled,
    }
}

async fn record(store: &SqliteStore) -> Vec<Envelope> {
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
    async fn start(folder: &TempDir) -> Self {
        let log = folder.path().join("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--administrator", ANN, "--log-format", "json"]);
        command.args(["--max-pending", "0", "--max-filings", "0", "--data-dir"]).arg(folder.path());
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
