//! The number of elevations that are pending and active at one moment, for monitoring.

use std::time::Duration;

use super::moment::Moment;

/// Counts over all elevations at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Census {
    /// The moment of the counts.
    pub at: Moment,
    /// The number of elevations whose approval is pending.
    pub pending: u64,
    /// The time at which the oldest pending elevation was filed.
    pub oldest_pending: Option<Moment>,
    /// The number of elevations that are active.
    pub active: u64,
    /// The earliest start or end that is due and not recorded.
    pub overdue: Option<Moment>,
}

impl Census {
    /// Returns how long the oldest pending elevation has waited; zero if none is pending.
    pub fn oldest_pending_age(&self) -> Duration {
        self.since(self.oldest_pending)
    }

    /// Returns how late the scheduler is with the earliest start or end; zero if nothing is due.
    pub fn scheduler_lag(&self) -> Duration {
        self.since(self.overdue)
    }

    fn since(&self, moment: Option<Moment>) -> Duration {
        match moment {
            Some(moment) => moment.until(self.at),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_counted_from_the_moment_of_the_census() {
        let at = |seconds| Moment::from_ticks(seconds * Moment::TICKS_PER_SECOND);
        for (moment, seconds) in [
            (None, 0),
            (Some(at(90)), 10),
            (Some(at(100)), 0),
            (Some(at(101)), 0),
        ] {
            let census = Census {
                at: at(100),
                pending: 0,
                oldest_pending: moment,
                active: 0,
                overdue: moment,
            };
            assert_eq!(
                census.oldest_pending_age(),
                Duration::from_secs(seconds),
                "{moment:?}"
            );
            assert_eq!(
                census.scheduler_lag(),
                Duration::from_secs(seconds),
                "{moment:?}"
            );
        }
    }
}
