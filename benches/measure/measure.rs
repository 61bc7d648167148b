//! The measurement: what is compared, in turns.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};

use clap::ValueEnum;
use countersign::steady::Stopwatch;
use tempfile::TempDir;
use uuid::Uuid;

use super::figures::{Run, Table, Times};
use super::load::Dialect;
use super::machine;
use super::postgres::Postgres;
use super::seed::Seed;
use super::server::{Server, open};

/// How much to measure.
#[derive(Clone, Copy)]
pub struct Extent {
    rounds: usize,
    /// Connections, and how many requests over them in a round.
    points: [Point; 3],
    /// How many elevations are stored beside those that are approved.
    volumes: &'static [usize],
}

/// Connections, and how many requests over them.
type Point = (usize, usize);

impl Extent {
    pub const QUICK: Self = Self { rounds: 1, points: [(1, 200), (16, 800), (64, 3_200)], volumes: &[1_000] };
    pub const WHOLE: Self = Self {
        rounds: 3,
        points: [(1, 4_000), (16, 16_000), (64, 32_000)],
        volumes: &[1_000, 100_000, 1_000_000],
    };

    /// How many requests all rounds have, over those connections.
    fn requests(&self, points: &[Point]) -> usize {
        self.rounds * points.iter().map(|(_, requests)| requests).sum::<usize>()
    }
}

/// Measures everything and prints it.
pub async fn run(extent: Extent) {
    let bench = Bench { extent, folder: tempfile::tempdir().unwrap(), logs: Cell::new(0) };
    bench.compare().await;
    bench.grow().await;
}

/// Watches the server under REST approves with perf, and prints where it spends its time.
pub async fn profile() {
    let bench = Bench { extent: Extent::WHOLE, folder: tempfile::tempdir().unwrap(), logs: Cell::new(0) };
    let (connections, requests) = bench.extent.points[2];
    let sqlite = bench.approvals("sqlite", 2 * requests, 2 * requests).await;
    // What happens but once is over.
    bench.approve(&sqlite, Dialect::Rest, (connections, requests));
    let data = bench.log();
    let mut perf = Command::new("perf");
    perf.args(["record", "--quiet", "--event", "cpu-clock", "--freq", "1999", "--output"]).arg(&data);
    let mut perf = perf.args(["--pid", &sqlite.server.id().to_string()]).spawn().unwrap();
    bench.approve(&sqlite, Dialect::Rest, (connections, requests));
    drop(sqlite);
    perf.wait().unwrap();
    for by in ["comm,dso", "comm,symbol"] {
        let mut report = Command::new("perf");
        report.args(["report", "--stdio", "--percent-limit", "0.5", "--sort", by, "--input"]).arg(&data);
        println!("{}", succeed(&mut report));
    }
}

struct Bench {
    extent: Extent,
    folder: TempDir,
    logs: Cell<usize>,
}

/// Something to measure.
struct Subject<'a> {
    name: String,
    points: &'a [Point],
    /// Measures it at one point.
    run: Box<dyn Fn(Point) -> Run + 'a>,
}

/// A server of ours over a store.
struct Approvals {
    server: Server,
    token: String,
    /// Those that are still pending.
    pending: RefCell<Vec<String>>,
}

impl Bench {
    /// The server beside what it is compared with.
    async fn compare(&self) {
        let bare = Server::reference("bare", self.folder.path()).await;
        let adapter = Server::reference("adapter", self.folder.path()).await;
        let points = &self.extent.points;
        let count = 2 * self.extent.requests(points) + self.extent.requests(&points[..1]);
        let sqlite = self.approvals("sqlite", count, count).await;
        let postgres = Postgres::start().await;
        let subject = |name: &str, points, run| Subject { name: name.to_owned(), points, run };
        let table = self.rounds(
            ("", "connections"),
            &[
                subject("bare axum handler", points, Box::new(|point| self.bare(&bare, point))),
                subject("the same, by h2load", points, Box::new(|point| self.bare_by_h2load(&bare, point))),
                subject("REST dialect over nothing", points, Box::new(|point| self.bare(&adapter, point))),
                subject(
                    "REST approve",
                    points,
                    Box::new(|point| self.approve(&sqlite, Dialect::Rest, point)),
                ),
                subject(
                    "the same, by h2load",
                    &points[..1],
                    Box::new(|point| self.approve_by_h2load(&sqlite, point)),
                ),
                subject(
                    "gRPC approve",
                    points,
                    Box::new(|point| self.approve(&sqlite, Dialect::Grpc, point)),
                ),
                subject("store alone", points, Box::new(|point| self.commit(point))),
                subject("pgbench, one row", points, Box::new(|point| self.pgbench(&postgres, point))),
            ],
        );
        table.print();
    }

