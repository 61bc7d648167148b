//! The machine's monotonic clock, which measures durations. Decisions and the record use the times of
//! [`Clock`](super::Clock).

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    pub fn start() -> Self {
        Self(now())
    }

    /// Returns the time since the start.
    pub fn elapsed(self) -> Duration {
        now().duration_since(self.0)
    }
}

/// Returns how long the process has run.
pub(super) fn since_start() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(now);
    now().duration_since(*START)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the monotonic clock"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}
