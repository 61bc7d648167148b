//! The limits of one requester.

use super::moment::{Moment, Seconds};
use super::refusal::Refusal;

/// The limits that the operator sets for one requester; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Quota {
    /// The maximum number of the requester's elevations that wait for approval at once.
    pub pending: Option<u32>,
    /// The maximum number of elevations that the requester may file within an hour.
    pub filings: Option<u32>,
}

impl Quota {
    /// The time for which a filing counts.
    pub const WINDOW: Seconds = Seconds::HOUR;

    /// Returns whether there is a limit, so that the load must be read.
    pub fn is_set(self) -> bool {
        self.pending.is_some() || self.filings.is_some()
    }

    /// Returns whether a requester under that load may file one more elevation.
    ///
    /// # Errors
    ///
    /// `TooManyFilings` if not.
    pub fn allow_filing(self, load: Load) -> Result<(), Refusal> {
        match self.filings {
            Some(most) if load.filings >= u64::from(most) => Err(Refusal::TooManyFilings(most)),
            _ => Ok(()),
        }
    }

    /// Returns whether one more of the requester's elevations may wait for approval.
    ///
    /// # Errors
    ///
    /// `TooManyPending` if not.
    pub fn allow_pending(self, load: Load) -> Result<(), Refusal> {
        match self.pending {
            Some(most) if load.pending >= u64::from(most) => Err(Refusal::TooManyPending(most)),
            _ => Ok(()),
        }
    }
}

/// A quota, and the requester's use of it.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// The quota.
    pub quota: Quota,
    /// The requester's use of it.
    pub load: Load,
}

/// A requester's use of a quota.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Load {
    /// The number of elevations that wait for approval.
    pub pending: u64,
    /// The number of elevations filed since [`Load::since`], including those that gave up a role.
    pub filings: u64,
}

impl Load {
    /// Returns the moment after which filings count at `now`.
    pub fn since(now: Moment) -> Moment {
        now.before(Quota::WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_allowed_is_the_one_that_reaches_the_limit() {
        let quota = Quota {
            pending: Some(2),
            filings: Some(3),
        };
        for count in 0..5 {
            let load = Load {
                pending: count,
                filings: count,
            };
            assert_eq!(quota.allow_pending(load).is_ok(), count < 2, "{count}");
            assert_eq!(quota.allow_filing(load).is_ok(), count < 3, "{count}");
            assert!(Quota::default().allow_filing(load).is_ok(), "{count}");
        }
    }

    #[test]
    fn a_quota_is_set_when_anything_is_limited() {
        for (pending, filings, is_set) in [
            (None, None, false),
            (Some(2), None, true),
            (None, Some(3), true),
            (Some(2), Some(3), true),
        ] {
            assert_eq!(
                Quota { pending, filings }.is_set(),
                is_set,
                "{pending:?} {filings:?}"
            );
        }
        let now = Moment::from_ticks(0);
        assert_eq!(Load::since(now).after(Seconds::HOUR), now);
    }
}
