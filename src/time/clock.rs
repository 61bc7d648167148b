//! The port through which everything else reads the time.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::moment::Moment;

/// A source of the time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Returns the present moment. It may be earlier than one that was returned before.
    fn now(&self) -> Moment;

    /// Returns the time since a fixed point. It never goes back.
    fn monotonic(&self) -> Duration;

    /// Completes when the clock shows `moment`, or sooner, so that the caller can check again. `None` is a moment that
    /// never comes.
    async fn reaches(&self, moment: Option<Moment>);
}
