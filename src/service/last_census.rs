//! The last census, which is kept for a few seconds.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use crate::domain::census::Census;

/// The last census, with the steady time at which it was taken, and the permit to take the next one.
pub(super) struct LastCensus {
    pub(super) last: watch::Sender<Option<(Duration, Census)>>,
    pub(super) turn: Arc<Semaphore>,
}

impl LastCensus {
    /// Returns a place for a census that has not been taken.
    pub(super) fn new() -> Self {
        Self {
            last: watch::Sender::new(None),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}
