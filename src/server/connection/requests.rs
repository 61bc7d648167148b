//! The requests of one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The requests of a connection: counted by the service, read by who has to know whether there are any.
#[derive(Debug, Default)]
pub(super) struct Requests {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// A request that has not ended; dropped when it has, which may be because the client gave up.
pub(super) struct OpenRequest(Arc<Requests>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Requests {
    /// Counts one more, until it is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> OpenRequest {
        self.begun.fetch_add(1, Ordering::Relaxed);
        OpenRequest(self.clone())
    }

    /// How many have begun.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether all have ended.
    pub(super) fn all_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed) == self.begun()
    }
}
