//! The time by which a node decides. It never goes back, and passes as long as the node runs.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::clock::Clock;
use crate::domain::error::Error;
use crate::domain::moment::{Moment, Seconds};

/// The clock of the machine, corrected so that decisions can use it.
///
/// Time never goes back, so an ended elevation stays ended. If the clock jumps ahead, time follows at once. If the clock is
/// then corrected, time stops until the clock has caught up. If a correct clock is set back, time follows the monotonic
/// clock. A clock counts as correct after it has agreed with the monotonic clock for as long as its jump was wide. Then time
/// stops until the clock has caught up, so an active elevation lasts longer by as much as the clock was set back. While the
/// clock is late by more than a bound, the node makes no decisions.
pub struct Time {
    clock: Arc<dyn Clock>,
    bound: Seconds,
    /// Held for a few comparisons.
    seen: Mutex<Observations>,
    right: watch::Sender<bool>,
}

/// The observations of both clocks.
struct Observations {
    /// The latest moment that was returned.
    latest: Moment,
    /// The distance from the monotonic clock to the clock while the clock is correct, in ticks.
    trusted: i64,
    /// Another distance, and the reading of the monotonic clock since which the clock has kept it.
    other: Option<(i64, Duration)>,
}

impl Observations {
    /// Takes a reading of both clocks, and returns the time.
    fn time(&mut self, said: Moment, monotonic: Duration) -> Moment {
        self.latest = self.latest.max(said).max(self.by_monotonic(monotonic));
        // Learn last, so that the time that the monotonic clock measured has passed.
        self.learn(distance(said, monotonic), monotonic);
        self.latest
    }

    /// Trusts a new distance after the clock has kept it for as long as it differs from the trusted one.
    fn learn(&mut self, distance: i64, monotonic: Duration) {
        let jump = distance.abs_diff(self.trusted);
        let since = match self.other {
            Some((other, since)) if distance.abs_diff(other) <= TOLERANCE => since,
            _ => monotonic,
        };
        if jump <= TOLERANCE || ticks(monotonic.saturating_sub(since)).unsigned_abs() >= jump {
            self.trusted = distance;
            self.other = None;
        } else {
            self.other = Some((distance, since));
        }
    }

    fn by_monotonic(&self, monotonic: Duration) -> Moment {
        Moment::from_ticks(ticks(monotonic).saturating_add(self.trusted))
    }
}

fn distance(said: Moment, monotonic: Duration) -> i64 {
    said.ticks().saturating_sub(ticks(monotonic))
}

fn ticks(monotonic: Duration) -> i64 {
    Moment::from_ticks(0).after_duration(monotonic).ticks()
}

/// One second, in ticks: more than the time between two readings of two clocks, and less than matters to a duration.
const TOLERANCE: u64 = Moment::TICKS_PER_SECOND.unsigned_abs();

impl Time {
    /// Returns the time from `latest` on, the moment of the last event of the record, or else from now on. Decisions stop
    /// while the clock is late by more than `bound`.
    pub fn from(latest: Option<Moment>, clock: Arc<dyn Clock>, bound: Seconds) -> Self {
        let now = clock.now();
        let trusted = distance(now, clock.monotonic());
        let seen = Mutex::new(Observations {
            latest: latest.unwrap_or(now),
            trusted,
            other: None,
        });
        Self {
            clock,
            bound,
            seen,
            right: watch::Sender::new(true),
        }
    }

    /// Returns the moment for a decision.
    ///
    /// # Errors
    ///
    /// `ClockSkewed` while the clock is late by more than the bound.
    pub fn deciding(&self) -> Result<Moment, Error> {
        let now = self.now();
        let right = now <= self.clock.now().after(self.bound);
        if self
            .right
            .send_if_modified(|before| mem::replace(before, right) != right)
            && !right
        {
            tracing::error!(
                "the clock is late by more than the bound; the node makes no decisions until it is correct"
            );
        }
        if right {
            Ok(now)
        } else {
            Err(Error::clock_skewed())
        }
    }

    /// Returns whether the clock was correct at its last reading, and reports changes.
    pub fn right(&self) -> watch::Receiver<bool> {
        self.right.subscribe()
    }
}

