//! The measurement: its groups of rows, and the bars.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;
use countersign::time::Stopwatch;
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use tokio::time::sleep;

use super::bars::Bar::{AtLeast, AtMost};
use super::bars::Bars;
use super::calls::Call;
use super::figures::{median, print_threads};
use super::machine;
use super::parts::{Backend, Bench, succeed};
use super::rounds::{Extent, Medians, Point, Subject};
use super::server::{Server, Tokens, countersign};
use super::stores::{self, Filled, Volume, bytes_per_decided};
use super::target::Target;

/// A group of rows. Without a choice all groups are measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Group {
    /// Approvals over REST and gRPC on both stores, with their references.
    Approve,
    /// Approvals over REST on SQLite, with more and more elevations stored.
    Stores,
    /// The first pages of lists, and one approval.
    Reads,
    /// Bytes in the file per decided elevation.
    File,
    /// The time of a start over the largest store, and idle memory.
    Start,
}

/// The measurement to make.
pub struct Choice {
    pub extent: Extent,
    pub groups: Vec<Group>,
    /// Another build of the server, to measure in the same rounds.
    pub before: Option<PathBuf>,
}

impl Choice {
    fn has(&self, group: Group) -> bool {
        self.groups.is_empty() || self.groups.contains(&group)
    }

    /// Returns the stores that the groups need.
    fn volumes(&self) -> Vec<Volume> {
        let [million, largest] = self.extent.ended.map(Volume::Ended);
        let mut volumes = Vec::new();
        if self.has(Group::Stores) {
            volumes.push(Volume::Ended(0));
            volumes.push(Volume::Spread(self.extent.spread));
        }
        if self.has(Group::Stores) || self.has(Group::Reads) {
            volumes.push(million);
        }
        if self.has(Group::Stores) || self.has(Group::Start) {
            volumes.push(largest);
        }
        volumes
    }
}

/// Measures the chosen groups and prints them.
pub async fn run(choice: Choice) {
    let bench = Bench::new(choice.has(Group::Approve)).await;
    let extent = choice.extent;
    let mut bars = Bars::default();
    let watch = Stopwatch::start();
    let filled = stores::fill(&bench, extent, &choice.volumes()).await;
    let took = |name: &str| eprintln!("{name}: {:.0} s so far", watch.elapsed().as_secs_f64());
    took("stores filled");
    if choice.has(Group::File) {
        let bytes = bytes_per_decided(&bench.path(), extent.decided).await;
        println!("Bytes in the file per decided elevation: {bytes:.0}\n");
        let fewer = 1.0 - bytes / BYTES_BEFORE;
        bars.add(
            "bytes in the file per decided elevation, fewer by",
            "1527 bytes",
            AtLeast(0.3),
            fewer,
        );
        took("file");
    }
    if choice.has(Group::Start) {
        start(&bench, extent, &filled, &mut bars).await;
        took("start");
    }
    if choice.has(Group::Approve) {
        approve(&bench, &choice, &mut bars).await;
        took("approve");
    }
    if choice.has(Group::Stores) {
        grow(&bench, extent, &filled, &mut bars).await;
        took("stores");
    }
    if choice.has(Group::Reads) {
        read(&bench, extent, &filled, &mut bars).await;
        took("reads");
    }
    bars.print();
}

/// Measures the start over the largest store, and the memory of idle servers.
async fn start(bench: &Bench, extent: Extent, filled: &[Filled], bars: &mut Bars) {
    let largest = Volume::Ended(extent.ended[1]);
    let store = store_of(filled, largest);
    let mut times = Vec::new();
    let mut memory = 0.0;
    for _ in 0..extent.starts {
        let folder = bench.new_folder();
        Tokens::write(&folder);
        let (server, seconds) = Server::start_time(&folder, &store.place).await;
        times.push(seconds);
        sleep(IDLE).await;
        memory = machine::resident(server.id());
    }
    let folder = bench.new_folder();
    Tokens::write(&folder);
    let place = bench.new_store(Backend::Sqlite).await;
    let (empty, _) = Server::start_time(&folder, &place).await;
    sleep(IDLE).await;
    let idle = machine::resident(empty.id());
    let name = largest.name();
    println!("Idle memory in MiB: {idle:.1} over an empty store, {memory:.1} with {name}\n");
    bars.add(
        &format!("start with {name}, s"),
        "not measured",
        AtMost(1.0),
        median(times),
    );
    bars.add("idle memory, MiB", "10 to 16", AtMost(20.0), idle);
}

