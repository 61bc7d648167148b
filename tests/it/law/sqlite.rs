//! SQLite as a backend, and what only it promises.

use std::future::ready;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use countersign::domain::error::Kind;
use countersign::domain::version::Version;
use countersign::store::sqlite::SqliteStore;
use countersign::store::{Change, Commit, Key, Store};
use countersign::telemetry::metrics::StoreMetrics;
use rusqlite::Connection;
use tempfile::TempDir;

use super::Backend;
use super::history::{
    History, ROLE, approved_by, at, both, committed, filing, moved_by, read, record, rejected_by,
    role_change, sams_role,
};
use crate::kit::SAM;

/// A file in a folder of its own.
pub struct File(TempDir);

impl File {
    fn path(&self) -> PathBuf {
        self.0.path().join("countersign.db")
    }

    /// A connection past the store.
    fn connect(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

impl Backend for File {
    async fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.path(), StoreMetrics::default()).unwrap())
    }
}

#[tokio::test]
async fn a_file_is_opened_once_at_a_time_by_whatever_name() {
    let file = File::empty().await;
    let store = file.open().await;
    let link = file.0.path().join("link.db");
    std::os::unix::fs::symlink(file.path(), &link).unwrap();
    for path in [file.path(), link] {
        let cause = SqliteStore::open(&path, StoreMetrics::default())
            .unwrap_err()
            .cause
            .unwrap()
            .to_string();
        assert!(
            cause.starts_with("another process has the store open"),
            "{cause}"
        );
    }
    committed(&store, History::filed(1).change()).await;
    drop(store);
    file.open().await;
}

/// Without SQLite's own lock another program that looks into the file would take itself for the last user, and delete the
/// log that commits are in.
#[tokio::test]
async fn sqlite_holds_its_lock_for_as_long_as_the_store_is_open() {
    let file = File::empty().await;
    let store = file.open().await;
    for number in 1..=300 {
        committed(&store, History::filed(number).change()).await;
        read(&store, &History::filed(number)).await.unwrap();
    }
    let inode = std::fs::metadata(file.path()).unwrap().ino();
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    assert!(
        locks
            .lines()
            .any(|lock| lock.contains("POSIX") && lock.contains(&format!(":{inode} "))),
        "{locks}"
    );
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let file = File::empty().await;
    let store = file.open().await;
    committed(&store, History::filed(1).change()).await;
    drop(store);
    let newer: i64 = 99;
    file.connect()
        .pragma_update(None, "user_version", newer)
        .unwrap();
    let cause = SqliteStore::open(&file.path(), StoreMetrics::default())
        .unwrap_err()
        .cause
        .unwrap()
        .to_string();
    assert_eq!(
        cause,
        "the store was written by a newer version of Countersign"
    );
    let version: i64 = file
        .connect()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, newer);
}

/// The writer is held up until all changes are queued, so that it finds them in one group.
#[tokio::test]
async fn a_group_with_a_change_that_cannot_be_written_is_written_one_by_one() {
    let file = File::empty().await;
    let store = file.open().await;
    committed(&store, History::filed(1).change()).await;
    let taken = History::of(4, at(0), filing(1));
    let good = [2, 3, 5, 6].map(History::filed);
    let changes = [&good[0], &good[1], &taken, &good[2], &good[3]].map(History::change);

    let other = file.connect();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut commits = changes.map(|change| store.commit(change));
    for commit in &mut commits {
        tokio::select! {
            biased;
            answer = commit => panic!("somebody else is writing, yet: {answer:?}"),
            () = ready(()) => {}
        }
    }
    other.execute_batch("ROLLBACK").unwrap();

    let mut sequences = Vec::new();
    for commit in commits {
        sequences.push(commit.await.ok());
    }
    let at = |sequence| Some(Commit::Committed { sequence });
    assert_eq!(sequences, [at(2), at(3), None, at(4), at(5)]);
    assert_eq!(record(&store).await.len(), 5);
    assert!(read(&store, &taken).await.is_none());
}

