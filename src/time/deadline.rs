//! Deadlines of requests.

use std::time::{Duration, Instant};

use super::monotonic::now;

/// The time until which the caller waits for a response. The admission sets it and passes it on with the request. A change
/// that has not begun by then is dropped.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// Returns the deadline that is `wait` from now.
    pub fn after(wait: Duration) -> Self {
        let now = now();
        Self(now.checked_add(wait).unwrap_or(now))
    }

    /// Whether the caller no longer waits.
    pub fn passed(self) -> bool {
        now() >= self.0
    }

    /// Returns the deadline as the timers of the runtime take it.
    pub fn instant(self) -> Instant {
        self.0
    }
}
