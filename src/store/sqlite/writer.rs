//! The one thread that writes.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot, watch};

use super::checkpoint::Checkpointer;
use super::place::Files;
use super::{failed, row};
use crate::domain::error::{Error, Kind};
use crate::domain::moment::Moment;
use crate::domain::query::Snapshot;
use crate::record::{Hash, Head};
use crate::store::prepared::Prepared;
use crate::store::{Change, Commit, Record};
use crate::telemetry::metrics::{Measured, OneMore, StoreMetrics};
use crate::time::{Deadline, Stopwatch};

/// The way to the writer thread. Dropping it waits until the queue is empty and the thread has ended, since whoever opens
/// the file next reads the head once.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Waiting>,
    metrics: StoreMetrics,
    ready: watch::Receiver<bool>,
    failed: watch::Receiver<bool>,
    // Behind the queue, since fields are dropped in this order and the thread runs for as long as there is a sender.
    _running: Running,
}

impl Writer {
    /// Starts the thread on `connection`, behind the record that it holds.
    pub(super) fn start(
        path: &Path,
        connection: Connection,
        files: Arc<Files>,
        fail: Arc<watch::Sender<bool>>,
        metrics: StoreMetrics,
    ) -> Result<Self, Error> {
        let head = connection
            .query_row("SELECT sequence, hash FROM head", [], |row| {
                Ok(Head {
                    sequence: row.get(0)?,
                    hash: Hash(row.get(1)?),
                })
            })
            .map_err(failed)?;
        let (queue, changes) = mpsc::channel(LONGEST_QUEUE);
        let (set_ready, ready) = watch::channel(true);
        let failed = fail.subscribe();
        let checkpointer = Checkpointer::start(path, fail.clone())?;
        let thread = Thread {
            connection,
            checkpointer,
            files,
            head,
            metrics: metrics.clone(),
            ready: set_ready,
        };
        let running = thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || thread.run(changes, &fail))
            .map_err(Error::internal)?;
        Ok(Self {
            queue,
            metrics,
            ready,
            failed,
            _running: Running::new(running),
        })
    }

    /// Queues the change and waits until it is durable or refused.
    pub(super) async fn commit(&self, change: Change) -> Result<Commit, Error> {
        let (answer, answered) = oneshot::channel();
        let counted = OneMore::of(&self.metrics.queue);
        let _measured = (!change.is_empty()).then(|| Measured::into(&self.metrics.commit_duration));
        let prepared = Prepared::try_from(change)?;
        self.queue
            .try_send(Waiting {
                queued: Queued { prepared, answer },
                counted,
            })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::new(
                    Kind::Overloaded,
                    "Too many decisions wait to be written. Repeat in a moment.",
                ),
                mpsc::error::TrySendError::Closed(_) => {
                    Error::unavailable("the writer has stopped")
                }
            })?;
        answered
            .await
            .map_err(|_| Error::unavailable("the writer stopped before it answered"))?
    }

    /// Whether the last group went through.
    pub(super) fn ready(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }

    /// Completes when the writer has given up, or is gone.
    pub(super) async fn failed(&self) {
        let mut failed = self.failed.clone();
        // An error means that the thread is gone, which is the same.
        let _ = failed.wait_for(|failed| *failed).await;
    }
}

/// A thread that is waited for.
#[derive(Debug)]
pub(super) struct Running(Option<JoinHandle<()>>);

