//! The store alone: commits approvals that are already decided. Each caller waits for its commit before the next one.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use countersign::store::Change;
use countersign::time::Stopwatch;
use tokio::task::JoinSet;

use super::figures::Times;
use super::load::Started;
use super::seed::Seed;
use super::server::open;

/// The commits to make.
#[derive(Args)]
pub struct Commits {
    /// The path or URL of a new store.
    #[arg(long)]
    pub store: String,
    #[arg(long)]
    pub callers: usize,
    #[arg(long)]
    pub count: usize,
    /// File to write the times to.
    #[arg(long)]
    pub log: PathBuf,
}

/// Makes all commits.
pub async fn run(commits: Commits) {
    let seed = Arc::new(Seed::new(open(&commits.store).await).await);
    let pending = seed.file_pending(commits.count).await;
    let changes: Vec<Change> = pending
        .into_iter()
        .map(|elevation| seed.approval(elevation))
        .collect();
    let started = Started::now();
    let mut running = JoinSet::new();
    for number in 0..commits.callers {
        let share = changes
            .iter()
            .skip(number)
            .step_by(commits.callers)
            .cloned()
            .collect();
        running.spawn(caller(seed.clone(), share, started.watch));
    }
    let times = running.join_all().await.concat();
    started.write(&times, &commits.log);
}

async fn caller(seed: Arc<Seed>, changes: Vec<Change>, watch: Stopwatch) -> Vec<Times> {
    let now = || watch.elapsed().as_secs_f64() * 1e6;
    let mut times = Vec::new();
    for change in changes {
        let began = now();
        seed.commit(change).await;
        times.push(Times {
            began,
            ended: now(),
        });
    }
    times
}