/// The writer is held up, so that nothing leaves the queue but the group that it holds.
#[tokio::test]
async fn a_queue_that_is_full_refuses_at_once_and_loses_nothing_that_it_took() {
    let file = File::empty().await;
    let store = file.open().await;
    let other = file.connect();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut taken = 0;
    let refusal = loop {
        tokio::select! {
            biased;
            answer = store.commit(History::filed(taken + 1).change()) => break answer.unwrap_err(),
            () = ready(()) => taken += 1,
        }
        assert!(taken < 10_000, "the queue has no end");
    };
    assert_eq!(refusal.kind, Kind::Overloaded);
    other.execute_batch("ROLLBACK").unwrap();
    drop(store);
    assert_eq!(record(&file.open().await).await.len() as u128, taken);
}

#[tokio::test]
async fn readers_and_the_writer_do_not_wait_for_each_other() {
    let file = File::empty().await;
    let store = file.open().await;
    let other = file.connect();
    committed(&store, History::filed(1).change()).await;

    other
        .execute_batch("BEGIN; SELECT * FROM elevation")
        .unwrap();
    committed(&store, History::filed(2).change()).await;
    other
        .execute_batch("COMMIT; BEGIN IMMEDIATE; UPDATE elevation SET version = 9")
        .unwrap();
    assert_eq!(
        read(&store, &History::filed(2))
            .await
            .unwrap()
            .elevation
            .version
            .0,
        1
    );
}

/// Decisions read from memory. Another program writes into the file, which it must not, and the commit finds out.
#[tokio::test]
async fn what_is_in_memory_never_decides_against_the_file() {
    let file = File::empty().await;
    let store = file.open().await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    let [filed, other] = [1, 2].map(History::filed);
    committed(&store, filed.change()).await;
    committed(&store, other.change()).await;
    let foreign = file.connect();
    foreign
        .execute("UPDATE elevation SET version = 9", [])
        .unwrap();
    assert_eq!(version(&store, &filed).await, 1, "it is read from memory");
    let approved = filed.then(at(60), [approved_by(SAM)]).change();
    assert_eq!(store.commit(approved).await.unwrap(), Commit::Conflict);
    assert_eq!(version(&store, &filed).await, 9, "it is read from the file");
    assert_eq!(version(&store, &other).await, 1);

    // The same with the role, which a decision relies on.
    foreign.execute("UPDATE role SET version = 9", []).unwrap();
    let rejected = other.then(at(60), [rejected_by(SAM)]).change();
    let relying = Change {
        expects: [rejected.expects, vec![(Key::Role(ROLE), Version(1))]].concat(),
        ..rejected
    };
    assert_eq!(store.commit(relying).await.unwrap(), Commit::Conflict);
    let found = read(&store, &other).await.unwrap();
    assert_eq!(found.role.unwrap().version, Version(9));
}

/// A change is rolled back after its first record was written. Memory holds the record of before, also after a restart.
#[tokio::test]
async fn what_was_rolled_back_is_not_in_memory() {
    let file = File::empty().await;
    let store = file.open().await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    let filed = History::filed(1);
    let half = filed.then(at(60), [moved_by(SAM, 0, 1)]);
    committed(&store, filed.change()).await;
    let taken = History::of(2, at(0), filing(1));
    let refused = store.commit(both(half.change(), taken.change())).await;
    assert_eq!(refused.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(version(&store, &filed).await, 1);
    assert!(read(&store, &taken).await.is_none());
    committed(&store, half.change()).await;
    assert_eq!(version(&store, &filed).await, 2);
    drop(store);
    assert_eq!(version(&file.open().await, &filed).await, 2);
}

async fn version(store: &Arc<dyn Store>, history: &History) -> u64 {
    read(store, history).await.unwrap().elevation.version.0
}
