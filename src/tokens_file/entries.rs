//! The entries of a tokens file.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;
use std::{fs, io};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::domain::account::{Account, Group};
use crate::domain::error::Error;
use crate::domain::id::{AccountId, PrincipalId};
use crate::domain::moment::Moment;

/// The entries of a tokens file, by id, account and group.
#[derive(Debug, Default)]
pub struct Entries {
    by_id: HashMap<String, Token>,
    by_account: HashMap<AccountId, Vec<String>>,
    by_group: HashMap<PrincipalId, Vec<String>>,
}

/// One token.
#[derive(Debug)]
pub struct Token {
    /// The hash of the secret.
    pub sha256: [u8; 32],
    /// The account that the token belongs to.
    pub account: Account,
    /// The groups that the entry names.
    pub groups: Vec<Group>,
    expires: Option<Moment>,
}

impl Token {
    /// Whether the token is no longer valid at `now`.
    pub fn expired(&self, now: Moment) -> bool {
        match self.expires {
            Some(expires) => expires <= now,
            None => false,
        }
    }
}

impl Entries {
    /// Reads a tokens file.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let mut entries = Self::default();
        for entry in parse(&content(path)?)?.token {
            entries.insert(entry)?;
        }
        Ok(entries)
    }

    /// The number of tokens.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Returns the token with an id, valid or not.
    pub fn get(&self, id: &str) -> Option<&Token> {
        self.by_id.get(id)
    }

    /// Returns the valid tokens of an account.
    pub fn of_account(&self, account: AccountId, now: Moment) -> impl Iterator<Item = &Token> {
        self.valid(self.by_account.get(&account), now)
    }

    /// Returns the valid tokens whose entries name a group.
    pub fn of_group(&self, group: PrincipalId, now: Moment) -> impl Iterator<Item = &Token> {
        self.valid(self.by_group.get(&group), now)
    }

    /// Returns the number of tokens that are valid at `now` and no longer valid at `end`.
    pub fn expiring(&self, now: Moment, end: Moment) -> usize {
        self.by_id
            .values()
            .filter(|token| !token.expired(now) && token.expired(end))
            .count()
    }

    /// Returns the ids of the expired tokens, sorted.
    pub(super) fn expired(&self, now: Moment) -> Vec<String> {
        let expired = self.by_id.iter().filter(|(_, token)| token.expired(now));
        let mut ids: Vec<String> = expired.map(|(id, _)| id.clone()).collect();
        ids.sort();
        ids
    }

    fn valid<'a>(
        &'a self,
        ids: Option<&'a Vec<String>>,
        now: Moment,
    ) -> impl Iterator<Item = &'a Token> {
        let tokens = ids
            .into_iter()
            .flatten()
            .filter_map(|id| self.by_id.get(id));
        tokens.filter(move |token| !token.expired(now))
    }

    fn insert(&mut self, entry: Entry) -> Result<(), Error> {
        let (id, token) = entry.token()?;
        self.by_account
            .entry(token.account.id)
            .or_default()
            .push(id.clone());
        for group in &token.groups {
            self.by_group.entry(group.id).or_default().push(id.clone());
        }
        if self.by_id.contains_key(&id) {
            return Err(malformed(&id, "Another entry has the same id."));
        }
        self.by_id.insert(id, token);
        Ok(())
    }
}

/// The file as it is written.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    #[serde(default)]
    pub(super) token: Vec<Entry>,
}

/// An entry as it is written.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// 16 hexadecimal digits.
    pub(super) id: String,
    /// The hash of the secret, in base64url.
    pub(super) sha256: String,
    pub(super) account: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) groups: Vec<String>,
    pub(super) created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<String>,
}

impl Entry {
    /// Returns the id and the token.
    fn token(self) -> Result<(String, Token), Error> {
        let id = self.id;
        let account = Account::named(&self.account).map_err(|error| malformed(&id, error))?;
        let mut groups = Vec::new();
        for group in &self.groups {
            groups.push(Group::named(group).map_err(|error| malformed(&id, error))?);
        }
        let sha256 = match URL_SAFE_NO_PAD.decode(&self.sha256).map(TryInto::try_into) {
            Ok(Ok(sha256)) => sha256,
            _ => return Err(malformed(&id, "The hash must be 32 bytes in base64url.")),
        };
        let expires = match &self.expires {
            Some(expires) => {
                Some(Moment::read(expires, None).map_err(|error| malformed(&id, error))?)
            }
            None => None,
        };
        let token = Token {
            sha256,
            account,
            groups,
            expires,
        };
        Ok((id, token))
    }
}

/// Returns the text of the file. A file that does not exist counts as empty.
pub(super) fn content(path: &Path) -> Result<String, Error> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        text => text.map_err(Error::internal),
    }
}

/// Parses the text of a tokens file. The parser's own message quotes the line, so the error names only its number.
pub(super) fn parse(text: &str) -> Result<Contents, Error> {
    toml::from_str(text).map_err(|error| {
        let line = match error.span() {
            Some(span) => text[..span.start].lines().count().max(1),
            None => 1,
        };
        Error::internal(format!("the tokens file is malformed near line {line}"))
    })
}

fn malformed(id: &str, why: impl Display) -> Error {
    Error::internal(format!(
        "the entry {id:?} of the tokens file is malformed: {why}"
    ))
}
