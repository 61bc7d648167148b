//! The parts of a measurement, one run each: the load against a server, h2load, the store alone,
//! pgbench.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use clap::ValueEnum;
use countersign::time::Stopwatch;
use tempfile::TempDir;
use uuid::Uuid;

use super::figures::{Run, Spent, Times};
use super::load::Dialect;
use super::measure::Point;
use super::postgres::Database;
use super::seed::Seed;
use super::server::{Server, open};
use super::{machine, pgbench};

/// Where everything is while it is measured.
pub struct Bench {
    folder: TempDir,
    /// Where PostgreSQL is.
    pub database: Database,
    paths: Cell<usize>,
}

/// Which store.
#[derive(Clone, Copy)]
pub enum Backend {
    Postgres,
    Sqlite,
}

/// A server of ours over a store.
pub struct Approvals {
    pub server: Server,
    token: String,
    /// Those that are still pending.
    pending: RefCell<Vec<String>>,
}

impl Bench {
    pub async fn new() -> Self {
        let database = Database::new().await;
        pgbench::prepare(&database.server);
        Self {
            folder: tempfile::tempdir().unwrap(),
            database,
            paths: Cell::new(0),
        }
    }

    pub async fn reference(&self, part: &str) -> Server {
        let folder = self.path();
        fs::create_dir(&folder).unwrap();
        Server::reference(part, &folder).await
    }

    /// Starts a server over a new store with `stored` elevations, and approves `count` of them.
    pub async fn approvals(&self, backend: Backend, stored: usize, count: usize) -> Approvals {
        let (folder, store) = (self.path(), self.store(backend).await);
        fs::create_dir(&folder).unwrap();
        let filed = Seed::new(open(&store).await).await.file(stored).await;
        let (server, token) = Server::countersign(&folder, &store).await;
        // Spread evenly over all that is stored, and in the order of their filing, as lists show them.
        let ids = (0..count).map(|number| &filed[number * stored / count]);
        let pending = ids
            .map(|elevation| elevation.approval.as_ref().unwrap().id.to_string())
            .collect();
        Approvals {
            server,
            token,
            pending: RefCell::new(pending),
        }
    }

    /// Where a new store can be.
    async fn store(&self, backend: Backend) -> String {
        match backend {
            Backend::Postgres => Database::new().await.url(),
            Backend::Sqlite => self.path().display().to_string(),
        }
    }

    pub fn bare(&self, server: &Server, (connections, requests): Point) -> Run {
        let ids: Vec<String> = (0..requests).map(|_| Uuid::nil().to_string()).collect();
        let mut load = self.part("load", &ids);
        load.args(["--dialect", "rest", "--token", "none", "--repeat", "4"]);
        self.load(load, server, connections)
    }

    pub fn approve(
        &self,
        approvals: &Approvals,
        dialect: Dialect,
        (connections, requests): Point,
    ) -> Run {
        let mut load = self.part("load", &approvals.take(requests));
        load.arg("--dialect")
            .arg(dialect.to_possible_value().unwrap().get_name());
        load.args(["--token", &approvals.token]);
        self.load(load, &approvals.server, connections)
    }

    fn load(&self, mut load: Command, server: &Server, connections: usize) -> Run {
        let log = self.path();
        load.args([
            "--connections",
            &connections.to_string(),
            "--address",
            &server.address.to_string(),
        ]);
        load.arg("--log").arg(&log);
        self.watched(Some(server.id()), || {
            succeed(&mut load);
            times(&[log], Times::of_h2load)
        })
    }

    pub fn bare_by_h2load(&self, server: &Server, (connections, requests): Point) -> Run {
        let ids = vec![Uuid::nil().to_string(); requests];
        self.h2load(server, "none", &ids, (connections, 4 * requests))
    }

    pub fn approve_by_h2load(&self, approvals: &Approvals, (connections, requests): Point) -> Run {
        self.h2load(
            &approvals.server,
            &approvals.token,
            &approvals.take(requests),
            (connections, requests),
        )
    }

