//! The caller, as every rule sees it.

use std::collections::HashSet;

use super::account::{Account, Group, Principal};
use super::id::PrincipalId;

/// An authenticated caller.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account.
    pub account: Account,
    /// The groups that the credentials or the directory vouch for.
    pub groups: Vec<Group>,
    /// Whether the configuration names the account as an administrator. It never helps to approve anything.
    pub administrator: bool,
    /// Whether the configuration names the account as one that may read the metrics. It helps to do nothing else.
    pub monitor: bool,
    /// The credentials, by a name that gives nothing away, for the record.
    pub credential: String,
    principals: Principals,
}

impl Caller {
    /// Returns the caller with that account and those groups, without the right of a monitor.
    pub fn new(
        account: Account,
        groups: Vec<Group>,
        administrator: bool,
        credential: String,
    ) -> Self {
        let principals = Principals::new(&account, &groups);
        Self {
            account,
            groups,
            administrator,
            monitor: false,
            credential,
            principals,
        }
    }

    /// Returns all principals of the caller.
    pub fn principals(&self) -> &Principals {
        &self.principals
    }
}

/// All principals of an account: itself and its groups.
#[derive(Clone, Debug)]
pub struct Principals(HashSet<PrincipalId>);

impl Principals {
    /// Returns the principals of an account with those groups.
    pub fn new(account: &Account, groups: &[Group]) -> Self {
        Self(
            groups
                .iter()
                .map(|group| group.id)
                .chain([account.id.into()])
                .collect(),
        )
    }

    /// Returns the first of the named principals that is among them.
    pub fn any_of<'a>(&self, named: &'a [Principal]) -> Option<&'a Principal> {
        named
            .iter()
            .find(|principal| self.0.contains(&principal.id()))
    }

    /// Returns the ids, in no order.
    pub fn iter(&self) -> impl Iterator<Item = PrincipalId> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_counts_as_an_account_and_as_its_groups() {
        let (jen, kim) = (
            Account::named("PRIV\\jen").unwrap(),
            Account::named("PRIV\\kim").unwrap(),
        );
        let [ops, dba] = ["ops", "dba"].map(|name| Group::named(name).unwrap());
        let caller = Caller::new(jen.clone(), vec![ops.clone()], false, "bearer:1".into());
        let ids: HashSet<PrincipalId> = caller.principals().iter().collect();
        assert_eq!(ids, HashSet::from([jen.id.into(), ops.id]));
        let [jen, ops, kim, dba] = [
            Principal::Account(jen),
            Principal::Group(ops),
            Principal::Account(kim),
            Principal::Group(dba),
        ];
        let named = [kim.clone(), ops.clone(), jen];
        assert_eq!(
            caller.principals().any_of(&named),
            Some(&ops),
            "the first one named"
        );
        assert_eq!(caller.principals().any_of(&[kim, dba]), None);
    }
}
