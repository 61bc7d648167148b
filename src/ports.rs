//! The small traits that rules and authentication need from outside, and that a folder or the machine implements.

use async_trait::async_trait;
use uuid::Uuid;

use crate::domain::account::Account;
use crate::domain::caller::Principals;
use crate::domain::error::Error;
use crate::domain::moment::Moment;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The moment at which it is asked.
    fn now(&self) -> Moment;
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
}