    /// The same approve over ever more stored elevations.
    async fn grow(&self) {
        let bare = Server::reference("bare", self.folder.path()).await;
        let points = &self.extent.points[2..];
        let mut stores = Vec::new();
        for volume in self.extent.volumes {
            let count = self.extent.requests(points);
            stores.push((volume, self.approvals(&volume.to_string(), volume + count, count).await));
        }
        let mut subjects = vec![Subject {
            name: "bare axum handler".to_owned(),
            points,
            run: Box::new(|point| self.bare(&bare, point)),
        }];
        for (volume, approvals) in &stores {
            let run = Box::new(|point| self.approve(approvals, Dialect::Rest, point));
            subjects.push(Subject { name: format!("REST approve, {volume} more stored"), points, run });
        }
        self.rounds(("", "connections"), &subjects).print();
    }

    /// Measures all subjects in turns, the first of which the others are compared with.
    fn rounds(&self, heads: (&str, &str), subjects: &[Subject<'_>]) -> Table {
        let places: Vec<(&Subject<'_>, Point)> = subjects
            .iter()
            .flat_map(|subject| subject.points.iter().map(move |point| (subject, *point)))
            .collect();
        let mut runs: Vec<Vec<Run>> = places.iter().map(|_| Vec::new()).collect();
        for round in 1..=self.extent.rounds {
            for ((subject, point), runs) in places.iter().zip(&mut runs) {
                eprintln!("round {round}: {}, {}", subject.name, point.0);
                runs.push((subject.run)(*point));
            }
        }
        let medians: Vec<Run> = runs.iter().map(|runs| Run::median(runs)).collect();
        let mut table = Table::new(heads.0, heads.1);
        for ((subject, (connections, _)), run) in places.iter().zip(&medians) {
            let bare = places.iter().position(|(_, (of_bare, _))| of_bare == connections).unwrap();
            table.row(&subject.name, &connections.to_string(), run, &medians[bare]);
        }
        table
    }

    /// A server over a new store with so many elevations, of which so many are to be approved.
    async fn approvals(&self, name: &str, stored: usize, count: usize) -> Approvals {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        let path = folder.join("countersign.db");
        let store = path.to_str().unwrap();
        let filed = Seed::new(open(store).await).await.file(stored).await;
        let (server, token) = Server::countersign(&folder, store).await;
        // Spread over all that is stored and out of order, as people decide.
        let ids = (0..count).map(|number| &filed[number * STRIDE % stored]);
        let pending = ids.map(|elevation| elevation.approval.as_ref().unwrap().id.to_string()).collect();
        assert!(!stored.is_multiple_of(STRIDE), "the same one would be approved twice");
        Approvals { server, token, pending: RefCell::new(pending) }
    }

    fn bare(&self, server: &Server, (connections, requests): Point) -> Run {
        let ids: Vec<String> = (0..requests).map(|_| Uuid::nil().to_string()).collect();
        let mut load = self.part("load", &ids);
        load.args(["--dialect", "rest", "--token", "none", "--repeat", "4"]);
        self.load(load, server, connections)
    }

    fn approve(&self, approvals: &Approvals, dialect: Dialect, (connections, requests): Point) -> Run {
        let mut load = self.part("load", &approvals.take(requests));
        load.arg("--dialect").arg(dialect.to_possible_value().unwrap().get_name());
        load.args(["--token", &approvals.token]);
        self.load(load, &approvals.server, connections)
    }

    fn load(&self, mut load: Command, server: &Server, connections: usize) -> Run {
        let log = self.log();
        load.args(["--connections", &connections.to_string(), "--address", &server.address.to_string()]);
        load.arg("--log").arg(&log);
        self.watched(Some(server.id()), || {
            succeed(&mut load);
            times(&[log], Times::of_h2load)
        })
    }

    fn bare_by_h2load(&self, server: &Server, (connections, requests): Point) -> Run {
        let ids = vec![Uuid::nil().to_string(); requests];
        self.h2load(server, "none", &ids, (connections, 4 * requests))
    }

    fn approve_by_h2load(&self, approvals: &Approvals, (connections, requests): Point) -> Run {
        self.h2load(&approvals.server, &approvals.token, &approvals.take(requests), (connections, requests))
    }

    fn h2load(&self, server: &Server, token: &str, ids: &[String], (connections, requests): Point) -> Run {
        let (addresses, log) = (self.log(), self.log());
        let address = |id: &String| {
            let resources = format!("http://{}/api/pamresources", server.address);
            format!("{resources}/pamrequeststoapprove(guid'{id}')/Approve\n")
        };
        fs::write(&addresses, ids.iter().map(address).collect::<String>()).unwrap();
        let mut h2load = Command::new("h2load");
        h2load.args(["--h1", "--clients", &connections.to_string(), "--requests", &requests.to_string()]);
        h2load.args(["--header", ":method: POST", "--header", &format!("authorization: Bearer {token}")]);
        h2load.arg("--input-file").arg(addresses).arg("--log-file").arg(&log);
        self.watched(Some(server.id()), || {
            succeed(&mut h2load);
            assert!(fs::read_to_string(&log).unwrap().lines().all(|line| line.contains("\t200\t")));
            times(&[log], Times::of_h2load)
        })
    }

    fn commit(&self, (callers, requests): Point) -> Run {
        let (log, store) = (self.log(), self.log());
        let mut commit = Command::new(std::env::current_exe().unwrap());
        commit.args(["commit", "--callers", &callers.to_string(), "--count", &requests.to_string()]);
        commit.arg("--store").arg(&store).arg("--log").arg(&log);
        let mut run_time = 0.0;
        let run = self.watched(None, || {
            run_time = succeed(&mut commit).trim().parse().unwrap();
            times(&[log], Times::of_h2load)
        });
        run.with_run_time(run_time)
    }

    fn pgbench(&self, postgres: &Postgres, (clients, requests): Point) -> Run {
        let logs = self.log();
        self.watched(Some(postgres.id()), || {
            times(&postgres.update(clients, requests, &logs), Times::of_pgbench)
        })
    }

    /// Runs a part, and reads how long a process ran meanwhile and how busy others kept the machine.
    fn watched(&self, process: Option<u32>, part: impl FnOnce() -> Vec<Times>) -> Run {
        let run_time = || process.map_or(0.0, machine::run_time);
        let others = || machine::busy() - machine::run_time(process::id());
        let (run_time_before, others_before) = (run_time(), others());
        let watch = Stopwatch::start();
        let times = part();
        let seconds = watch.elapsed().as_secs_f64();
        Run::new(&times, run_time() - run_time_before, (others() - others_before) / seconds)
    }

    /// One of the parts of this bench that approve.
    fn part(&self, name: &str, approvals: &[String]) -> Command {
        let path = self.log();
        fs::write(&path, approvals.join("\n")).unwrap();
        let mut part = Command::new(std::env::current_exe().unwrap());
        part.arg(name).arg("--approvals").arg(path);
        part
    }

    /// A path where nothing is yet.
    fn log(&self) -> PathBuf {
        self.logs.set(self.logs.get() + 1);
        self.folder.path().join(format!("log-{}", self.logs.get()))
    }
}

impl Approvals {
    fn take(&self, count: usize) -> Vec<String> {
        let mut pending = self.pending.borrow_mut();
        let rest = pending.len() - count;
        pending.split_off(rest)
    }
}

fn succeed(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

fn times(logs: &[PathBuf], read: fn(&str) -> Times) -> Vec<Times> {
    let texts: Vec<String> = logs.iter().map(|log| fs::read_to_string(log).unwrap()).collect();
    texts.iter().flat_map(|text| text.lines().map(read)).collect()
}

/// A prime.
const STRIDE: usize = 7_919;