impl Running {
    /// Waits for the thread when this is dropped.
    pub(super) fn new(thread: JoinHandle<()>) -> Self {
        Self(Some(thread))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

struct Queued {
    prepared: Prepared,
    answer: oneshot::Sender<Result<Commit, Error>>,
}

/// A change that counts as waiting.
struct Waiting {
    queued: Queued,
    counted: OneMore,
}

impl Waiting {
    /// The change, which waits no more.
    fn begin(self) -> Queued {
        drop(self.counted);
        self.queued
    }
}

struct Thread {
    // Before the connection, which is the last one to close.
    checkpointer: Checkpointer,
    connection: Connection,
    files: Arc<Files>,
    head: Head,
    metrics: StoreMetrics,
    ready: watch::Sender<bool>,
}

/// What became of one change inside a group.
enum Written {
    Commit(Commit),
    TooLate,
}

impl Written {
    fn is_commit(&self) -> bool {
        matches!(self, Self::Commit(Commit::Committed { .. }))
    }
}

impl Thread {
    fn run(mut self, mut changes: mpsc::Receiver<Waiting>, fail: &watch::Sender<bool>) {
        while let Some(first) = changes.blocking_recv() {
            if *fail.borrow() {
                // Something else failed; whoever waits is told that the outcome is not known.
                return;
            }
            let mut group = vec![first.begin()];
            while group.len() < LARGEST_GROUP
                && let Ok(next) = changes.try_recv()
            {
                group.push(next.begin());
            }
            if let Err(error) = self.commit_and_answer(group) {
                tracing::error!(
                    cause = error.cause,
                    "the store failed; nothing more is written"
                );
                self.set_ready(false);
                fail.send_replace(true);
                return;
            }
        }
        if !*fail.borrow() {
            // The connection that closes last moves the log into the file and deletes the log. Without that the next start
            // reads the log; after a failed sync that is what has to happen.
            let _ = self
                .connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
    }

    /// Commits a group, one by one when the group as a whole cannot be. An error means that nothing is known any more
    /// about what the file holds, or that the file is no longer there.
    fn commit_and_answer(&mut self, group: Vec<Queued>) -> Result<(), Error> {
        let (prepared, answers): (Vec<_>, Vec<_>) = group
            .into_iter()
            .map(|queued| (queued.prepared, queued.answer))
            .unzip();
        let before = self.head;
        match self.commit(&prepared) {
            Ok(written) => {
                if written.iter().any(Written::is_commit) {
                    self.files.verify()?;
                }
                if self.head != before {
                    self.set_ready(true);
                }
                self.count(&prepared, &written);
                for (answer, written) in answers.into_iter().zip(written) {
                    // Whoever asked may be gone; what is written stays written.
                    let _ = answer.send(written.into());
                }
                self.checkpointer
                    .committed(prepared.len(), &self.connection)
                    .map_err(failed)
            }
            Err(error) if is_fatal(&error) => Err(failed(error)),
            Err(error) if prepared.len() == 1 => {
                self.set_ready(false);
                for answer in answers {
                    let _ = answer.send(Err(Error::unavailable(error.to_string())));
                }
                Ok(())
            }
            Err(_) => prepared
                .into_iter()
                .zip(answers)
                .try_for_each(|(prepared, answer)| {
                    self.commit_and_answer(vec![Queued { prepared, answer }])
                }),
        }
    }

    /// Counts the events that are durable now.
    fn count(&self, group: &[Prepared], written: &[Written]) {
        let changes = group
            .iter()
            .zip(written)
            .filter(|(_, written)| written.is_commit());
        for draft in changes.flat_map(|(change, _)| &change.events) {
            self.metrics.committed(&draft.event().fact);
        }
    }

    fn set_ready(&self, ready: bool) {
        self.ready
            .send_if_modified(|before| std::mem::replace(before, ready) != ready);
    }

    /// Writes a group in one transaction; the head moves only when that is committed.
    fn commit(&mut self, group: &[Prepared]) -> rusqlite::Result<Vec<Written>> {
        let watch = Stopwatch::start();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut head = self.head;
        let mut written = Vec::with_capacity(group.len());
        for change in group {
            written.push(write(&transaction, &mut head, change)?);
        }
        if head != self.head {
            transaction
                .prepare_cached("UPDATE head SET sequence = ?1, hash = ?2")?
                .execute(params![head.sequence, head.hash.0])?;
            forget_past(&transaction, group)?;
            transaction.commit()?;
            self.head = head;
            self.metrics.group(
                group.iter().filter(|change| !change.is_empty()).count(),
                watch,
            );
        }
        Ok(written)
    }
}

fn write(connection: &Connection, head: &mut Head, change: &Prepared) -> rusqlite::Result<Written> {
    if change.deadline.is_some_and(Deadline::passed) {
        return Ok(Written::TooLate);
    }
    for (key, expected) in &change.expects {
        if row::version(connection, *key)? != *expected {
            return Ok(Written::Commit(Commit::Conflict));
        }
    }
    let mut time = Moment::from_ticks(0);
    for draft in &change.events {
        let subject = draft.event().subject.id();
        time = draft.event().time;
        let header = draft.seal(head);
        connection
            .prepare_cached(
                "INSERT INTO event (sequence, subject, header, payload) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                header.sequence,
                subject.as_bytes(),
                header.bytes,
                draft.payload()
            ])?;
    }
    for (record, version) in &change.puts {
        match record {
            Record::Elevation(elevation) => {
                row::put_elevation(connection, elevation, *version, head.sequence, time)?;
            }
            Record::Guard(account) => row::put_guard(connection, *account, *version)?,
            Record::Role(role) => row::put_role(connection, role, *version, head.sequence, time)?,
            Record::RoleDeleted(id) => {
                row::delete_role(connection, *id, *version, head.sequence, time)?
            }
        }
    }
    Ok(Written::Commit(Commit::Committed {
        sequence: head.sequence,
    }))
}

/// Drops a little of what no page token can ask for any more, so that it never has to be much.
fn forget_past(connection: &Connection, group: &[Prepared]) -> rusqlite::Result<()> {
    let times = group
        .iter()
        .flat_map(|change| &change.events)
        .map(|draft| draft.event().time.ticks());
    let Some(now) = times.max() else {
        return Ok(());
    };
    for sql in [FORGET_ELEVATIONS, FORGET_ROLES] {
        connection
            .prepare_cached(sql)?
            .execute([now.saturating_sub(2 * Snapshot::LIFE)])?;
    }
    Ok(())
}

/// Whether what the file holds is unknown after this error: a write or a sync failed.
pub(super) fn is_fatal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

impl From<Written> for Result<Commit, Error> {
    fn from(written: Written) -> Self {
        match written {
            Written::Commit(commit) => Ok(commit),
            Written::TooLate => Err(Error::deadline_exceeded()),
        }
    }
}

// Twice as many as a group of decisions adds. A bound limit would make SQLite prepare the statement anew every time.
const FORGET_ELEVATIONS: &str = "DELETE FROM elevation_past WHERE (until_time, until, id) IN \
     (SELECT until_time, until, id FROM elevation_past WHERE until_time < ?1 ORDER BY until_time LIMIT 512)";
const FORGET_ROLES: &str = "DELETE FROM role_past WHERE (until_time, until, id) IN \
     (SELECT until_time, until, id FROM role_past WHERE until_time < ?1 ORDER BY until_time LIMIT 512)";
const LARGEST_GROUP: usize = 256;
const LONGEST_QUEUE: usize = 4_096;
