//! Stores that are filled before anything is measured.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use countersign::domain::elevation::Elevation;
use countersign::domain::event::Subject;
use countersign::domain::id::ElevationId;
use countersign::record::Head;
use countersign::store::{ElevationKey, Store};
use countersign::time::Stopwatch;

use super::parts::{Backend, Bench, succeed};
use super::rounds::Extent;
use super::seed::Seed;
use super::server::{Tokens, countersign, open};

/// The contents of a store besides the elevations that a run files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Volume {
    /// This number of elevations that have ended, next to some that are pending.
    Ended(usize),
    /// This number of pending elevations. Those that a run approves are spread evenly over all of them.
    Spread(usize),
}

impl Volume {
    /// Returns the name of the volume, for a row.
    pub fn name(self) -> String {
        match self {
            Self::Ended(count) => format!("{count} ended"),
            Self::Spread(count) => format!("{count} pending, spread (worst case)"),
        }
    }
}

/// A store that was filled.
pub struct Filled {
    pub volume: Volume,
    /// The path.
    pub place: String,
    /// The ids of pending approvals: all of them, or those to approve if they are spread.
    pub ids: Vec<String>,
}

/// Fills new stores at the same time. Returns them in the order of their volumes.
pub async fn fill(bench: &Bench, extent: Extent, volumes: &[Volume]) -> Vec<Filled> {
    let mut filling = Vec::new();
    for volume in volumes.iter().copied() {
        let place = bench.new_store(Backend::Sqlite).await;
        filling.push(tokio::spawn(async move {
            let ids = fill_one(extent, volume, &place).await;
            Filled { volume, place, ids }
        }));
    }
    let mut filled = Vec::new();
    for task in filling {
        let store = task.await.unwrap();
        check(&bench.new_folder(), &store.place);
        filled.push(store);
    }
    filled
}

async fn fill_one(extent: Extent, volume: Volume, place: &str) -> Vec<String> {
    let watch = Stopwatch::start();
    let store = open(place).await;
    let seed = Seed::new(store.clone()).await;
    let ids = match volume {
        Volume::Ended(count) => {
            seed.end(count).await;
            seed.file(extent.pending, extent.pending).await
        }
        Volume::Spread(count) => seed.file(count, extent.approved()).await,
    };
    drop(seed);
    let seconds = watch.elapsed().as_secs_f64();
    let has_history = matches!(volume, Volume::Ended(count) if count > MAX_VERIFIED);
    let events = if has_history {
        "not verified".to_owned()
    } else {
        format!("{} events verified", verify(store.as_ref()).await)
    };
    close(store);
    let all = watch.elapsed().as_secs_f64();
    let name = volume.name();
    eprintln!("{name}: filled in {seconds:.0} s; {events}; {all:.0} s in all");
    ids
}

/// Follows the chain of hashes over the whole record, and compares the last elevation of each page with its events.
/// Returns the number of events.
async fn verify(store: &dyn Store) -> u64 {
    let first = store.events(0, 1).await.unwrap().remove(0);
    let mut head = Head {
        sequence: first.sequence,
        hash: first.hash(),
    };
    loop {
        let events = store.events(head.sequence, PAGE).await.unwrap();
        if events.is_empty() {
            return head.sequence;
        }
        for envelope in &events {
            head.follow(envelope).unwrap();
        }
        if let Subject::Elevation(id) = events[events.len() - 1].event().unwrap().subject {
            compare(store, id).await;
        }
    }
}

/// Fails unless an elevation is the result of its events.
async fn compare(store: &dyn Store, id: ElevationId) {
    let mut replayed = None;
    for envelope in store.events_of(id).await.unwrap() {
        let event = envelope.event().unwrap();
        replayed = Some(Elevation::apply(replayed, &event).unwrap());
    }
    let read = store.elevation(ElevationKey::Elevation(id)).await.unwrap();
    assert_eq!(replayed, read.map(|read| read.elevation.value));
}

/// Waits until a store is closed, so that its log is in its file.
fn close(store: Arc<dyn Store>) {
    assert_eq!(Arc::strong_count(&store), 1, "nothing else uses the store");
    drop(store);
}

/// Has the server's own checks accept a store. They read the end of its record, and a
/// small store in full.
fn check(folder: &Path, store: &str) {
    Tokens::write(folder);
    let mut command = Command::new(countersign());
    command
        .args(["check-config", "--listen", "127.0.0.1:0", "--store", store])
        .arg("--data-dir")
        .arg(folder);
    succeed(&mut command);
}

/// Returns the bytes in the file per elevation that was filed and approved, each in a commit of its own. The store is
/// closed, so the log is part of the file.
pub async fn bytes_per_decided(path: &Path, count: usize) -> f64 {
    let store = path.display().to_string();
    let empty = {
        let opened = open(&store).await;
        drop(Seed::new(opened.clone()).await);
        close(opened);
        fs::metadata(path).unwrap().len()
    };
    let opened = open(&store).await;
    let seed = Seed::new(opened.clone()).await;
    let filed = seed.file_pending(count).await;
    seed.approve(&filed).await;
    drop(seed);
    close(opened);
    (fs::metadata(path).unwrap().len() - empty) as f64 / count as f64
}

/// Largest history whose chain is followed. A larger one would double the time of the run.
const MAX_VERIFIED: usize = 1_000_000;
const PAGE: u32 = 1_000;
