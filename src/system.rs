//! What the machine provides: its clock and its randomness.

use uuid::Uuid;

use crate::domain::moment::Moment;
use crate::ports::{Clock, Ids};

/// The clock of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock")]
    fn now(&self) -> Moment {
        jiff::Timestamp::now().into()
    }
}

/// Ids of version 7: random, and in the order of their creation, which keeps the store's pages together.
#[derive(Clone, Copy, Debug)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is the Ids")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}
