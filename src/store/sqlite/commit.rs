//! The commit of a group: one transaction and one sync.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::watch;
use tokio::time::sleep;

use super::cache::Cache;
use super::checkpoint::Checkpointer;
use super::error::{failed, is_fatal};
use super::place::Files;
use super::statements;
use super::versions::state;
use crate::domain::error::Error;
use crate::domain::version::Version;
use crate::record::{Hash, Head};
use crate::store::draft::{ChangeDraft, LastEvents};
use crate::store::queue::{CommitGroup, Failure, Outcome};
use crate::store::{Commit, Record};
use crate::time::Deadline;

/// The connection that writes.
pub(super) struct Writer {
    // Before the connection, which is the last one to close.
    checkpointer: Checkpointer,
    connection: Connection,
    /// Set by any part of the store that fails for good.
    fail: Arc<watch::Sender<bool>>,
    files: Arc<Files>,
    head: Head,
    cache: Arc<Cache>,
}

impl Writer {
    /// Continues the record in the store.
    pub(super) fn new(
        path: &Path,
        connection: Connection,
        files: Arc<Files>,
        fail: Arc<watch::Sender<bool>>,
        cache: Arc<Cache>,
    ) -> Result<Self, Error> {
        let head = connection
            .query_row("SELECT sequence, hash FROM head", [], |row| {
                Ok(Head {
                    sequence: row.get(0)?,
                    hash: Hash(row.get(1)?),
                })
            })
            .map_err(failed)?;
        Ok(Self {
            checkpointer: Checkpointer::start(path, fail.clone())?,
            connection,
            fail,
            files,
            head,
            cache,
        })
    }

    /// Writes a group in one transaction. The head moves only after the commit.
    fn write(&mut self, group: &[ChangeDraft]) -> rusqlite::Result<Vec<Outcome>> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut head = self.head;
        let mut outcomes = Vec::with_capacity(group.len());
        for change in group {
            outcomes.push(write(&transaction, &mut head, change)?);
        }
        let has_written = group
            .iter()
            .zip(&outcomes)
            .any(|(change, outcome)| outcome.is_committed() && !change.is_empty());
        if has_written {
            transaction
                .prepare_cached("UPDATE head SET sequence = ?1, hash = ?2")?
                .execute(params![head.sequence, head.hash.0])?;
            transaction.commit()?;
            self.head = head;
        }
        Ok(outcomes)
    }

    /// Compares the cache with the file where a change expected another version. A caller that lost a race finds the cache
    /// up to date. If another program has written to the file, the cache is not.
    fn check_cache(&self, group: &[ChangeDraft], outcomes: &[Outcome]) {
        for (change, outcome) in group.iter().zip(outcomes) {
            if *outcome == Outcome::Commit(Commit::Conflict) {
                for (key, _) in &change.expects {
                    // What cannot be read is not kept in memory.
                    let version = match state(&self.connection, *key) {
                        Ok(found) => found.version,
                        Err(_) => Version::ABSENT,
                    };
                    self.cache.check(*key, version);
                }
            }
        }
    }

    /// Commits a transaction that writes a page and changes nothing.
    fn probe(&mut self) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("UPDATE head SET sequence = sequence", [])?;
        transaction.commit()
    }

    /// Fails if another part of the store has failed for good.
    fn verify_running(&self) -> Result<(), Failure> {
        if *self.fail.borrow() {
            Err(Failure::Fatal)
        } else {
            Ok(())
        }
    }

    /// Fails if SQLite can no longer find the committed log under its name.
    fn verify_files(&self) -> Result<(), Failure> {
        self.files.verify().map_err(|error| self.give_up(error))
    }

    fn failure(&self, error: rusqlite::Error) -> Failure {
        if is_fatal(&error) {
            self.give_up(failed(error))
        } else {
            Failure::Refused(error.to_string())
        }
    }

    fn give_up(&self, error: Error) -> Failure {
        tracing::error!(
            cause = error.cause,
            "the store failed; nothing more is written"
        );
        self.fail.send_replace(true);
        Failure::Fatal
    }
}

impl CommitGroup for Writer {
    async fn commit(&mut self, group: &[ChangeDraft]) -> Result<Vec<Outcome>, Failure> {
        self.verify_running()?;
        if let Err(error) = self.checkpointer.keep_up(&self.connection) {
            return Err(self.failure(error));
        }
        let outcomes = match self.write(group) {
            Ok(outcomes) => outcomes,
            Err(error) => return Err(self.failure(error)),
        };
        if outcomes.iter().any(|outcome| outcome.is_committed()) {
            self.verify_files()?;
            self.cache.apply(committed(group, &outcomes));
        }
        self.check_cache(group, &outcomes);
        self.checkpointer.count(outcomes.len());
        Ok(outcomes)
    }

    async fn news(&mut self, is_ready: bool) -> Result<bool, Failure> {
        if is_ready {
            // Only a commit can find out otherwise.
            std::future::pending::<()>().await;
        }
        sleep(PROBE_EVERY).await;
        self.verify_running()?;
        if let Err(error) = self.probe() {
            return match self.failure(error) {
                Failure::Fatal => Err(Failure::Fatal),
                _ => Ok(false),
            };
        }
        self.verify_files()?;
        Ok(true)
    }

    /// Lets SQLite move the log into the file and delete it, which the connection that closes last does. After a
    /// failure the log stays, and the next start reads it.
    fn close(&mut self) {
        if !*self.fail.borrow() {
            let _ = self
                .connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
    }
}

/// Returns the records of the changes that are durable.
fn committed<'a>(
    group: &'a [ChangeDraft],
    outcomes: &'a [Outcome],
) -> impl Iterator<Item = &'a (Record, Version)> {
    let changes = group.iter().zip(outcomes);
    changes
        .filter(|(_, outcome)| outcome.is_committed())
        .flat_map(|(change, _)| &change.puts)
}

fn write(
    connection: &Connection,
    head: &mut Head,
    change: &ChangeDraft,
) -> rusqlite::Result<Outcome> {
    if change.deadline.is_some_and(Deadline::passed) {
        return Ok(Outcome::TooLate);
    }
    let mut last = LastEvents::default();
    for (key, expected) in &change.expects {
        let found = state(connection, *key)?;
        if found.version != *expected {
            return Ok(Outcome::Commit(Commit::Conflict));
        }
        if let Some(since) = found.since {
            last.found(*key, since);
        }
    }
    for draft in &change.events {
        let header = draft.seal(head);
        let previous = last.append(draft.event().subject, header.sequence);
        statements::put_event(connection, &header, previous, draft)?;
    }
    for (number, (record, version)) in change.puts.iter().enumerate() {
        let since = last.of(record.key()).unwrap_or(head.sequence);
        statements::put(connection, record, *version, since, number)?;
    }
    for alarm in &change.spent {
        statements::sweep(connection, *alarm)?;
    }
    Ok(Outcome::Commit(Commit::Committed {
        sequence: head.sequence,
    }))
}

const PROBE_EVERY: Duration = Duration::from_secs(2);
