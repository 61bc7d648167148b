//! The parts of a measurement, one run each: the load against a server, h2load, the store alone,
//! pgbench.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::Arc;

use clap::ValueEnum;
use countersign::time::Stopwatch;
use tempfile::TempDir;
use uuid::Uuid;

use super::calls::Call;
use super::figures::{Run, Spent, Times};
use super::machine::{self, Threads};
use super::pgbench;
use super::postgres::{self, Database};
use super::rounds::Point;
use super::server::{Server, Tokens, countersign};
use super::stores::{Filled, Volume};
use super::target::Target;

/// The folder of a measurement, and its PostgreSQL.
pub struct Bench {
    folder: TempDir,
    /// `None` if no row needs PostgreSQL.
    pub postgres: Option<Arc<postgres::Server>>,
    /// The first processes of all servers of PostgreSQL.
    postmasters: RefCell<Vec<u32>>,
    paths: Cell<usize>,
}

/// A database system.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Backend {
    Postgres,
    Sqlite,
}

impl Backend {
    /// Returns the name, for a row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        }
    }
}

/// The processes whose CPU time a run reads.
struct Watched {
    processes: Vec<u32>,
    /// The first process of PostgreSQL, or the service to which a proxy forwards.
    backend: Option<u32>,
}

impl Bench {
    /// Makes the folder, and starts PostgreSQL if `with_postgres` is set.
    pub async fn new(with_postgres: bool) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            postgres: None,
            postmasters: RefCell::default(),
            paths: Cell::new(0),
        };
        if !with_postgres {
            return bench;
        }
        let server = Database::new().await.server;
        pgbench::prepare(&server);
        bench.count_postgres(first_process(&server.folder(), "data"));
        Self {
            postgres: Some(server),
            ..bench
        }
    }

    /// Counts the CPU time of a server of PostgreSQL as that of the measurement. `process` is its first process.
    pub fn count_postgres(&self, process: u32) {
        self.postmasters.borrow_mut().push(process);
    }

    /// Starts one of the references. The first word is its name.
    pub async fn reference(&self, words: &[&str]) -> Server {
        Server::reference(words, &self.new_folder()).await
    }

    /// Starts a server of a program over a new store, with some pending approvals.
    pub async fn target(&self, program: &Path, backend: Backend, pending: usize) -> Target {
        let store = self.new_store(backend).await;
        let mut target = Target::start(program, &self.new_folder(), &store, 1).await;
        if backend == Backend::Postgres {
            target.backend = self.main_postmaster();
        }
        self.file(&target, pending);
        target
    }

    /// Starts a server over a store that was filled.
    pub async fn filled(&self, store: &Filled) -> Target {
        let folder = self.new_folder();
        let mut target = Target::start(&countersign(), &folder, &store.place, 1).await;
        target.is_prepared = matches!(store.volume, Volume::Spread(_));
        target
            .pending
            .borrow_mut()
            .extend(store.ids.iter().cloned());
        target
    }

    /// Returns the path or URL of a store that does not exist.
    pub async fn new_store(&self, backend: Backend) -> String {
        match backend {
            Backend::Postgres => Database::new().await.url(),
            Backend::Sqlite => self.path().display().to_string(),
        }
    }

    /// Sends requests to a reference that answers everything. They are repeated, because it is fast.
    pub fn bare(&self, server: &Server, call: Call, (connections, requests): Point) -> Run {
        let ids = vec![Uuid::nil().to_string(); requests];
        let mut load = self.load(call, &[server], &["none".to_owned()], connections, &ids);
        load.args(["--repeat", "8"]);
        self.run(load, &[server], None)
    }

    /// Files approvals until there are enough, and approves the oldest ones.
    pub fn approve(&self, target: &Target, call: Call, (connections, requests): Point) -> Run {
        if !target.is_prepared {
            self.file(target, requests);
        }
        let ids = target.take(requests);
        let servers: Vec<&Server> = target.servers.iter().collect();
        let tokens = [target.tokens.approver.clone()];
        let load = self.load(call, &servers, &tokens, connections, &ids);
        self.run(load, &servers, target.backend)
    }

    /// Sends requests that change nothing.
    pub fn read(&self, target: &Target, call: Call, (connections, requests): Point) -> Run {
        let pending = target.pending.borrow();
        let ids: Vec<String> = pending.iter().cycle().take(requests).cloned().collect();
        let servers: Vec<&Server> = target.servers.iter().collect();
        let tokens = match call {
            Call::ListElevations => target.tokens.requesters.clone(),
            _ => vec![target.tokens.approver.clone()],
        };
        let load = self.load(call, &servers, &tokens, connections, &ids);
        self.run(load, &servers, target.backend)
    }

    /// Files elevations over gRPC, without measuring it.
    pub fn file(&self, target: &Target, count: usize) {
        let ids = vec![target.role.clone(); count];
        let servers: Vec<&Server> = target.servers.iter().collect();
        let Tokens { requesters, .. } = &target.tokens;
        let mut load = self.load(Call::File, &servers, requesters, MAX_CONNECTIONS, &ids);
        let filed = self.path();
        load.arg("--filed")
            .arg(&filed)
            .arg("--log")
            .arg(self.path());
        succeed(&mut load);
        let filed = fs::read_to_string(filed).unwrap();
        let mut pending = target.pending.borrow_mut();
        pending.extend(filed.lines().map(str::to_owned));
    }

    /// Returns the command of the clients, without its log.
    fn load(
        &self,
        call: Call,
        servers: &[&Server],
        tokens: &[String],
        connections: usize,
        ids: &[String],
    ) -> Command {
        let path = self.path();
        fs::write(&path, ids.join("\n")).unwrap();
        let addresses: Vec<String> = servers
            .iter()
            .map(|server| server.address.to_string())
            .collect();
        let mut load = Command::new(std::env::current_exe().unwrap());
        load.arg("load").arg("--ids").arg(path);
        load.arg("--call")
            .arg(call.to_possible_value().unwrap().get_name());
        load.args(["--address", &addresses.join(",")]);
        load.args(["--token", &tokens.join(",")]);
        load.args(["--connections", &connections.min(ids.len()).to_string()]);
        load
    }

    /// Runs the clients. Reads the CPU time of the servers, and of the backend.
    fn run(&self, mut load: Command, servers: &[&Server], backend: Option<u32>) -> Run {
        let log = self.path();
        load.arg("--log").arg(&log);
        let processes = servers.iter().map(|server| server.id()).collect();
        self.watched(&Watched { processes, backend }, || {
            succeed(&mut load);
            times(&[log], Times::of_h2load)
        })
    }

    /// Sends requests to a proxy, which forwards them to a service.
    pub fn proxied(&self, proxy: &Server, service: &Server, (connections, requests): Point) -> Run {
        let ids = vec![Uuid::nil().to_string(); requests];
        let tokens = ["none".to_owned()];
        let load = self.load(Call::Transcode, &[proxy], &tokens, connections, &ids);
        self.run(load, &[proxy], Some(service.id()))
    }

    /// Sends requests to the bare handler by h2load, to check our own clients.
    pub fn bare_by_h2load(&self, server: &Server, (connections, requests): Point) -> Run {
        let (addresses, log) = (self.path(), self.path());
        let id = Uuid::nil();
        let resources = format!("http://{}/api/pamresources", server.address);
        let address = format!("{resources}/pamrequeststoapprove(guid'{id}')/Approve\n");
        fs::write(&addresses, address).unwrap();
        let mut h2load = Command::new("h2load");
        h2load
            .args(["--h1", "--clients", &connections.to_string()])
            .args(["--requests", &(8 * requests).to_string()])
            .args(["--header", ":method: POST"])
            .args(["--header", "authorization: Bearer none"])
            .arg("--input-file")
            .arg(addresses)
            .arg("--log-file")
            .arg(&log);
        let processes = vec![server.id()];
        let watched = Watched {
            processes,
            backend: None,
        };
        self.watched(&watched, || {
            succeed(&mut h2load);
            let text = fs::read_to_string(&log).unwrap();
            assert!(text.lines().all(|line| line.contains("\t200\t")));
            times(&[log], Times::of_h2load)
        })
    }

    /// Commits decided approvals in a store of their own.
    pub async fn commit(&self, backend: Backend, (callers, requests): Point) -> Run {
        let (log, store) = (self.path(), self.new_store(backend).await);
        let mut commit = Command::new(std::env::current_exe().unwrap());
        commit
            .args(["commit", "--callers", &callers.to_string()])
            .args(["--count", &requests.to_string(), "--store", &store])
            .arg("--log")
            .arg(&log);
        let watched = Watched {
            processes: Vec::new(),
            backend: self.main_postmaster(),
        };
        let mut run_time = 0.0;
        let run = self.watched(&watched, || {
            run_time = succeed(&mut commit).trim().parse().unwrap();
            times(&[log], Times::of_h2load)
        });
        run.with_own(run_time)
    }

    /// Updates one row in each transaction, by pgbench.
    pub fn pgbench(&self, server: &postgres::Server, (clients, requests): Point) -> Run {
        let watched = Watched {
            processes: Vec::new(),
            backend: Some(first_process(&server.folder(), "data")),
        };
        self.watched(&watched, || {
            times(
                &pgbench::update(server, clients, requests),
                Times::of_pgbench,
            )
        })
    }

    /// Runs a part. Reads the CPU time of the watched processes and of all others meanwhile.
    fn watched(&self, watched: &Watched, part: impl FnOnce() -> Vec<Times>) -> Run {
        let threads = || {
            let mut threads = Threads::default();
            for process in &watched.processes {
                threads.add(*process);
            }
            threads
        };
        let backend = || watched.backend.map_or(0.0, machine::run_time);
        let others = || {
            let postmasters = self.postmasters.borrow();
            let postgres: f64 = postmasters
                .iter()
                .map(|process| machine::run_time(*process))
                .sum();
            machine::busy() - machine::run_time(process::id()) - postgres
        };
        let before = (threads(), backend(), others());
        let watch = Stopwatch::start();
        let times = part();
        let seconds = watch.elapsed().as_secs_f64();
        let spent = Spent {
            threads: threads().since(&before.0),
            backend: backend() - before.1,
            others: others() - before.2,
        };
        Run::new(&times, &spent, seconds)
    }

    fn main_postmaster(&self) -> Option<u32> {
        self.postmasters.borrow().first().copied()
    }

    /// Returns a path that does not exist.
    pub fn path(&self) -> PathBuf {
        self.paths.set(self.paths.get() + 1);
        self.folder.path().join(self.paths.get().to_string())
    }

    /// Returns a new folder.
    pub fn new_folder(&self) -> PathBuf {
        let folder = self.path();
        fs::create_dir(&folder).unwrap();
        folder
    }
}

/// Returns the id of the first process of a PostgreSQL, from its own folder and that of its data.
pub fn first_process(folder: &str, data: &str) -> u32 {
    let path = Path::new(folder).join(data).join("postmaster.pid");
    let text = fs::read_to_string(path).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

/// Runs a command to its end. Returns its output.
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

/// The largest number of connections of any row.
const MAX_CONNECTIONS: usize = 64;
