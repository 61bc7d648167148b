//! What the machine provides: its clock and its randomness.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;
use uuid::Uuid;

use crate::domain::moment::Moment;
use crate::ports::{Clock, Ids};
use crate::steady;

/// The clock of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock")]
    fn now(&self) -> Moment {
        jiff::Timestamp::now()
            .try_into()
            .expect("a machine's clock counts from 1970")
    }

    fn steady(&self) -> Duration {
        steady::since_start()
    }

    /// Sooner when that is far, since the clock may be set in between, and since other nodes do not tell of what they
    /// have begun.
    async fn reaches(&self, moment: Option<Moment>) {
        let wait = moment.map_or(LONGEST_WAIT, |moment| self.now().until(moment));
        sleep(wait.min(LONGEST_WAIT)).await;
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

const LONGEST_WAIT: Duration = Duration::from_secs(30);
