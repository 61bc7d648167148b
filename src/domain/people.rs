//! The people allowed to decide.

use std::collections::HashSet;

use super::id::AccountId;

/// The people of each stage of a role, in the order of the stages: the accounts that can call and that the stage names.
/// A stage is unknown if the directory cannot list the members of its groups.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StagePeople(Vec<Option<HashSet<AccountId>>>);

impl StagePeople {
    /// Adds the people of the next stage; `None` if they are unknown.
    pub fn push(&mut self, people: Option<HashSet<AccountId>>) {
        self.0.push(people);
    }

    /// Returns the people of a stage; `None` if they are unknown or there is no such stage.
    pub fn of(&self, stage: usize) -> Option<&HashSet<AccountId>> {
        self.0.get(stage)?.as_ref()
    }

    /// Returns whether the account is one of the people of every stage that is known.
    pub fn all_have(&self, account: AccountId) -> bool {
        self.0
            .iter()
            .flatten()
            .all(|people| people.contains(&account))
    }

    /// Returns the same people without those for whom `leaves` is true.
    #[must_use]
    pub fn without(&self, leaves: impl Fn(AccountId) -> bool) -> Self {
        let mut rest = self.clone();
        for people in rest.0.iter_mut().flatten() {
            people.retain(|account| !leaves(*account));
        }
        rest
    }
}

impl FromIterator<Option<HashSet<AccountId>>> for StagePeople {
    fn from_iter<I: IntoIterator<Item = Option<HashSet<AccountId>>>>(stages: I) -> Self {
        Self(stages.into_iter().collect())
    }
}