    fn h2load(
        &self,
        server: &Server,
        token: &str,
        ids: &[String],
        (connections, requests): Point,
    ) -> Run {
        let (addresses, log) = (self.path(), self.path());
        let address = |id: &String| {
            let resources = format!("http://{}/api/pamresources", server.address);
            format!("{resources}/pamrequeststoapprove(guid'{id}')/Approve\n")
        };
        fs::write(&addresses, ids.iter().map(address).collect::<String>()).unwrap();
        let mut h2load = Command::new("h2load");
        h2load.args([
            "--h1",
            "--clients",
            &connections.to_string(),
            "--requests",
            &requests.to_string(),
        ]);
        h2load.args([
            "--header",
            ":method: POST",
            "--header",
            &format!("authorization: Bearer {token}"),
        ]);
        h2load
            .arg("--input-file")
            .arg(addresses)
            .arg("--log-file")
            .arg(&log);
        self.watched(Some(server.id()), || {
            succeed(&mut h2load);
            assert!(
                fs::read_to_string(&log)
                    .unwrap()
                    .lines()
                    .all(|line| line.contains("\t200\t"))
            );
            times(&[log], Times::of_h2load)
        })
    }

    /// Commits that are decided already, in a store of their own.
    pub async fn commit(&self, backend: Backend, (callers, requests): Point) -> Run {
        let (log, store) = (self.path(), self.store(backend).await);
        let mut commit = Command::new(std::env::current_exe().unwrap());
        commit.args([
            "commit",
            "--callers",
            &callers.to_string(),
            "--count",
            &requests.to_string(),
        ]);
        commit.arg("--store").arg(&store).arg("--log").arg(&log);
        let mut run_time = 0.0;
        let run = self.watched(None, || {
            run_time = succeed(&mut commit).trim().parse().unwrap();
            times(&[log], Times::of_h2load)
        });
        run.with_own(run_time)
    }

    pub fn pgbench(&self, (clients, requests): Point) -> Run {
        self.watched(None, || {
            times(
                &pgbench::update(&self.database.server, clients, requests),
                Times::of_pgbench,
            )
        })
    }

    /// Runs a part, and reads how long a process and PostgreSQL ran meanwhile and how busy others kept the machine.
    fn watched(&self, process: Option<u32>, part: impl FnOnce() -> Vec<Times>) -> Run {
        let database = first_process(&self.database);
        let spent = || Spent {
            own: process.map_or(0.0, machine::run_time),
            database: machine::run_time(database),
            others: machine::busy()
                - machine::run_time(process::id())
                - machine::run_time(database),
        };
        let before = spent();
        let watch = Stopwatch::start();
        let times = part();
        let seconds = watch.elapsed().as_secs_f64();
        Run::new(&times, &(spent() - before), seconds)
    }

    /// One of the parts of this bench that approve.
    fn part(&self, name: &str, approvals: &[String]) -> Command {
        let path = self.path();
        fs::write(&path, approvals.join("\n")).unwrap();
        let mut part = Command::new(std::env::current_exe().unwrap());
        part.arg(name).arg("--approvals").arg(path);
        part
    }

    /// Returns a path that does not exist.
    pub fn path(&self) -> PathBuf {
        self.paths.set(self.paths.get() + 1);
        self.folder.path().join(self.paths.get().to_string())
    }
}

impl Approvals {
    fn take(&self, count: usize) -> Vec<String> {
        let mut pending = self.pending.borrow_mut();
        pending.drain(..count).collect()
    }
}

/// The id of PostgreSQL's first process.
fn first_process(database: &Database) -> u32 {
    let told = fs::read_to_string(Path::new(&database.server.folder()).join("data/postmaster.pid"))
        .unwrap();
    told.lines().next().unwrap().parse().unwrap()
}

/// Runs a command to its end; answers what it printed.
pub fn succeed(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn times(logs: &[PathBuf], read: fn(&str) -> Times) -> Vec<Times> {
    let texts: Vec<String> = logs
        .iter()
        .map(|log| fs::read_to_string(log).unwrap())
        .collect();
    texts
        .iter()
        .flat_map(|text| text.lines().map(read))
        .collect()
}