/// Measures approvals and their references.
async fn approve(bench: &Bench, choice: &Choice, bars: &mut Bars) {
    let extent = choice.extent;
    let bare = bench.reference(&["bare"]).await;
    let tonic = bench.reference(&["tonic"]).await;
    let adapter = bench.reference(&["adapter"]).await;
    let sqlite = bench
        .target(&countersign(), Backend::Sqlite, extent.pending)
        .await;
    let postgres = bench
        .target(&countersign(), Backend::Postgres, extent.pending)
        .await;
    let mut earlier = Vec::new();
    if let Some(program) = &choice.before {
        for backend in [Backend::Sqlite, Backend::Postgres] {
            earlier.push((
                backend,
                bench.target(program, backend, extent.pending).await,
            ));
        }
    }
    let (points, many) = (&extent.points, &extent.points[2..]);
    let mut subjects = vec![
        Subject::new(BARE, BARE, points, |point| {
            bench.bare(&bare, Call::RestApprove, point)
        }),
        Subject::new("the same, by h2load", BARE, many, |point| {
            bench.bare_by_h2load(&bare, point)
        }),
        Subject::new(TONIC, TONIC, points, |point| {
            bench.bare(&tonic, Call::Approve, point)
        }),
        Subject::new("REST dialect over nothing", BARE, many, |point| {
            bench.bare(&adapter, Call::RestApprove, point)
        }),
    ];
    subjects.extend(over(bench, points, &sqlite, Backend::Sqlite));
    subjects.extend(over(bench, points, &postgres, Backend::Postgres));
    subjects.push(Subject::new(PGBENCH, BARE, points, |point| {
        bench.pgbench(bench.postgres.as_ref().unwrap(), point)
    }));
    for (backend, target) in &earlier {
        for (call, bare) in [(Call::RestApprove, BARE), (Call::Approve, TONIC)] {
            let name = format!("{}, before", name(call, *backend));
            let run = move |point| bench.approve(target, call, point);
            subjects.push(Subject::new(&name, bare, points, run));
        }
    }
    let medians = Medians::measure(extent, &subjects);
    medians.print("Approvals");
    threads(&medians);
    approve_bars(&medians, bars);
}

/// Returns the subjects with one store.
fn over<'a>(
    bench: &'a Bench,
    points: &[Point],
    target: &'a Target,
    backend: Backend,
) -> [Subject<'a>; 3] {
    let approve = |call| move |point| bench.approve(target, call, point);
    let commit =
        move |point| block_in_place(|| Handle::current().block_on(bench.commit(backend, point)));
    let (rest, grpc) = (Call::RestApprove, Call::Approve);
    [
        Subject::new(&name(rest, backend), BARE, points, approve(rest)),
        Subject::new(&name(grpc, backend), TONIC, points, approve(grpc)),
        Subject::new(
            &format!("the store alone, {}", backend.name()),
            BARE,
            &points[2..],
            commit,
        ),
    ]
}

/// Returns the name of the row of an approval.
fn name(call: Call, backend: Backend) -> String {
    let dialect = if call.is_grpc() { "gRPC" } else { "REST" };
    format!("{dialect} approve, {}", backend.name())
}

/// Prints where the CPU time of an approval goes, before the work and after it.
fn threads(medians: &Medians) {
    let mut columns = Vec::new();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        for call in [Call::RestApprove, Call::Approve] {
            let name = name(call, backend);
            for name in [format!("{name}, before"), name] {
                columns.push(name);
            }
        }
    }
    let columns: Vec<_> = columns
        .iter()
        .filter_map(|name| Some((name.as_str(), medians.get(name, 64)?)))
        .collect();
    print_threads(&columns);
}

fn approve_bars(medians: &Medians, bars: &mut Bars) {
    let run = |name: &str, connections| medians.get(name, connections).unwrap();
    let rest = name(Call::RestApprove, Backend::Sqlite);
    let of = |name: &str, bare: &str, connections| {
        run(name, connections).rate / run(bare, connections).rate
    };
    for (connections, before, bar) in [(64, "0.135", 0.3), (16, "0.095", 0.2), (1, "0.07", 0.1)] {
        let title = format!("{rest}, over {connections}, of bare axum");
        bars.add(&title, before, AtLeast(bar), of(&rest, BARE, connections));
    }
    bars.add(
        "its CPU at 64 connections, µs",
        "100",
        AtMost(42.0),
        run(&rest, 64).cost,
    );
    bars.add(
        "its p99 at 64 connections, ms",
        "13.8",
        AtMost(8.0),
        run(&rest, 64).p99 / 1e3,
    );
    let grpc = name(Call::Approve, Backend::Sqlite);
    let title = format!("{grpc}, 64 connections, of bare tonic");
    bars.add(&title, "0.17", AtLeast(0.38), of(&grpc, TONIC, 64));
    let postgres = name(Call::RestApprove, Backend::Postgres);
    let title = format!("{postgres}, 64 connections, of pgbench");
    bars.add(&title, "0.41", AtLeast(1.15), of(&postgres, PGBENCH, 64));
}

