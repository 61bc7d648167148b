//! The tokens file: bearer tokens, the accounts that they belong to, and the groups of those accounts.
//!
//! A token is `cst_<id>_<secret>`. The file holds the id and the SHA-256 of the secret, which has 256 random bits. So
//! neither the file nor a look-up by id reveals the secret. Deleting an entry revokes its token.

mod edit;
mod entries;
mod text;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::domain::account::Account;
use crate::domain::error::Error;
use crate::domain::moment::Moment;
pub use edit::{add, list, revoke};
pub use entries::{Entries, Token};
pub use text::{PREFIX, split};

/// A tokens file. It is checked for changes at most once a second, and read again when it has changed.
#[derive(Debug)]
pub struct TokensFile {
    path: PathBuf,
    /// Replaced when the file has changed, read by every request.
    snapshot: RwLock<Snapshot>,
    /// The time of the last check for changes, in ticks.
    checked_at: AtomicI64,
    /// Held during a check.
    checking: Mutex<()>,
}

impl TokensFile {
    /// Reads the file. A file that does not exist counts as empty.
    ///
    /// # Errors
    ///
    /// `Internal` if the file cannot be read or is malformed.
    pub fn open(path: &Path, now: Moment) -> Result<Self, Error> {
        Ok(Self {
            path: path.to_owned(),
            snapshot: RwLock::new(Snapshot::read(path)?),
            checked_at: AtomicI64::new(now.ticks()),
            checking: Mutex::new(()),
        })
    }

    /// Returns the entries, which are at most a second older than the file. A caller that arrives during a check waits for
    /// it.
    pub fn entries(&self, now: Moment) -> Arc<Entries> {
        if self.is_due(now) {
            let _turn = self.checking.lock().unwrap_or_else(PoisonError::into_inner);
            if self.is_due(now) {
                self.refresh();
                self.checked_at.store(now.ticks(), Ordering::Release);
            }
        }
        self.snapshot
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .entries
            .clone()
    }

    /// Whether a check for changes is due. It compares the distance in either direction, because a clock may go back.
    fn is_due(&self, now: Moment) -> bool {
        self.checked_at
            .load(Ordering::Acquire)
            .abs_diff(now.ticks())
            >= CHECK_INTERVAL
    }

    /// Reads the file again if it has changed.
    fn refresh(&self) {
        let snapshot = self.snapshot.read().unwrap_or_else(PoisonError::into_inner);
        let unchanged = snapshot.stamp == Stamp::of(&self.path);
        drop(snapshot);
        if !unchanged {
            self.load();
        }
    }

    /// Reads the file again, whether or not it has changed.
    pub fn reread(&self, now: Moment) {
        let _turn = self.checking.lock().unwrap_or_else(PoisonError::into_inner);
        self.load();
        self.checked_at.store(now.ticks(), Ordering::Release);
    }

    /// Reads the file. If that fails, the old entries stay and the log reports it, so that an editing mistake locks no
    /// caller out.
    fn load(&self) {
        match Snapshot::read(&self.path) {
            Ok(snapshot) => {
                tracing::info!(
                    tokens = snapshot.entries.len(),
                    "the tokens file was read again"
                );
                *self
                    .snapshot
                    .write()
                    .unwrap_or_else(PoisonError::into_inner) = snapshot;
            }
            Err(error) => {
                tracing::error!(
                    cause = error.cause,
                    "the tokens file cannot be read; the tokens stay as they were"
                );
            }
        }
    }

    /// Returns the ids of the expired tokens, sorted.
    pub fn expired(&self, now: Moment) -> Vec<String> {
        self.entries(now).expired(now)
    }

    /// Whether the account has a valid token.
    pub fn is_usable_by(&self, account: &Account, now: Moment) -> bool {
        self.entries(now)
            .of_account(account.id, now)
            .next()
            .is_some()
    }
}

/// The file at the time of the last read.
#[derive(Debug)]
struct Snapshot {
    entries: Arc<Entries>,
    stamp: Option<Stamp>,
}

impl Snapshot {
    fn read(path: &Path) -> Result<Self, Error> {
        // Taken before the text, so that the next check sees a change in between.
        let stamp = Stamp::of(path);
        let entries = Arc::new(Entries::read(path)?);
        Ok(Self { entries, stamp })
    }
}

/// The attributes of the file that change when the file does.
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

/// One second, in ticks.
const CHECK_INTERVAL: u64 = Moment::TICKS_PER_SECOND.unsigned_abs();
