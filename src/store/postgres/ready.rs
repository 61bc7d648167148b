//! Whether the store can be used: it commits and it reads.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// What the last attempts to commit and to read found.
#[derive(Clone, Debug)]
pub(super) struct Ready(Arc<Found>);

#[derive(Debug)]
struct Found {
    commits: AtomicBool,
    reads: AtomicBool,
    both: watch::Sender<bool>,
}

impl Ready {
    /// A store that is ready.
    pub(super) fn new() -> Self {
        let both = watch::Sender::new(true);
        Self(Arc::new(Found {
            commits: AtomicBool::new(true),
            reads: AtomicBool::new(true),
            both,
        }))
    }

    /// Says whether the last group went through, or the connection is back since it did not.
    pub(super) fn set_commits(&self, ready: bool) {
        self.0.commits.store(ready, Ordering::SeqCst);
        self.tell();
    }

    /// Says whether the last read was answered.
    pub(super) fn set_reads(&self, ready: bool) {
        // Nearly every read says what the one before said.
        if self.0.reads.swap(ready, Ordering::SeqCst) != ready {
            self.tell();
        }
    }

    /// Whether both are so, and when that changes.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.0.both.subscribe()
    }

    fn tell(&self) {
        self.0.both.send_if_modified(|before| {
            let ready =
                self.0.commits.load(Ordering::SeqCst) && self.0.reads.load(Ordering::SeqCst);
            mem::replace(before, ready) != ready
        });
    }
}
