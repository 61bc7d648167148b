//! The alarm clock of the scheduler.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;

use crate::domain::elevation::Elevation;
use crate::domain::moment::Moment;

/// The next moment at which the scheduler has to work.
pub(super) struct Wake {
    /// In ticks; the maximum if there is none.
    next: AtomicI64,
    notify: Notify,
}

impl Wake {
    /// Returns an alarm without a moment.
    pub(super) fn new() -> Self {
        Self {
            next: AtomicI64::new(i64::MAX),
            notify: Notify::new(),
        }
    }

    /// Takes in an elevation that is committed or about to be. If it is due before the next moment, the scheduler waits
    /// for it instead, and reads nothing.
    pub(super) fn tell(&self, elevation: &Elevation) {
        if let Some(due) = elevation.due()
            && due.ticks() < self.next.fetch_min(due.ticks(), Ordering::SeqCst)
        {
            self.notify.notify_one();
        }
    }

    /// Forgets the next moment. Every later commit is either found by the reads that follow, or [reported](Self::tell).
    pub(super) fn reset(&self) {
        self.next.store(i64::MAX, Ordering::SeqCst);
    }

    /// Takes in the next moment that the store knows.
    pub(super) fn bring_forward(&self, next: Option<Moment>) {
        if let Some(next) = next {
            self.next.fetch_min(next.ticks(), Ordering::SeqCst);
        }
    }

    /// Returns the next moment.
    pub(super) fn next(&self) -> Option<Moment> {
        match self.next.load(Ordering::SeqCst) {
            i64::MAX => None,
            ticks => Some(Moment::from_ticks(ticks)),
        }
    }

    /// Completes when the next moment was moved to an earlier one.
    pub(super) async fn moved(&self) {
        self.notify.notified().await;
    }
}
