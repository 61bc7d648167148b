//! A clock that tests set.

use async_trait::async_trait;
use countersign::domain::moment::Moment;
use countersign::time::Clock;
use tokio::sync::watch;

/// A clock that does not move by itself.
pub struct HandClock {
    /// The time of the clock and its running time, both in ticks.
    said: watch::Sender<(i64, i64)>,
}

impl HandClock {
    pub fn new(now: Moment) -> Self {
        Self {
            said: watch::Sender::new((now.ticks(), 0)),
        }
    }

    /// Lets time pass.
    pub fn advance(&self, seconds: i64) {
        let ticks = seconds * Moment::TICKS_PER_SECOND;
        self.said.send_modify(|(now, steady)| {
            *now += ticks;
            *steady += ticks.max(0);
        });
    }

    /// Sets the clock forward or back, while no time passes.
    pub fn jump(&self, seconds: i64) {
        self.said
            .send_modify(|(now, _)| *now += seconds * Moment::TICKS_PER_SECOND);
    }

    /// Lets time pass until a moment such as `2015-07-12T06:40:00Z`.
    pub fn set(&self, moment: &str) {
        let ticks = moment.parse::<jiff::Timestamp>().unwrap().as_nanosecond() / 100;
        let ticks = i64::try_from(ticks).unwrap();
        self.said.send_modify(|(now, steady)| {
            *steady += (ticks - *now).max(0);
            *now = ticks;
        });
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment::from_ticks(self.said.borrow().0)
    }

    fn monotonic(&self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.said.borrow().1).unwrap() * 100)
    }

    async fn reaches(&self, moment: Option<Moment>) {
        let reached = |said: &(i64, i64)| moment.is_some_and(|moment| moment.ticks() <= said.0);
        self.said.subscribe().wait_for(reached).await.unwrap();
    }
}
