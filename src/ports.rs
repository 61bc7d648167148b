//! The small traits that rules and authentication need from outside, and that a folder or the machine implements.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::domain::account::{Account, Principal};
use crate::domain::caller::Principals;
use crate::domain::error::Error;
use crate::domain::id::AccountId;
use crate::domain::moment::Moment;

/// Tells the time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The moment at which it is asked. It may be set back.
    fn now(&self) -> Moment;

    /// How long something that never changed has lasted by now. It never goes back.
    fn steady(&self) -> Duration;

    /// Completes when the clock says `moment`, or sooner, so that whoever waits can look again.
    async fn reaches(&self, moment: Option<Moment>);
}

/// Makes ids.
pub trait Ids: Send + Sync {
    /// An id that nothing has yet.
    fn next(&self) -> Uuid;
}

/// Knows who is in which group.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Everything that the account counts as at `now`.
    async fn principals(&self, account: &Account, now: Moment) -> Result<Principals, Error>;

    /// Returns the accounts that `named` come to at `now` and that can call, `most` of them at most: an account without
    /// valid credentials cannot decide. `None` if it cannot tell who is in a group.
    async fn members(
        &self,
        named: &[Principal],
        most: usize,
        now: Moment,
    ) -> Result<Option<HashSet<AccountId>>, Error>;
}
