//! The tokens file: who may call with which bearer token, and in which groups they are.
//!
//! A token is `cst_<id>_<secret>`. The file holds the id and the SHA-256 of the secret, which has 256 random bits, so
//! that neither the file nor a look-up by id gives the secret away. Deleting an entry revokes its token.

mod edit;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Answer;
use crate::directory::Directory;
use crate::domain::account::{Account, Group, Principal};
use crate::domain::caller::{Caller, Principals};
use crate::domain::error::Error;
use crate::domain::id::{AccountId, PrincipalId};
use crate::domain::moment::Moment;
pub use edit::{add, list, revoke};

/// A tokens file, read again when it has changed; it is looked at once a second at most.
#[derive(Debug)]
pub struct TokensFile {
    path: PathBuf,
    named: Named,
    /// Written when the file has changed, read by every request.
    loaded: RwLock<Loaded>,
    /// When the file was last looked at, in ticks.
    looked_at: AtomicI64,
    /// Held by whoever looks at it.
    looking: Mutex<()>,
}

impl TokensFile {
    /// Reads the file; none is the same as an empty one. The configuration names administrators and monitors.
    pub fn open(
        path: &Path,
        administrators: &[Account],
        monitors: &[Account],
        now: Moment,
    ) -> Result<Self, Error> {
        let ids = |accounts: &[Account]| accounts.iter().map(|account| account.id).collect();
        let named = Named {
            administrators: ids(administrators),
            monitors: ids(monitors),
        };
        let loaded = Loaded::read(path, &named)?;
        Ok(Self {
            path: path.to_owned(),
            named,
            loaded: RwLock::new(loaded),
            looked_at: AtomicI64::new(now.ticks()),
            looking: Mutex::new(()),
        })
    }

    /// Whose token this is.
    pub fn verify(&self, token: &str, now: Moment) -> Answer {
        let Some((id, secret)) = split(token) else {
            return Answer::Failed("not a token of ours");
        };
        let hash: [u8; 32] = Sha256::digest(secret).into();
        let loaded = self.current(now);
        // An unknown id is compared too, so that it takes as long as a wrong secret.
        let entry = loaded.by_id.get(id);
        let expected = entry.map_or([0; 32], |entry| entry.sha256);
        let matches = bool::from(hash.ct_eq(&expected));
        match entry {
            Some(entry) if !matches || entry.expired(now) => {
                Answer::Failed("a wrong or expired token")
            }
            Some(entry) => Answer::Authenticated(entry.caller.clone()),
            None => Answer::Failed("an unknown token"),
        }
    }

    /// What the file holds, which is never more than a second older than the file. Whoever comes when it is time to look
    /// waits until somebody has.
    fn current(&self, now: Moment) -> Arc<Entries> {
        if self.is_due(now) {
            let _turn = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
            if self.is_due(now) {
                self.refresh();
                self.looked_at.store(now.ticks(), Ordering::Release);
            }
        }
        self.loaded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .entries
            .clone()
    }

    /// Whether it is time to look at the file; by the distance either way, because a clock may go back.
    fn is_due(&self, now: Moment) -> bool {
        self.looked_at.load(Ordering::Acquire).abs_diff(now.ticks()) >= LOOK_EVERY
    }

    /// Reads the file again if it has changed.
    fn refresh(&self) {
        if self
            .loaded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .stamp
            != Stamp::of(&self.path)
        {
            self.load();
        }
    }

    /// Reads the file again, now, whether or not it has changed.
    pub fn reread(&self, now: Moment) {
        let _turn = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        self.load();
        self.looked_at.store(now.ticks(), Ordering::Release);
    }

    /// What cannot be read leaves things as they were, and says so in the log, so that a slip of an editor locks nobody
    /// out.
    fn load(&self) {
        match Loaded::read(&self.path, &self.named) {
            Ok(loaded) => {
                tracing::info!(
                    tokens = loaded.entries.by_id.len(),
                    "the tokens file was read again"
                );
                *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
            }
            Err(error) => {
                tracing::error!(
                    cause = error.cause,
                    "the tokens file cannot be read; the tokens stay as they were"
                );
            }
        }
    }

    /// The ids of the tokens that have expired.
    pub fn expired(&self, now: Moment) -> Vec<String> {
        let entries = self.current(now);
        let expired = entries.by_id.iter().filter(|(_, token)| token.expired(now));
        let mut ids: Vec<String> = expired.map(|(id, _)| id.clone()).collect();
        ids.sort();
        ids
    }

    /// The number of tokens that are valid at `now` and no longer at `end`.
    pub fn expiring(&self, now: Moment, end: Moment) -> usize {
        let entries = self.current(now);
        entries
            .by_id
            .values()
            .filter(|token| !token.expired(now) && token.expired(end))
            .count()
    }

    /// Whether the account can call.
    pub fn is_usable_by(&self, account: &Account, now: Moment) -> bool {
        let entries = self.current(now);
        entries
            .valid(entries.by_account.get(&account.id), now)
            .next()
            .is_some()
    }
}

