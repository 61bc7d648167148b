//! How much one requester may ask for.

use super::moment::{Moment, Seconds};
use super::refusal::Refusal;

/// What the operator allows one requester; `None` is without a limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Quota {
    /// How many of the requester's elevations may wait for approval at once.
    pub pending: Option<u32>,
    /// How many elevations the requester may file within an hour.
    pub filings: Option<u32>,
}

impl Quota {
    /// How far back filings count.
    pub const WINDOW: Seconds = Seconds::HOUR;

    /// Whether there is any limit, so that the load has to be known.
    pub fn is_set(self) -> bool {
        self.pending.is_some() || self.filings.is_some()
    }

    /// Whether a requester under that load may file one more elevation.
    pub fn allow_filing(self, load: Load) -> Result<(), Refusal> {
        match self.filings {
            Some(most) if load.filings >= u64::from(most) => Err(Refusal::TooManyFilings(most)),
            _ => Ok(()),
        }
    }

    /// Whether one more of the requester's elevations may wait for approval.
    pub fn allow_pending(self, load: Load) -> Result<(), Refusal> {
        match self.pending {
            Some(most) if load.pending >= u64::from(most) => Err(Refusal::TooManyPending(most)),
            _ => Ok(()),
        }
    }
}

/// A quota, and how much of it a requester uses.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// The quota.
    pub quota: Quota,
    /// What the requester asks for already.
    pub load: Load,
}

/// How much a requester asks for already.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Load {
    /// How many elevations wait for approval.
    pub pending: u64,
    /// How many elevations were filed since [`Load::since`], those that gave a role up included.
    pub filings: u64,
}

impl Load {
    /// Behind which moment filings count at `now`.
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
