//! Accounts, groups, and how their names compare.

use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::error::Error;
use super::id::{ACCOUNTS, AccountId, GROUPS, PrincipalId};
use super::text;

/// Who calls, and whom a role names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// The UUIDv5 of the normalised name.
    pub id: AccountId,
    /// The name as it was given, `DOMAIN\user`.
    pub name: String,
}

impl Account {
    /// The account of that name: `DOMAIN\user`, one backslash with something on either side, 3 to 256 characters.
    pub fn named(name: &str) -> Result<Self, Error> {
        text::name(name, LONGEST_NAME)?;
        match name.split_once('\\') {
            Some((domain, user)) if !domain.is_empty() && !user.is_empty() && !user.contains('\\') => {
                Ok(Self { id: AccountId(named_id(&ACCOUNTS, name)), name: name.to_owned() })
            }
            _ => Err(Error::invalid("The name of an account has the form DOMAIN\\user.")),
        }
    }

    /// The name without its domain.
    pub fn user(&self) -> &str {
        self.name.split_once('\\').map_or(&self.name, |(_, user)| user)
    }
}

/// A set of accounts that the directory knows by a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// The UUIDv5 of the normalised name, in the namespace of groups.
    pub id: PrincipalId,
    /// The name as it was given.
    pub name: String,
}

impl Group {
    /// The group of that name, 1 to 256 characters.
    pub fn named(name: &str) -> Result<Self, Error> {
        text::name(name, LONGEST_NAME)?;
        Ok(Self { id: PrincipalId(named_id(&GROUPS, name)), name: name.to_owned() })
    }
}

/// Somebody a role names: one account, or everybody in a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Principal {
    /// One account.
    Account(Account),
    /// Everybody in the group.
    Group(Group),
}

impl Principal {
    /// What rights are compared by.
    pub fn id(&self) -> PrincipalId {
        match self {
            Self::Account(account) => account.id.into(),
            Self::Group(group) => group.id,
        }
    }
}

/// The one form in which names compare: Unicode NFKC, then full case folding, and NFKC again, since folding can leave
/// letters and their accents apart.
fn normalised(name: &str) -> String {
    let composed: String = name.nfkc().collect();
    unicase::UniCase::unicode(composed).to_folded_case().nfkc().collect()
}

fn named_id(namespace: &Uuid, name: &str) -> Uuid {
    Uuid::new_v5(namespace, normalised(name).as_bytes())
}

const LONGEST_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_one_account() {
        let jen = Account::named("PRIV\\jen").unwrap();
        for name in ["priv\\JEN", "Priv\\Jen", "ＰＲＩＶ\\ｊｅｎ"] {
            assert_eq!(Account::named(name).unwrap().id, jen.id, "{name}");
        }
        for name in ["PRIV\\jen2", "CORP\\jen", "PRIV\\jén"] {
            assert_ne!(Account::named(name).unwrap().id, jen.id, "{name}");
        }
        assert_eq!(
            Account::named("PRIV\\STRASSE").unwrap().id,
            Account::named("priv\\straße").unwrap().id,
            "full folding, not lower case"
        );
    }

    #[test]
    fn accents_may_stand_beside_their_letters() {
        for (one, other) in
            [("\u{390}", "\u{3aa}\u{301}"), ("\u{1f0}\u{323}", "J\u{323}\u{30c}"), ("é", "E\u{301}")]
        {
            let [one, other] = [one, other].map(|name| Account::named(&format!("PRIV\\{name}")).unwrap());
            assert_eq!(one.id, other.id, "{}", one.name);
        }
    }

    #[test]
    fn the_id_of_a_name_never_changes() {
        let jen = Account::named("PRIV\\jen").unwrap();
        assert_eq!(jen.id.to_string(), "e9010058-c10c-542f-b64c-39d40597ca35");
    }

    #[test]
    fn a_group_is_never_an_account() {
        let account = Principal::Account(Account::named("PRIV\\ops").unwrap());
        let group = Principal::Group(Group::named("PRIV\\ops").unwrap());
        assert_ne!(account.id(), group.id());
    }

    #[test]
    fn a_name_has_a_domain_and_a_user() {
        for bad in ["jen", "\\jen", "PRIV\\", "PRIV\\jen\\x", "", "PRIV\\j\nen"] {
            assert!(Account::named(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_user_stands_behind_the_domain() {
        assert_eq!(Account::named("PRIV\\jen").unwrap().user(), "jen");
    }

    #[test]
    fn a_name_has_at_most_256_characters() {
        let long = format!("PRIV\\{}", "é".repeat(251));
        assert!(Account::named(&long).is_ok());
        assert!(Account::named(&format!("{long}é")).is_err());
        assert!(Group::named(&"g".repeat(256)).is_ok());
        assert!(Group::named(&"g".repeat(257)).is_err());
    }
}
