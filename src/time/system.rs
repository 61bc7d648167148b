//! The clock of the machine.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::clock::Clock;
use super::monotonic;
use crate::domain::moment::Moment;

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

    fn monotonic(&self) -> Duration {
        monotonic::since_start()
    }

    /// Completes after `MAX_WAIT` at the latest: the clock may be set in the meantime, and other nodes do not report the
    /// elevations that they have scheduled.
    async fn reaches(&self, moment: Option<Moment>) {
        let wait = match moment {
            Some(moment) => self.now().until(moment),
            None => MAX_WAIT,
        };
        sleep(wait.min(MAX_WAIT)).await;
    }
}

const MAX_WAIT: Duration = Duration::from_secs(30);
