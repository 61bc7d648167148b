//! The directory: which account is in which group.

use std::collections::HashSet;

use async_trait::async_trait;

use crate::domain::account::{Account, Principal};
use crate::domain::caller::Principals;
use crate::domain::error::Error;
use crate::domain::id::AccountId;
use crate::domain::moment::Moment;

/// Knows the groups of accounts.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Returns the principals that the account counts as at `now`: itself and its groups.
    async fn principals(&self, account: &Account, now: Moment) -> Result<Principals, Error>;

    /// Returns the accounts that `principals` come to at `now` and that can call, at most `most` of them. An account
    /// without valid credentials cannot decide, so it is left out. `None` if the members of a group are not known.
    async fn members(
        &self,
        principals: &[Principal],
        most: usize,
        now: Moment,
    ) -> Result<Option<HashSet<AccountId>>, Error>;
}
