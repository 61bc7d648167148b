//! The measurement: all subjects in turns.

use std::process::Command;

use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::figures::{Run, Table};
use super::load::Dialect;
use super::parts::{Approvals, Backend, Bench, succeed};

/// How much to measure.
#[derive(Clone, Copy)]
pub struct Extent {
    rounds: usize,
    /// Connections, and how many requests over them in a round.
    points: [Point; 3],
    /// The numbers of elevations that are stored in addition to the approved ones.
    volumes: &'static [usize],
}

/// Connections, and how many requests over them.
pub type Point = (usize, usize);

impl Extent {
    pub const QUICK: Self = Self {
        rounds: 1,
        points: [(1, 200), (16, 800), (64, 3_200)],
        volumes: &[1_000],
    };
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

/// Something to measure.
struct Subject<'a> {
    name: String,
    points: &'a [Point],
    /// Measures it at one point.
    run: Box<dyn Fn(Point) -> Run + 'a>,
}

/// Measures everything and prints it.
pub async fn run(extent: Extent) {
    let bench = Bench::new().await;
    compare(&bench, extent).await;
    grow(&bench, extent).await;
}

/// Measures the server and its references.
async fn compare(bench: &Bench, extent: Extent) {
    let (bare, adapter) = (
        bench.reference("bare").await,
        bench.reference("adapter").await,
    );
    let points = &extent.points;
    let count = 2 * extent.requests(points) + extent.requests(&points[..1]);
    let sqlite = bench.approvals(Backend::Sqlite, count, count).await;
    let postgres = bench.approvals(Backend::Postgres, count, count).await;
    let mut subjects = vec![
        subject("bare axum handler", points, |point| {
            bench.bare(&bare, point)
        }),
        subject("the same, by h2load", points, |point| {
            bench.bare_by_h2load(&bare, point)
        }),
        subject("REST dialect over nothing", points, |point| {
            bench.bare(&adapter, point)
        }),
    ];
    subjects.extend(over("SQLite", bench, points, &sqlite, Backend::Sqlite));
    subjects.extend(over(
        "PostgreSQL",
        bench,
        points,
        &postgres,
        Backend::Postgres,
    ));
    subjects.push(subject("pgbench, one row", points, |point| {
        bench.pgbench(point)
    }));
    rounds(extent, &subjects).print();
}

/// Returns the subjects with one store.
fn over<'a>(
    name: &str,
    bench: &'a Bench,
    points: &'a [Point],
    approvals: &'a Approvals,
    backend: Backend,
) -> [Subject<'a>; 4] {
    let approve = |dialect| move |point| bench.approve(approvals, dialect, point);
    let commit =
        move |point| block_in_place(|| Handle::current().block_on(bench.commit(backend, point)));
    [
        subject(
            &format!("REST approve, {name}"),
            points,
            approve(Dialect::Rest),
        ),
        subject("the same, by h2load", &points[..1], |point| {
            bench.approve_by_h2load(approvals, point)
        }),
        subject(
            &format!("gRPC approve, {name}"),
            points,
            approve(Dialect::Grpc),
        ),
        subject(&format!("the store alone, {name}"), points, commit),
    ]
}

fn subject<'a>(name: &str, points: &'a [Point], run: impl Fn(Point) -> Run + 'a) -> Subject<'a> {
    Subject {
        name: name.to_owned(),
        points,
        run: Box::new(run),
    }
}

/// The same approve over ever more stored elevations.
async fn grow(bench: &Bench, extent: Extent) {
    let bare = bench.reference("bare").await;
    let points = &extent.points[2..];
    let count = extent.requests(points);
    let mut stores = Vec::new();
    for (name, backend) in [
        ("SQLite", Backend::Sqlite),
        ("PostgreSQL", Backend::Postgres),
    ] {
        for volume in extent.volumes {
            let name = format!("REST approve, {name}, {volume} more stored");
            stores.push((name, bench.approvals(backend, volume + count, count).await));
        }
    }
    let mut subjects = vec![subject("bare axum handler", points, |point| {
        bench.bare(&bare, point)
    })];
    subjects.extend(stores.iter().map(|(name, approvals)| {
        subject(name, points, |point| {
            bench.approve(approvals, Dialect::Rest, point)
        })
    }));
    rounds(extent, &subjects).print();
}

/// Measures all subjects in turns, the first of which the others are compared with.
fn rounds(extent: Extent, subjects: &[Subject<'_>]) -> Table {
    let places: Vec<(&Subject<'_>, Point)> = subjects
        .iter()
        .flat_map(|subject| subject.points.iter().map(move |point| (subject, *point)))
        .collect();
    let mut runs: Vec<Vec<Run>> = places.iter().map(|_| Vec::new()).collect();
    for round in 1..=extent.rounds {
        for ((subject, point), runs) in places.iter().zip(&mut runs) {
            eprintln!("round {round}: {}, {}", subject.name, point.0);
            runs.push((subject.run)(*point));
        }
    }
    let medians: Vec<Run> = runs.iter().map(|runs| Run::median(runs)).collect();
    let mut table = Table::new();
    for ((subject, (connections, _)), run) in places.iter().zip(&medians) {
        let bare = places
            .iter()
            .position(|(_, (of_bare, _))| of_bare == connections)
            .unwrap();
        table.row(&subject.name, *connections, run, &medians[bare]);
    }
    table
}

/// Watches the server under REST approves with perf, and prints where it spends its time.
pub async fn profile() {
    let bench = Bench::new().await;
    let (connections, requests) = Extent::WHOLE.points[2];
    let sqlite = bench
        .approvals(Backend::Sqlite, 2 * requests, 2 * requests)
        .await;
    // What happens but once is over.
    bench.approve(&sqlite, Dialect::Rest, (connections, requests));
    let data = bench.path();
    let mut perf = Command::new("perf");
    perf.args([
        "record",
        "--quiet",
        "--event",
        "cpu-clock",
        "--freq",
        "1999",
        "--output",
    ])
    .arg(&data);
    let mut perf = perf
        .args(["--pid", &sqlite.server.id().to_string()])
        .spawn()
        .unwrap();
    bench.approve(&sqlite, Dialect::Rest, (connections, requests));
    drop(sqlite);
    perf.wait().unwrap();
    for by in ["comm,dso", "comm,symbol"] {
        let mut report = Command::new("perf");
        report
            .args([
                "report",
                "--stdio",
                "--percent-limit",
                "0.5",
                "--sort",
                by,
                "--input",
            ])
            .arg(&data);
        println!("{}", succeed(&mut report));
    }
}
