//! Accounts, groups, and how their names compare.

use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::error::Error;
use super::id::{ACCOUNTS, AccountId, GROUPS, PrincipalId};
use super::text;

/// An account, which calls the services and which roles name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// The UUIDv5 of the normalised name.
    pub id: AccountId,
    /// The name as it was given, `DOMAIN\user`, in the normal form NFKC.
    pub name: String,
}

impl Account {
    /// Returns the account of a name `DOMAIN\user`: one backslash with text on either side, 3 to 256 characters.
    pub fn named(name: &str) -> Result<Self, Error> {
        let name = composed(name)?;
        match name.split_once('\\') {
            Some((domain, user))
                if !domain.is_empty() && !user.is_empty() && !user.contains('\\') =>
            {
                check_spaces(&name)?;
                Ok(Self {
                    id: AccountId(named_id(&ACCOUNTS, &name)),
                    name,
                })
            }
            _ => Err(Error::invalid(
                "The name of an account must have the form DOMAIN\\user.",
            )),
        }
    }

    /// Returns the name without its domain.
    pub fn user(&self) -> &str {
        self.name
            .split_once('\\')
            .map_or(&self.name, |(_, user)| user)
    }
}

/// A set of accounts that the directory knows by a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// The UUIDv5 of the normalised name, in the namespace of groups.
    pub id: PrincipalId,
    /// The name as it was given, in the normal form NFKC.
    pub name: String,
}

impl Group {
    /// Returns the group of that name, 1 to 256 characters.
    pub fn named(name: &str) -> Result<Self, Error> {
        let name = composed(name)?;
        check_spaces(&name)?;
        Ok(Self {
            id: PrincipalId(named_id(&GROUPS, &name)),
            name,
        })
    }
}

/// A principal that a role names: one account, or all members of a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Principal {
    /// One account.
    Account(Account),
    /// All members of the group.
    Group(Group),
}

impl Principal {
    /// Returns the id that rights are compared by.
    pub fn id(&self) -> PrincipalId {
        match self {
            Self::Account(account) => account.id.into(),
            Self::Group(group) => group.id,
        }
    }

    /// Returns the name, see [`Account::name`] and [`Group::name`].
    pub fn name(&self) -> &str {
        match self {
            Self::Account(account) => &account.name,
            Self::Group(group) => &group.name,
        }
    }
}

/// Returns the name in NFKC, which has only the plain backslash and, of the usual white space, only the plain space.
fn composed(name: &str) -> Result<String, Error> {
    text::name(name, LONGEST_NAME)?;
    let composed = name.nfkc().collect::<String>();
    text::name(&composed, LONGEST_NAME)?;
    Ok(composed)
}

/// Refuses hidden spaces: at the ends, next to the backslash, and next to another space.
fn check_spaces(name: &str) -> Result<(), Error> {
    if name
        .split('\\')
        .filter(|part| !part.is_empty())
        .any(has_hidden_spaces)
    {
        let message = "A name must not have white space at its ends, next to the backslash, or twice in a row.";
        return Err(Error::invalid(message));
    }
    Ok(())
}

fn has_hidden_spaces(part: &str) -> bool {
    part.split(' ')
        .any(|word| word.is_empty() || word.contains(char::is_whitespace))
}

