//! The time by which a node decides. It never goes back, and passes for as long as the node runs.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::error::Error;
use crate::domain::moment::{Life, Moment};
use crate::ports::Clock;
use crate::store::Store;

/// The clock of the machine, made fit to decide by.
///
/// Where the clock says an earlier time than before, or an earlier one than the record, time goes on from the latest
/// moment that is known, at the pace of the steady clock: what has ended stays ended, and a life ends when it is over,
/// whatever happens to the clock. Behind by more than a bound, nothing is decided.
pub struct Time {
    clock: Arc<dyn Clock>,
    bound: Life,
    /// The latest moment that the clock has said, and what the steady clock said then. Held for two comparisons.
    latest: Mutex<(Moment, Duration)>,
    right: watch::Sender<bool>,
}

impl Time {
    /// Time from the last event of the record on. `bound` is how far the clock may be behind.
    pub async fn behind(store: &dyn Store, clock: Arc<dyn Clock>, bound: Life) -> Result<Self, Error> {
        let last = store.last_event().await?.map(|envelope| envelope.header()).transpose()?;
        let latest = last.map_or(clock.now(), |header| Moment::from_ticks(header.time));
        let steady = clock.steady();
        Ok(Self { clock, bound, latest: Mutex::new((latest, steady)), right: watch::Sender::new(true) })
    }

    /// The moment by which things are decided; an error while the clock is behind by more than the bound.
    pub(super) fn deciding(&self) -> Result<Moment, Error> {
        let now = self.now();
        let right = now <= self.clock.now().after(self.bound);
        if self.right.send_if_modified(|before| mem::replace(before, right) != right) && !right {
            tracing::error!(
                "the clock is behind by more than the bound; nothing is decided until it is right"
            );
        }
        if right { Ok(now) } else { Err(Error::clock_skewed()) }
    }

    /// Whether the clock was right when it was last looked at, and when that changes.
    pub(super) fn right(&self) -> watch::Receiver<bool> {
        self.right.subscribe()
    }
}

/// So that credentials end by the same time.
#[async_trait]
impl Clock for Time {
    fn now(&self) -> Moment {
        let (said, steady) = (self.clock.now(), self.clock.steady());
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = latest.0.after_duration(steady.saturating_sub(latest.1));
        if said < passed {
            return passed;
        }
        *latest = (said, steady);
        said
    }

    fn steady(&self) -> Duration {
        self.clock.steady()
    }

    async fn reaches(&self, moment: Option<Moment>) {
        self.clock.reaches(moment).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What two clocks say.
    struct Said(Mutex<(i64, u64)>);

    #[async_trait]
    impl Clock for Said {
        fn now(&self) -> Moment {
            at(self.0.lock().unwrap().0)
        }

        fn steady(&self) -> Duration {
            Duration::from_secs(self.0.lock().unwrap().1)
        }

        async fn reaches(&self, _: Option<Moment>) {}
    }

    fn at(seconds: i64) -> Moment {
        Moment::from_ticks(seconds * Moment::TICKS_PER_SECOND)
    }

    #[test]
    fn time_never_goes_back_and_never_stops() {
        let clock = Arc::new(Said(Mutex::new((100, 0))));
        let bound = Life::from_seconds(5).unwrap();
        let latest = Mutex::new((at(90), Duration::ZERO));
        let time = Time { clock: clock.clone(), bound, latest, right: watch::Sender::new(true) };
        // What the clock says, what the steady clock says, what counts, and whether it is decided by.
        let table = [
            (100, 0, 100, true),
            (110, 10, 110, true),
            (106, 11, 111, true),
            (100, 20, 120, false),
            (105, 25, 125, false),
            (124, 29, 129, true),
            (130, 30, 130, true),
            (9_000, 31, 9_000, true),
            (132, 32, 9_001, false),
            (9_001, 33, 9_002, true),
        ];
        for (said, steady, now, decides) in table {
            *clock.0.lock().unwrap() = (said, steady);
            assert_eq!(time.now(), at(now), "{said} {steady}");
            assert_eq!(time.deciding().is_ok(), decides, "{said} {steady}");
            assert_eq!(*time.right().borrow(), decides, "{said} {steady}");
        }
    }
}
