//! The counts for monitoring. They are read from the store on request, at most once at a time, and kept for a few
//! seconds. So neither many requests nor a slow store take readers away from callers.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::shared::Service;
use crate::domain::caller::Caller;
use crate::domain::census::Census;
use crate::domain::error::Error;
use crate::domain::rights;
use crate::time::Clock;

impl Service {
    /// Checks that the caller may read the metrics.
    ///
    /// # Errors
    ///
    /// `AccessDenied` if not.
    pub fn check_monitor(&self, caller: &Caller) -> Result<(), Error> {
        Ok(rights::monitors(caller)?)
    }

    /// Returns counts that are at most a minute old, and usually at most five seconds. Returns nothing if the store
    /// cannot count within a second and has not done so in the last minute.
    pub async fn census(self: &Arc<Self>) -> Option<Census> {
        let mut counted = self.census.last.subscribe();
        if let Some(census) = self.census_within(RENEWED_AFTER) {
            return Some(census);
        }
        self.count();
        // Whether it came in time is checked below.
        let _ = timeout(LONGEST_WAIT, counted.changed()).await;
        self.census_within(OLDEST)
    }

    /// Counts in the background, unless a count is under way.
    fn count(self: &Arc<Self>) {
        let Ok(turn) = self.census.turn.clone().try_acquire_owned() else {
            return;
        };
        let service = self.clone();
        // A task of its own: an abandoned read would still occupy its reader of the store.
        tokio::spawn(async move {
            let _turn = turn;
            let counted = service.store.census(service.time.now()).await;
            if let Err(error) = &counted {
                tracing::warn!(%error, cause = error.cause, "the elevations cannot be counted for the metrics");
            }
            // Waiters wake after a failure too.
            service.census.last.send_modify(|last| {
                if let Ok(census) = counted {
                    *last = Some((service.time.monotonic(), census));
                }
            });
        });
    }

    fn census_within(&self, age: Duration) -> Option<Census> {
        let last = *self.census.last.borrow();
        let (taken, census) = last?;
        (self.time.monotonic().saturating_sub(taken) < age).then_some(census)
    }
}

const LONGEST_WAIT: Duration = Duration::from_secs(1);
const OLDEST: Duration = Duration::from_secs(60);
const RENEWED_AFTER: Duration = Duration::from_secs(5);
