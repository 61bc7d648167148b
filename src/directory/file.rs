//! The directory of the tokens file: an account is in the groups that its valid tokens name.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::Directory;
use crate::domain::account::{Account, Group, Principal};
use crate::domain::error::Error;
use crate::domain::id::AccountId;
use crate::domain::moment::Moment;
use crate::tokens_file::{Entries, Token, TokensFile};

/// Reads groups from a tokens file.
#[derive(Debug)]
pub struct FileDirectory(pub Arc<TokensFile>);

#[async_trait]
impl Directory for FileDirectory {
    async fn groups(&self, account: &Account, now: Moment) -> Result<Vec<Group>, Error> {
        let entries = self.0.entries(now);
        let tokens = entries.of_account(account.id, now);
        Ok(tokens.flat_map(|token| token.groups.clone()).collect())
    }

    async fn members(
        &self,
        principals: &[Principal],
        most: usize,
        now: Moment,
    ) -> Result<Option<HashSet<AccountId>>, Error> {
        let entries = self.0.entries(now);
        let mut members = HashSet::new();
        for principal in principals {
            for token in tokens(&entries, principal, now) {
                if members.len() >= most {
                    return Ok(Some(members));
                }
                members.insert(token.account.id);
            }
        }
        Ok(Some(members))
    }
}

/// Returns the valid tokens of an account or of the members of a group.
fn tokens<'a>(
    entries: &'a Entries,
    principal: &Principal,
    now: Moment,
) -> Box<dyn Iterator<Item = &'a Token> + 'a> {
    match principal {
        Principal::Account(account) => Box::new(entries.of_account(account.id, now)),
        Principal::Group(group) => Box::new(entries.of_group(group.id, now)),
    }
}