#[async_trait]
impl Directory for TokensFile {
    async fn principals(&self, account: &Account, now: Moment) -> Result<Principals, Error> {
        let loaded = self.current(now);
        let entries = loaded.valid(loaded.by_account.get(&account.id), now);
        let groups: Vec<Group> = entries
            .flat_map(|entry| entry.caller.groups.iter().cloned())
            .collect();
        Ok(Principals::new(account, &groups))
    }

    async fn members(
        &self,
        named: &[Principal],
        most: usize,
        now: Moment,
    ) -> Result<Option<HashSet<AccountId>>, Error> {
        let loaded = self.current(now);
        let mut members = HashSet::new();
        for principal in named {
            let tokens = match principal {
                Principal::Account(account) => loaded.by_account.get(&account.id),
                Principal::Group(group) => loaded.by_group.get(&group.id),
            };
            for token in loaded.valid(tokens, now) {
                if members.len() >= most {
                    break;
                }
                members.insert(token.caller.account.id);
            }
        }
        Ok(Some(members))
    }
}

/// The id and the secret of a token.
fn split(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_at_checked(ID_LENGTH)?;
    Some((id, secret.strip_prefix('_')?))
}

/// The text of the file; none is the same as an empty one.
fn text(path: &Path) -> Result<String, Error> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        text => text.map_err(Error::internal),
    }
}

/// Reads the text of a tokens file. The parser's own message quotes the line, so only its place is told.
fn parse(text: &str) -> Result<Contents, Error> {
    toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map(|span| text[..span.start].lines().count().max(1));
        Error::internal(format!(
            "the tokens file is malformed near line {}",
            line.unwrap_or(1)
        ))
    })
}

/// The file as it is written.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// 16 hexadecimal digits.
    id: String,
    /// The hash of the secret, in base64url.
    sha256: String,
    account: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

/// Whom the configuration names.
#[derive(Debug)]
struct Named {
    administrators: HashSet<AccountId>,
    monitors: HashSet<AccountId>,
}

/// The file as it was when it was last read.
#[derive(Debug)]
struct Loaded {
    entries: Arc<Entries>,
    stamp: Option<Stamp>,
}

#[derive(Debug, Default)]
struct Entries {
    by_id: HashMap<String, Token>,
    by_account: HashMap<AccountId, Vec<String>>,
    by_group: HashMap<PrincipalId, Vec<String>>,
}

#[derive(Debug)]
struct Token {
    sha256: [u8; 32],
    caller: Arc<Caller>,
    expires: Option<Moment>,
}

impl Token {
    fn expired(&self, now: Moment) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// What changes when the file does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    modified: (i64, i64),
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Some(Self {
            modified,
            length: metadata.len(),
            inode: metadata.ino(),
        })
    }
}

impl Loaded {
    fn read(path: &Path, named: &Named) -> Result<Self, Error> {
        // Before the text, so that a change in between is seen the next time.
        let stamp = Stamp::of(path);
        let contents = parse(&text(path)?)?;
        let mut entries = Entries::default();
        for entry in contents.token {
            entries.insert(entry, named)?;
        }
        Ok(Self {
            entries: Arc::new(entries),
            stamp,
        })
    }
}

impl Entries {
    /// Those of some tokens that are valid.
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

    fn insert(&mut self, entry: Entry, named: &Named) -> Result<(), Error> {
        let account =
            Account::named(&entry.account).map_err(|error| malformed(&entry.id, error))?;
        let groups: Result<Vec<Group>, _> = entry
            .groups
            .iter()
            .map(|group| Group::named(group))
            .collect();
        let hash = URL_SAFE_NO_PAD
            .decode(&entry.sha256)
            .map_err(|_| malformed(&entry.id, HASH))?;
        let expires = match &entry.expires {
            Some(expires) => {
                Some(Moment::read(expires, None).map_err(|error| malformed(&entry.id, error))?)
            }
            None => None,
        };
        let administrator = named.administrators.contains(&account.id);
        let monitor = named.monitors.contains(&account.id);
        self.by_account
            .entry(account.id)
            .or_default()
            .push(entry.id.clone());
        let groups = groups.map_err(|error| malformed(&entry.id, error))?;
        for group in &groups {
            self.by_group
                .entry(group.id)
                .or_default()
                .push(entry.id.clone());
        }
        let mut caller = Caller::new(
            account,
            groups,
            administrator,
            format!("bearer:{}", entry.id),
        );
        caller.monitor = monitor;
        let token = Token {
            sha256: hash.try_into().map_err(|_| malformed(&entry.id, HASH))?,
            caller: Arc::new(caller),
            expires,
        };
        match self.by_id.insert(entry.id.clone(), token) {
            None => Ok(()),
            Some(_) => Err(malformed(&entry.id, "Another entry has the same id.")),
        }
    }
}

fn malformed(id: &str, why: impl std::fmt::Display) -> Error {
    Error::internal(format!(
        "the entry {id:?} of the tokens file is malformed: {why}"
    ))
}

const HASH: &str = "The hash must be 32 bytes in base64url.";
const ID_LENGTH: usize = 16;
const LOOK_EVERY: u64 = 10_000_000;
const PREFIX: &str = "cst_";
