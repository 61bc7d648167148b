//! Checkpoints: a thread moves committed pages from the log into the file, so that no commit waits for that.
//!
//! SQLite's own automatic checkpoint would run inside a commit and hide its errors. Here a failed sync ends the store.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::Connection;
use tokio::sync::watch;

use super::connect::connect;
use super::error::{failed, is_fatal};
use crate::domain::error::Error;
use crate::store::thread::StoreThread;

/// Wakes the checkpoint thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    /// Set by the thread when the log is too long, taken by the writer.
    overgrown: Arc<AtomicBool>,
    changes: usize,
    // After the sender: fields are dropped in this order, and the thread ends when it has no sender.
    _thread: StoreThread,
}

impl Checkpointer {
    /// Starts the thread, which sets `fail` if the file can no longer be trusted.
    pub(super) fn start(path: &Path, fail: Arc<watch::Sender<bool>>) -> Result<Self, Error> {
        let connection = connect(path).map_err(failed)?;
        let (wake, woken) = sync_channel(1);
        let overgrown = Arc::new(AtomicBool::new(false));
        let thread_overgrown = overgrown.clone();
        let thread = StoreThread::start("sqlite-checkpoint", move || {
            run(&connection, &woken, &thread_overgrown, &fail)
        })?;
        Ok(Self {
            wake,
            overgrown,
            changes: 0,
            _thread: thread,
        })
    }

    /// Counts committed changes, and wakes the thread after enough of them.
    pub(super) fn count(&mut self, changes: usize) {
        self.changes += changes;
        if self.changes >= CHANGES_BETWEEN {
            self.changes = 0;
            // A full channel means that the thread has been woken already.
            let _ = self.wake.try_send(());
        }
    }

    /// Moves the rest of the log itself if commits come so fast that the thread never gets to the end of the log. The
    /// log can then start again. The writer calls this between two groups.
    pub(super) fn keep_up(&self, connection: &Connection) -> rusqlite::Result<()> {
        if !self.overgrown.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        match checkpoint(connection) {
            Err(error) if is_fatal(&error) => Err(error),
            // Most likely a full disk, which can pass.
            _ => Ok(()),
        }
    }
}

fn run(
    connection: &Connection,
    woken: &Receiver<()>,
    overgrown: &AtomicBool,
    fail: &watch::Sender<bool>,
) {
    for () in woken {
        if *fail.borrow() {
            return;
        }
        match checkpoint(connection) {
            Ok(pages) => overgrown.store(pages > LONGEST_LOG, Ordering::Relaxed),
            Err(error) if is_fatal(&error) => {
                tracing::error!(%error, "a checkpoint failed; nothing more is written");
                fail.send_replace(true);
                return;
            }
            Err(error) => tracing::warn!(cause = failed(error).cause, "a checkpoint has to wait"),
        }
    }
}

/// Moves the pages that no reader needs. Returns the number of pages in the log.
fn checkpoint(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?
        .query_row([], |row| row.get(1))
}

const CHANGES_BETWEEN: usize = 256;
/// In pages of 4 KiB: 64 MiB.
const LONGEST_LOG: i64 = 16_384;
