//! Measures the figures of `docs/performance.md`. `.ci/measure` installs missing tools and runs this
//! program; `.ci/measure --quick` is a small run that shows that it works.
//!
//! **Subjects.** The release build of `countersign serve`, started like an operator starts it, with
//! its log in a file: approvals over REST and gRPC on SQLite and PostgreSQL, and reads. References run in
//! processes of their own: an axum handler that answers everything with an empty 200; a tonic call
//! that answers with an empty or a ready message; the REST dialect over a service that does nothing; each
//! store alone, with callers who each wait for their own commit; and pgbench, which updates one row in
//! each transaction. PostgreSQL runs in a temporary folder with its default settings, so `fsync` is on.
//!
//! **Stores.** 10,000 approvals are pending at all times. Before a run as many elevations are filed
//! over gRPC as the run approves, and the run approves the oldest ones. Larger stores are filled by
//! the project's own store, from changes that `decide` returned: histories of elevations that were
//! rejected, and a million pending elevations over which approvals are spread, the worst case.
//!
//! **How.** All subjects take turns, once to warm up and then in five rounds, every other one
//! backwards. A figure is the median of the rounds. `requests/s` is from the first request to the
//! last answer. `p50` and `p99` are of single requests as the client saw them. `CPU` is the time of
//! all threads of the server in user and kernel mode, from `/proc/PID/task/*/schedstat`, without the
//! client. For a store alone it is the whole process, including callers. The CPU of PostgreSQL is in
//! the next column, and `CPU of bare` adds both. `others` is the number of processors that other
//! processes kept busy, from `/proc/stat`. Clients and servers share the machine: compare ratios, and
//! CPU before rates. Over one connection most of the CPU is going to sleep and waking up.
//!
//! **The clients** are our own (`load`): one process and one thread, a connection each, requests
//! made before the clock starts, the next one sent after the answer to the last. h2load cannot do
//! this. Over several connections each of them sends the same addresses in the same order, and a file
//! of data is one body for all requests, which rules gRPC out. At the bare handler h2load is a
//! subject too, to check our clients. They write h2load's form of log.
//!
//! `.ci/measure profile` shows where the time goes, and `.ci/measure peers` compares with proxies
//! that only translate REST to gRPC.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench that cannot go on has failed, and prints"
)]

mod bars;
mod calls;
mod commit;
mod figures;
mod load;
mod machine;
mod measure;
mod parts;
mod peers;
mod pgbench;
#[allow(dead_code, reason = "shared with the tests, which do more with it")]
#[path = "../../tests/it/postgres.rs"]
mod postgres;
mod reference;
mod rounds;
mod seed;
mod server;
mod stores;
mod target;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use measure::{Choice, Group};
use rounds::Extent;

/// Measures the server and its references, and prints tables.
#[derive(Parser)]
struct Cli {
    /// Added by cargo.
    #[arg(long, hide = true, global = true)]
    bench: bool,
    /// A small run that shows that everything works. Its figures mean nothing.
    #[arg(long, global = true)]
    quick: bool,
    /// Groups of rows to measure [default: all].
    #[arg(long, value_delimiter = ',')]
    only: Vec<Group>,
    /// Another build of the server, to measure in the same rounds.
    #[arg(long)]
    before: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The processes that the bench starts, and its other measurements.
#[derive(Subcommand)]
enum Part {
    /// The REST dialect over a service that does nothing.
    Adapter,
    /// The smallest axum handler.
    Bare,
    /// The store alone.
    Commit(commit::Commits),
    /// The clients.
    Load(load::Load),
    /// Proxies that only translate, two nodes, and a synchronous standby.
    Peers(peers::Peers),
    /// The profile of the server under REST approvals, by perf; for a build with symbols.
    Profile,
    /// The smallest tonic service.
    Tonic {
        /// Folder with the messages to answer with [default: empty messages].
        #[arg(long)]
        answers: Option<PathBuf>,
    },
}

fn main() {
    let cli = Cli::parse();
    let extent = if cli.quick {
        Extent::QUICK
    } else {
        Extent::WHOLE
    };
    match cli.part {
        None => in_many_threads(measure::run(Choice {
            extent,
            groups: cli.only,
            before: cli.before,
        })),
        Some(Part::Adapter) => in_many_threads(reference::adapter()),
        Some(Part::Bare) => in_many_threads(reference::bare()),
        Some(Part::Commit(commits)) => in_many_threads(commit::run(commits)),
        Some(Part::Load(load)) => in_one_thread(load::run(load)),
        Some(Part::Peers(peers)) => in_many_threads(peers::run(peers, extent)),
        Some(Part::Profile) => in_many_threads(measure::profile()),
        Some(Part::Tonic { answers }) => in_many_threads(reference::tonic(answers)),
    }
}

fn in_many_threads(part: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(part);
}

fn in_one_thread(part: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, part);
}
