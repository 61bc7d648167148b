//! Measures the figures of `docs/performance.md`. `.ci/measure` installs missing tools and runs this
//! program; `.ci/measure --quick` is a small run that shows that it works.
//!
//! **Subjects.** The release build of `countersign serve`, started as an operator starts it, with
//! its log in a file; approve over REST and over gRPC, on SQLite and on PostgreSQL, each request
//! another pending approval, in the order of their filing. In addition, in separate processes: an
//! axum handler that answers everything with an empty 200, to which all other figures are ratios;
//! the REST dialect over a service that answers at once, on plain `axum::serve`, without our edge,
//! limits and authentication; each store alone, with callers who each wait for their own commit of
//! an approval that is decided already; and pgbench, which updates one row in each transaction.
//! PostgreSQL is one of our own, in a temporary folder, with `fsync` and its other settings as they
//! come. Then approve once more, over 64 connections, with ever more elevations stored, over which
//! those that are approved are spread evenly.
//!
//! **How.** All subjects take turns, in three rounds; a figure is the median of the rounds.
//! `requests/s` is from the first request to the last answer, `p50` and `p99` are of single
//! requests as the client saw them. `CPU` is what the process of the server used, in user and
//! kernel mode, by `/proc/PID/stat`, and so without the client; for a store alone it is the whole
//! process, callers included. The CPU of PostgreSQL is in the next column, and `of bare` adds both.
//! `others` is the number of processors that other processes kept busy, from `/proc/stat`. Clients
//! and servers share the machine: compare ratios, and CPU before rates. Over one connection most of
//! the CPU is going to sleep and waking up.
//!
//! **The clients** are our own (`load`): one process and one thread, a connection each, requests
//! made beforehand, the next one sent after the answer to the last. h2load cannot do this: over
//! several connections each of them sends the same addresses in the same order, and a file of data
//! is one body for all requests, which rules gRPC out altogether. Where it can, over one connection
//! and at the bare handler, h2load is a subject too, as a check of our clients. They write h2load's
//! form of log.
//!
//! `.ci/measure profile` shows where the time goes; its results are in `docs/performance.md` too.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench that cannot go on has failed, and prints"
)]

mod commit;
mod figures;
mod load;
mod machine;
mod measure;
mod parts;
mod pgbench;
#[allow(dead_code, reason = "shared with the tests, which do more with it")]
#[path = "../../tests/it/postgres.rs"]
mod postgres;
mod reference;
mod seed;
mod server;

use clap::{Parser, Subcommand};
use measure::Extent;

/// Measures the server and its references, and prints tables.
#[derive(Parser)]
struct Cli {
    /// Added by cargo.
    #[arg(long, hide = true, global = true)]
    bench: bool,
    /// A small run, to see that everything works; its figures say nothing.
    #[arg(long)]
    quick: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What the bench starts as a process of its own, and the profile.
#[derive(Subcommand)]
enum Part {
    /// The REST dialect over a service that does nothing.
    Adapter,
    /// The least that axum can answer.
    Bare,
    /// The store alone.
    Commit(commit::Commits),
    /// The clients.
    Load(load::Load),
    /// Where the server spends its time under REST approves, by perf; for a build with symbols.
    Profile,
}

fn main() {
    let cli = Cli::parse();
    match cli.part {
        None => in_many_threads(measure::run(if cli.quick {
            Extent::QUICK
        } else {
            Extent::WHOLE
        })),
        Some(Part::Adapter) => in_many_threads(reference::adapter()),
        Some(Part::Bare) => in_many_threads(reference::bare()),
        Some(Part::Commit(commits)) => in_many_threads(commit::run(commits)),
        Some(Part::Load(load)) => in_one_thread(load::run(load)),
        Some(Part::Profile) => in_many_threads(measure::profile()),
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