/// Returns the id of a name in NFKC. Names compare after full case folding and another NFKC, since folding can separate
/// letters from their accents.
fn named_id(namespace: &Uuid, composed: &str) -> Uuid {
    let folded: String = unicase::UniCase::unicode(composed)
        .to_folded_case()
        .nfkc()
        .collect();
    Uuid::new_v5(namespace, folded.as_bytes())
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
        for (one, other) in [
            ("\u{390}", "\u{3aa}\u{301}"),
            ("\u{1f0}\u{323}", "J\u{323}\u{30c}"),
            ("é", "E\u{301}"),
        ] {
            let [one, other] =
                [one, other].map(|name| Account::named(&format!("PRIV\\{name}")).unwrap());
            assert_eq!(one.id, other.id, "{}", one.name);
        }
    }

    #[test]
    fn the_id_of_a_name_never_changes() {
        for (name, id) in [
            ("PRIV\\jen", "e9010058-c10c-542f-b64c-39d40597ca35"),
            ("CORP\\Jörg Müller", "766ffd52-83d2-584c-bd9d-2ed9daa029fc"),
            ("PRIV\\straße", "a4704958-2325-5eb2-ac67-a53adbfd0033"),
            (
                "corp.example.com\\svc-sql$",
                "988e56cd-93d5-555c-b3e3-8125e6f61b35",
            ),
            (
                "CORP\\O'Brien, Pat (ext.)",
                "d79235b4-a3d6-594e-9319-705d2fd23e3c",
            ),
            ("КОРП\\Анна", "70a7826a-8b42-5726-a17c-33cb0c9640f3"),
            ("社内\\管理者", "d62af360-79c2-5b59-9229-fbaaca18b779"),
        ] {
            assert_eq!(Account::named(name).unwrap().id.to_string(), id, "{name}");
        }
        for (name, id) in [
            ("SQL Owners", "8dbafde7-cb12-5fba-aad4-4f35c2588b34"),
            ("Domain Admins", "4bf79145-4579-589f-afe8-bbe446293269"),
            ("C++ & C# (ops)", "c636771f-eb6d-587c-a45e-ecf23fdc66e9"),
        ] {
            assert_eq!(Group::named(name).unwrap().id.to_string(), id, "{name}");
        }
    }

    #[test]
    fn names_are_normalised_before_they_are_split() {
        let jen = Account::named("PRIV\\jen").unwrap();
        for name in [
            "PRIV\u{ff3c}jen",
            "PRIV\u{fe68}jen",
            "ＰＲＩＶ\u{ff3c}ｊｅｎ",
        ] {
            let account = Account::named(name).unwrap();
            assert_eq!((account.id, &*account.name), (jen.id, &*jen.name), "{name}");
            assert_eq!(account.user(), "jen", "{name}");
        }
        for bad in ["PRIV\\jen\u{ff3c}x", "PRIV\u{ff3c}\\jen", "\u{ff3c}jen"] {
            assert!(Account::named(bad).is_err(), "{bad}");
        }
        let spaced = [
            Account::named("PRIV\\jen\u{a0}doe"),
            Account::named("PRIV\\jen doe"),
        ];
        assert_eq!(spaced[0].as_ref().unwrap(), spaced[1].as_ref().unwrap());
    }

    #[test]
    fn no_name_looks_like_another() {
        for bad in [
            " PRIV\\jen",
            "PRIV\\jen ",
            "PRIV\\ jen",
            "PRIV \\jen",
            "PRIV\\jen\u{a0}",
            "PRIV\\jen\u{3000}",
            "PRIV\\\u{2003}jen",
            "PRIV\\j\u{1680}en",
            "PRIV\\jen  doe",
            "PRIV\\jen \u{a0}doe",
            "PRIV\\\u{a8}jen",
            "PRIV\\j\u{ad}en",
            "PRIV\\jen\u{200b}",
            "PRIV\\j\u{200d}en",
            "\u{feff}PRIV\\jen",
            "PRIV\\\u{202e}nej",
            "PRIV\\jen\u{fe0f}",
            "PRIV\\\u{3164}",
            "PRIV\\jen\u{2800}",
            "PRIV\\jen\u{e0041}",
            "PRIV\\jen\u{ffa0}",
        ] {
            assert!(Account::named(bad).is_err(), "{bad:?}");
        }
        for bad in [
            " ops",
            "ops ",
            "PRIV\\ ops",
            "PRIV \\ops",
            "ops\u{a0}",
            "domain  ops",
            "o\u{200b}ps",
            "\u{202e}spo",
            " ",
            "\u{3164}",
        ] {
            assert!(Group::named(bad).is_err(), "{bad:?}");
        }
        assert!(Group::named("Domain Admins").is_ok());
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