/// Credentials end by the same time.
#[async_trait]
impl Clock for Time {
    fn now(&self) -> Moment {
        let (said, monotonic) = (self.clock.now(), self.clock.monotonic());
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .time(said, monotonic)
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Completes before the clock shows `moment` if time is ahead of the clock.
    async fn reaches(&self, moment: Option<Moment>) {
        let Some(moment) = moment else {
            return self.clock.reaches(None).await;
        };
        let (said, monotonic) = (self.clock.now(), self.clock.monotonic());
        let ahead = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.time(said, monotonic) >= moment {
                return;
            }
            said.until(seen.by_monotonic(monotonic))
        };
        let by_the_clock = moment.ticks().saturating_sub(ticks(ahead));
        self.clock
            .reaches(Some(Moment::from_ticks(by_the_clock)))
            .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What two clocks say, and which moment was waited for last.
    struct Clocks(Mutex<(i64, u64)>, Mutex<Option<Moment>>);

    impl Clocks {
        fn new(said: i64) -> Arc<Self> {
            Arc::new(Self(Mutex::new((said, 0)), Mutex::default()))
        }
    }

    #[async_trait]
    impl Clock for Clocks {
        fn now(&self) -> Moment {
            at(self.0.lock().unwrap().0)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.lock().unwrap().1)
        }

        async fn reaches(&self, moment: Option<Moment>) {
            *self.1.lock().unwrap() = moment;
        }
    }

    fn at(seconds: i64) -> Moment {
        Moment::from_ticks(seconds * Moment::TICKS_PER_SECOND)
    }

    #[test]
    fn time_never_goes_back_and_recovers_from_every_jump() {
        let clock = Clocks::new(100);
        let time = Time::from(Some(at(90)), clock.clone(), Seconds::new(5).unwrap());
        // What the clock says, what the steady clock says, what counts, and whether it is decided by.
        let table = [
            (100, 0, 100, true),
            (110, 10, 110, true),
            // Set back: time goes on by the steady clock.
            (106, 11, 111, true),
            (100, 20, 120, false),
            (105, 25, 125, false),
            (124, 29, 129, true),
            (130, 30, 130, true),
            // Ahead for a moment: time stands still until the clock has caught up.
            (9_000, 31, 9_000, true),
            (132, 32, 9_000, false),
            (8_994, 8_894, 9_000, false),
            (8_995, 8_895, 9_000, true),
            (9_000, 8_900, 9_000, true),
            (9_001, 8_901, 9_001, true),
            // Set back for good: trusted after as long as it was set back.
            (8_970, 8_910, 9_010, false),
            (9_009, 8_949, 9_049, false),
            (9_010, 8_950, 9_050, false),
            (9_044, 8_984, 9_050, false),
            (9_045, 8_985, 9_050, true),
            (9_055, 8_995, 9_055, true),
            // Set right after the machine slept: trusted after as long as it slept, and then no further back.
            (9_155, 8_996, 9_155, true),
            (9_254, 9_095, 9_254, true),
            (9_255, 9_096, 9_255, true),
            (9_251, 9_097, 9_256, true),
        ];
        for (said, steady, now, decides) in table {
            *clock.0.lock().unwrap() = (said, steady);
            assert_eq!(time.now(), at(now), "{said} {steady}");
            assert_eq!(time.deciding().is_ok(), decides, "{said} {steady}");
            assert_eq!(*time.right().borrow(), decides, "{said} {steady}");
        }
    }

    /// The clock is far ahead when the process starts, or the record is.
    #[test]
    fn a_start_with_a_wrong_clock_is_recovered_from() {
        for (record, said_first) in [(100, 130), (130, 100)] {
            let clock = Clocks::new(said_first);
            let time = Time::from(Some(at(record)), clock.clone(), Seconds::new(5).unwrap());
            assert_eq!(time.now(), at(130));
            let mut latest = time.now();
            let recovered = (1..).find(|&second: &u64| {
                *clock.0.lock().unwrap() = (100 + second.cast_signed(), second);
                assert!(time.now() >= latest);
                latest = time.now();
                latest == clock.now()
            });
            // If the clock was wrong, this shows only after it has been right for as long.
            assert_eq!(recovered, Some(if record == 130 { 30 } else { 61 }));
            assert!(time.deciding().is_ok());
        }
    }

    /// Time is ahead of the clock, so it comes to a moment before the clock does.
    #[tokio::test]
    async fn a_moment_is_reached_when_time_comes_to_it() {
        let clock = Clocks::new(100);
        let time = Time::from(Some(at(100)), clock.clone(), Seconds::new(5).unwrap());
        // What the clock says, what the steady clock says, the moment, and the moment to wait for by the clock.
        for (said, steady, moment, by_the_clock) in [
            (100, 0, 150, Some(150)),
            (80, 0, 150, Some(130)),
            (80, 0, 100, None),
            (200, 1, 300, Some(300)),
            (102, 2, 199, None),
            (103, 3, 250, Some(250)),
        ] {
            *clock.0.lock().unwrap() = (said, steady);
            *clock.1.lock().unwrap() = None;
            time.reaches(Some(at(moment))).await;
            assert_eq!(
                *clock.1.lock().unwrap(),
                by_the_clock.map(at),
                "{said} {steady} {moment}"
            );
        }
    }
}