/// Measures the same approval over larger and larger stores.
async fn grow(bench: &Bench, extent: Extent, filled: &[Filled], bars: &mut Bars) {
    let bare = bench.reference(&["bare"]).await;
    let points = &extent.points[2..];
    let mut targets = Vec::new();
    for store in filled {
        targets.push((row(store.volume), bench.filled(store).await));
    }
    let mut subjects = vec![Subject::new(BARE, BARE, points, |point| {
        bench.bare(&bare, Call::RestApprove, point)
    })];
    subjects.extend(targets.iter().map(|(name, target)| {
        Subject::new(name, BARE, points, |point| {
            bench.approve(target, Call::RestApprove, point)
        })
    }));
    let medians = Medians::measure(extent, &subjects);
    medians.print("With more elevations stored");
    let cost = |volume| medians.get(&row(volume), 64).unwrap().cost;
    let [million, largest] = extent.ended.map(Volume::Ended);
    let spread = Volume::Spread(extent.spread);
    for (volume, before, bar) in [
        (million, "not measured", 1.1),
        (largest, "not measured", 1.2),
        (spread, "1.5 to 1.9", 1.35),
    ] {
        let title = format!("{}, CPU of an approval over none", volume.name());
        let ratio = cost(volume) / cost(Volume::Ended(0));
        bars.add(&title, before, AtMost(bar), ratio);
    }
}

/// Returns the name of the row of a store. All of them have the same number of pending approvals in addition.
fn row(volume: Volume) -> String {
    format!("REST approve, SQLite, {}", volume.name())
}

/// Measures lists and one approval over the store with a million ended elevations.
async fn read(bench: &Bench, extent: Extent, filled: &[Filled], bars: &mut Bars) {
    let target = bench
        .filled(store_of(filled, Volume::Ended(extent.ended[0])))
        .await;
    let answers = bench.path();
    target.answers(&answers).await;
    let tonic = bench
        .reference(&["tonic", "--answers", &answers.display().to_string()])
        .await;
    let (connections, requests) = extent.many();
    let (one, page) = ([(connections, requests)], [(connections, requests / 4)]);
    let reads = [
        (Call::ListApprovals, "first page of pending approvals", page),
        (Call::ListElevations, "first page of own elevations", page),
        (Call::GetApproval, "GetApproval", one),
    ];
    let bares = reads.map(|(_, name, _)| format!("bare tonic, the same message: {name}"));
    let mut subjects = Vec::new();
    for ((call, name, points), bare) in reads.iter().zip(&bares) {
        let (target, tonic) = (&target, &tonic);
        subjects.push(Subject::new(
            bare,
            bare,
            points,
            move |(connections, requests)| bench.bare(tonic, *call, (connections, requests / 4)),
        ));
        subjects.push(Subject::new(name, bare, points, move |point| {
            bench.read(target, *call, point)
        }));
    }
    let medians = Medians::measure(extent, &subjects);
    medians.print("Reads, with a million ended and 10,000 pending");
    for ((_, name, _), bare) in reads.iter().zip(&bares) {
        let of = medians.get(name, connections).unwrap().rate
            / medians.get(bare, connections).unwrap().rate;
        bars.add(
            &format!("{name}, of bare tonic"),
            "not measured",
            AtLeast(0.35),
            of,
        );
    }
}

fn store_of(filled: &[Filled], volume: Volume) -> &Filled {
    filled
        .iter()
        .find(|store| store.volume == volume)
        .expect("the group has its store")
}

/// Watches the server under REST approvals with perf, and prints where it spends its time.
pub async fn profile() {
    let bench = Bench::new(false).await;
    let (connections, requests) = (64, 32_000);
    let sqlite = bench
        .target(&countersign(), Backend::Sqlite, 2 * requests)
        .await;
    // Warms up.
    bench.approve(&sqlite, Call::RestApprove, (connections, requests));
    let data = bench.path();
    let server = sqlite.servers[0].id();
    // Filed before perf starts.
    bench.file(&sqlite, requests);
    let mut sqlite = sqlite;
    sqlite.is_prepared = true;
    let mut perf = Command::new("perf");
    perf.args(["record", "--quiet", "--event", "cpu-clock"])
        .args(["--freq", "1999", "--pid", &server.to_string()])
        .arg("--output")
        .arg(&data);
    let mut perf = perf.spawn().unwrap();
    bench.approve(&sqlite, Call::RestApprove, (connections, requests));
    drop(sqlite);
    perf.wait().unwrap();
    print_report(&data);
}

fn print_report(data: &Path) {
    for by in ["comm,dso", "comm,symbol"] {
        let mut report = Command::new("perf");
        report
            .args(["report", "--stdio", "--percent-limit", "0.5"])
            .args(["--sort", by, "--input"])
            .arg(data);
        println!("{}", succeed(&mut report));
    }
}

const BARE: &str = "bare axum handler";
const TONIC: &str = "bare tonic call";
const PGBENCH: &str = "pgbench, one row";

/// Bytes in the file per decided elevation, in the same measurement with the tables and indexes before.
const BYTES_BEFORE: f64 = 1_527.0;
/// Time after which a server is idle.
const IDLE: Duration = Duration::from_secs(2);
