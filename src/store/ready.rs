//! The readiness of a store: it commits and it reads.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// The results of the last attempts to commit and to read. A store is ready while both succeeded.
#[derive(Clone, Debug)]
pub(super) struct Ready(Arc<State>);

#[derive(Debug)]
struct State {
    commits: AtomicBool,
    reads: AtomicBool,
    both: watch::Sender<bool>,
}

impl Ready {
    /// Returns the readiness of a new store: it is ready.
    pub(super) fn new() -> Self {
        Self(Arc::new(State {
            commits: AtomicBool::new(true),
            reads: AtomicBool::new(true),
            both: watch::Sender::new(true),
        }))
    }

    /// Returns whether the store takes commits, according to the last attempt.
    pub(super) fn commits(&self) -> bool {
        self.0.commits.load(Ordering::SeqCst)
    }

    /// Sets whether the store takes commits.
    pub(super) fn set_commits(&self, is_ready: bool) {
        // Nearly every group reports what the group before it reported.
        if self.0.commits.swap(is_ready, Ordering::SeqCst) != is_ready {
            self.publish();
        }
    }

    /// Sets whether the store serves reads.
    pub(super) fn set_reads(&self, is_ready: bool) {
        if self.0.reads.swap(is_ready, Ordering::SeqCst) != is_ready {
            self.publish();
        }
    }

    /// Returns a receiver of the readiness.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.0.both.subscribe()
    }

    fn publish(&self) {
        self.0.both.send_if_modified(|before| {
            let is_ready = self.commits() && self.0.reads.load(Ordering::SeqCst);
            mem::replace(before, is_ready) != is_ready
        });
    }
}
