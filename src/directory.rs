//! The directory: which account is in which group.

pub mod file;

use std::collections::HashSet;

use async_trait::async_trait;

use crate::domain::account::{Account, Group, Principal};
use crate::domain::caller::Principals;
use crate::domain::error::Error;
use crate::domain::id::AccountId;
use crate::domain::moment::Moment;

/// Knows the groups of accounts.
///
/// The law:
///
/// 1. A look-up that fails is an error, never an empty answer. The caller of the directory then refuses.
/// 2. `groups` and `members` agree: if an account is among the members of a group at some moment, then the group is among
///    the groups of the account at that moment.
/// 3. A membership that has ended is unknown to the directory a minute later at most.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Returns the groups of the account at `now`.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Internal` if the directory cannot be asked.
    async fn groups(&self, account: &Account, now: Moment) -> Result<Vec<Group>, Error>;

    /// Returns the principals that the account counts as at `now`: itself and its groups.
    ///
    /// # Errors
    ///
    /// Those of [`groups`](Self::groups).
    async fn principals(&self, account: &Account, now: Moment) -> Result<Principals, Error> {
        let groups = self.groups(account, now).await?;
        Ok(Principals::new(account, &groups))
    }

    /// Returns the accounts that `principals` come to at `now` and that can call, at most `most` of them. An account
    /// without valid credentials cannot decide, so it is left out. `None` if the members of a group are not known.
    ///
    /// # Errors
    ///
    /// Those of [`groups`](Self::groups).
    async fn members(
        &self,
        principals: &[Principal],
        most: usize,
        now: Moment,
    ) -> Result<Option<HashSet<AccountId>>, Error>;
}
