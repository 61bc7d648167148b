//! The machine's steady clock, for how long things take. What is decided and recorded has the times of the
//! [`Clock`](crate::ports::Clock).

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Until when somebody waits for an answer. The edge sets it, and hands it down with the request; a change that has not
/// begun by then is dropped.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub fn after(wait: Duration) -> Self {
        let now = now();
        Self(now.checked_add(wait).unwrap_or(now))
    }

    /// Whether nobody waits any more.
    pub fn passed(self) -> bool {
        now() >= self.0
    }

    /// The deadline as the runtime's timers take it.
    pub fn instant(self) -> Instant {
        self.0
    }
}

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    pub fn start() -> Self {
        Self(now())
    }

    /// How long it has been.
    pub fn elapsed(self) -> Duration {
        now().duration_since(self.0)
    }
}

/// How long the process has run, by a clock that never goes back.
pub fn since_start() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(now);
    now().duration_since(*START)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the steady clock"
)]
fn now() -> Instant {
    Instant::now()
}
