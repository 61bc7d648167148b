//! The connection that commits: one transaction for each group.
//!
//! A transaction is READ COMMITTED, and that is enough. It locks the row of the head before it reads, and so does every
//! writer of every node: until its end no other node writes. A statement of a READ COMMITTED transaction sees
//! everything that was committed before the statement began. So the versions, read after the lock, are those that the
//! last writer left, and they do not change. A transaction of a higher level would see the moment before it waited for
//! the lock.

use std::cell::Cell;
use std::time::Duration;

use tokio::join;
use tokio::time::timeout;
use tokio_postgres::{Error, Row, Statement};
use tracing::debug;

use super::advice;
use super::connect::Connector;
use super::connection::Connection;
use super::error::{aborts, failed, is_passing, is_refusal};
use super::plan::Plan;
use super::skew::Skew;
use super::statements::WriteStatements;
use super::versions::{RecordVersions, VersionStatements};
use crate::domain::error::Error as Unavailable;
use crate::domain::moment::Moment;
use crate::record::{Hash, Head};
use crate::store::draft::ChangeDraft;
use crate::store::queue::{Failure, Outcome};

/// The reason why a group was not committed.
#[derive(Debug)]
pub(super) enum CommitFailure {
    /// A statement was refused. Nothing was written, and the connection can be used again.
    Refused(Error),
    /// Nothing was written, and the connection cannot be used again.
    Lost(Unavailable),
    /// The commit was sent, and its response did not arrive or cannot be relied on.
    Unknown(PossibleCommit),
}

impl From<CommitFailure> for Failure {
    fn from(failure: CommitFailure) -> Self {
        match failure {
            CommitFailure::Refused(error) if is_passing(&error) => {
                Self::Unavailable(advice::sentence(&error))
            }
            CommitFailure::Refused(error) => Self::Refused(advice::sentence(&error)),
            CommitFailure::Lost(error) => Self::Unavailable(match error.cause {
                Some(cause) => cause.to_string(),
                None => error.message.into_owned(),
            }),
            CommitFailure::Unknown(_) => {
                Self::Unavailable("the outcome of a commit is not known".to_owned())
            }
        }
    }
}

/// The facts that a transaction reads under the lock, before it decides a group.
struct Basis {
    head: Head,
    known: RecordVersions,
    /// The time of the database's clock.
    time: Moment,
}

/// A commit whose outcome is unknown.
#[derive(Debug)]
pub(super) struct PossibleCommit {
    /// The end of the record if it went through. Its hash covers every event of the group. `None` if the group wrote
    /// rows without an event: the record does not show whether it went through.
    pub(super) head: Option<Head>,
    /// The outcomes of its changes if it went through.
    pub(super) outcomes: Vec<Outcome>,
}

impl From<Plan<'_>> for PossibleCommit {
    fn from(plan: Plan<'_>) -> Self {
        let is_in_record = !plan.events.is_empty() || !plan.writes();
        Self {
            head: is_in_record.then_some(plan.head),
            outcomes: plan.outcomes,
        }
    }
}

/// The connection, with its prepared statements.
pub(super) struct CommitConnection {
    connector: Connector,
    connection: Connection,
    lock: Statement,
    header: Statement,
    time: Statement,
    versions: VersionStatements,
    puts: WriteStatements,
}

impl CommitConnection {
    /// Connects to the first host that takes writes.
    pub(super) async fn open(connector: &Connector) -> Result<Self, Unavailable> {
        let connection = connector.connect(SESSION).await?;
        let client = &connection.client;
        // The configuration of a server or a role may let a commit return before it is durable.
        let durable = client.query_typed_one(DURABLE, &[]).await.map_err(failed)?;
        if !DURABLE_VALUES.contains(&durable.try_get::<_, &str>(0).map_err(failed)?) {
            return Err(Unavailable::internal(
                "the store cannot be set to synchronous_commit = on",
            ));
        }
        Ok(Self {
            lock: client.prepare(LOCK).await.map_err(failed)?,
            header: client.prepare(HEADER).await.map_err(failed)?,
            time: client.prepare(TIME).await.map_err(failed)?,
            versions: VersionStatements::prepare(client).await.map_err(failed)?,
            puts: WriteStatements::prepare(client).await.map_err(failed)?,
            connector: connector.clone(),
            connection,
        })
    }

    /// Returns whether the connection is closed.
    pub(super) fn is_lost(&self) -> bool {
        self.connection.client.is_closed()
    }

    /// Completes when the connection is lost.
    pub(super) async fn lost(&mut self) {
        self.connection.lost().await;
    }

    /// Reads the database's clock. Returns `None` if the server does not respond; then its connections are given up.
    pub(super) async fn time(&self) -> Option<Result<Moment, Error>> {
        let row = timeout(
            CHECK_TIME,
            self.connection.client.query_one(&self.time, &[]),
        )
        .await;
        if row.is_err() {
            self.connector.give_up(self.connection.age);
        }
        row.ok().map(|row| read_time(&row?))
    }

    /// Commits a transaction that changes nothing, and returns whether that succeeded. The lock on the head is a write:
    /// its commit waits for the sync and for the standby. One statement, so that it can be given up halfway.
    pub(super) async fn probe(&self) -> Result<bool, CommitFailure> {
        // Earlier warnings are not about this commit.
        self.connection.warned();
        let locked = self.in_time(self.connection.client.query_one(&self.lock, &[]));
        match locked.await? {
            Ok(_) => Ok(!self.connection.warned()),
            Err(error) if is_refusal(&error) => Ok(false),
            Err(error) => Err(lost(error)),
        }
    }

    /// Writes the first changes of a group in one transaction, and returns their outcomes. Writes nothing while this
    /// node's clock is too far from the database's.
    pub(super) async fn commit(
        &self,
        group: &[ChangeDraft],
        skew: Option<&Skew>,
    ) -> Result<Vec<Outcome>, CommitFailure> {
        let Basis { head, known, time } = match self.in_time(self.begin(group)).await? {
            Ok(basis) => basis,
            Err(error) => return Err(self.rolled_back(error).await),
        };
        if skew.is_some_and(|skew| !skew.allows(time)) {
            self.roll_back().await?;
            return Ok(vec![Outcome::Skewed; group.len()]);
        }
        let plan = Plan::of(group, head, known);
        if !plan.commits() {
            self.roll_back().await?;
            return Ok(plan.outcomes);
        }
        let roles = self.puts.write_roles(&self.connection.client, &plan);
        if let Err(error) = self.in_time(roles).await? {
            return Err(self.rolled_back(error).await);
        }
        // Without rows the lock on the head is the write: it is in the log, so the commit waits for the standby.
        let is_committed = if plan.writes() {
            self.write_and_end(&plan).await?
        } else {
            self.end().await
        };
        if is_committed {
            Ok(plan.outcomes)
        } else {
            Err(CommitFailure::Unknown(PossibleCommit::from(plan)))
        }
    }

    /// Writes the rows and commits, all in one flight. Returns whether the commit is known to have succeeded.
    ///
    /// A statement that fails aborts the transaction. Then the server rolls back at the COMMIT, and reports a success
    /// nevertheless. So the response to COMMIT counts only after a success of every statement before it. If one of them
    /// could not be sent, COMMIT is not sent either.
    async fn write_and_end(&self, plan: &Plan<'_>) -> Result<bool, CommitFailure> {
        let client = &self.connection.client;
        // Earlier warnings are not about this commit.
        self.connection.warned();
        let failed = Cell::new(false);
        let write = async {
            let written = self.puts.write(client, plan).await;
            failed.set(written.is_err());
            written
        };
        let end = async {
            // `join` polls this for the first time after it has polled `write`.
            if failed.get() {
                return None;
            }
            Some(client.batch_execute("COMMIT").await)
        };
        let flight = self.in_time(async { join!(biased; write, end) });
        let Ok((written, ended)) = flight.await else {
            return Ok(false);
        };
        match (written, ended) {
            (Ok(()), Some(Ok(()))) => Ok(!self.connection.warned()),
            (Err(error), ended) if aborts(&error) || ended.is_none() => {
                debug!(%error, "a group is rolled back");
                // After a response to COMMIT there is no transaction, so the connection can be used again.
                if is_refusal(&error) && matches!(ended, Some(Ok(()))) {
                    Err(CommitFailure::Refused(error))
                } else {
                    Err(lost(error))
                }
            }
            _ => Ok(false),
        }
    }

    async fn roll_back(&self) -> Result<(), CommitFailure> {
        let ended = self.in_time(self.connection.client.batch_execute("ROLLBACK"));
        ended.await?.map_err(lost)
    }

    /// Returns whether the record ends with `head` or continues it: whether a commit with an unknown outcome went
    /// through. The lock waits until that commit has ended. The lock is a write, so its own commit waits for the
    /// standby that the first commit should have waited for. When it is durable there, everything before it is durable
    /// too.
    pub(super) async fn holds(&self, head: Head) -> Result<bool, CommitFailure> {
        let found = match self.in_time(self.look_up(head)).await? {
            Ok(found) => found,
            Err(error) => return Err(self.rolled_back(error).await),
        };
        if !self.end().await {
            return Err(CommitFailure::Lost(Unavailable::unavailable(
                "the outcome of a commit cannot be looked up",
            )));
        }
        Ok(found)
    }

    /// Begins, locks the head, and reads the versions and the time. All statements are sent together.
    async fn begin(&self, group: &[ChangeDraft]) -> Result<Basis, Error> {
        let client = &self.connection.client;
        let keys = group
            .iter()
            .flat_map(|change| &change.expects)
            .map(|(key, _)| *key);
        let (begun, head, known, time) = join!(
            biased;
            client.batch_execute(BEGIN),
            client.query_one(&self.lock, &[]),
            self.versions.read(client, keys),
            client.query_one(&self.time, &[]),
        );
        begun?;
        Ok(Basis {
            head: read_head(&head?)?,
            known: known?,
            time: read_time(&time?)?,
        })
    }

    async fn look_up(&self, head: Head) -> Result<bool, Error> {
        let client = &self.connection.client;
        let (begun, locked, header) = join!(
            biased;
            client.batch_execute(BEGIN),
            client.query_one(&self.lock, &[]),
            async { client.query_opt(&self.header, &[&head.sequence.cast_signed()]).await },
        );
        begun?;
        locked?;
        let header = header?
            .map(|row| row.try_get::<_, Vec<u8>>(0))
            .transpose()?;
        Ok(header.is_some_and(|header| Hash::of(&header) == head.hash))
    }

    /// Commits, and returns whether that is known to have succeeded.
    async fn end(&self) -> bool {
        // Earlier warnings are not about this commit.
        self.connection.warned();
        let ended = self
            .in_time(self.connection.client.batch_execute("COMMIT"))
            .await;
        matches!(ended, Ok(Ok(()))) && !self.connection.warned()
    }

    /// Waits for a response. Fails if the server is silent, or if the response takes longer than any statement may.
    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, CommitFailure> {
        let answer = timeout(MOST_TIME, async {
            tokio::select! {
                biased;
                answer = answer => Some(answer),
                () = self.connector.silent(self.connection.host, self.connection.age) => None,
            }
        });
        let none = || CommitFailure::Lost(Unavailable::unavailable("the store does not answer"));
        answer.await.ok().flatten().ok_or_else(none)
    }

    /// Ends a transaction that has failed before its commit was sent.
    async fn rolled_back(&self, error: Error) -> CommitFailure {
        debug!(%error, "a group is rolled back");
        if !is_refusal(&error) {
            return lost(error);
        }
        match self
            .in_time(self.connection.client.batch_execute("ROLLBACK"))
            .await
        {
            Ok(Ok(())) => CommitFailure::Refused(error),
            _ => lost(error),
        }
    }
}

fn lost(error: Error) -> CommitFailure {
    CommitFailure::Lost(failed(error))
}

fn read_time(row: &Row) -> Result<Moment, Error> {
    row.try_get(0).map(Moment::from_ticks)
}

fn read_head(row: &Row) -> Result<Head, Error> {
    let hash: &[u8] = row.try_get(1)?;
    let hash = hash
        .try_into()
        .expect("the table checks the length of the hash");
    Ok(Head {
        sequence: row.try_get::<_, i64>(0)?.cast_unsigned(),
        hash: Hash(hash),
    })
}

/// Overrides the defaults of the server and the role. A statement has no time limit, because a limit cancels, and that
/// can hit a commit. If a node stops in the middle of a transaction, the server rolls it back after a while. That
/// releases the head, so other nodes can continue. Warnings report a commit that stopped waiting for its standby.
///
/// Every statement finds its rows by their keys, so one plan with the indexes is right for any number of keys, and for
/// tables that grow. Otherwise the server plans most statements of each group, which takes longer than their execution.
/// The costs of the table of one row would look high enough for `jit`.
const SESSION: &str = "SET statement_timeout = 0; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '5s'; SET client_min_messages = warning; \
     SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off";
const DURABLE: &str = "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
     WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)";
const DURABLE_VALUES: [&str; 2] = ["on", "remote_apply"];
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
const LOCK: &str = "SELECT sequence, hash FROM head FOR UPDATE";
// Not the time of the transaction's begin, because it may have waited for the lock.
const TIME: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 10000000)::bigint";
const HEADER: &str = "SELECT header FROM event WHERE sequence = $1";
/// The time limit for a statement that a working server executes at once.
const CHECK_TIME: Duration = Duration::from_secs(2);
/// Longer than the server waits for a lock.
const MOST_TIME: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::id::EffectId;
    use crate::domain::version::Version;
    use crate::store::{Change, Key, Record};

    #[test]
    fn a_commit_of_effects_alone_is_not_looked_up_in_the_record() {
        let id = EffectId(Uuid::from_u128(1));
        let head = Head {
            sequence: 7,
            hash: Hash([7; 32]),
        };
        for (puts, expected) in [
            (vec![], Some(head)),
            (vec![Record::EffectSettled(id)], None),
        ] {
            let change = Change {
                expects: vec![(Key::Effect(id), Version(1))],
                puts,
                events: vec![],
                deadline: None,
            };
            let group = [ChangeDraft::try_from(change).unwrap()];
            let known = RecordVersions {
                versions: [(Key::Effect(id), Version(1))].into(),
                ..RecordVersions::default()
            };
            let commit = PossibleCommit::from(Plan::of(&group, head, known));
            assert_eq!(commit.head, expected);
            assert!(commit.outcomes.iter().all(|outcome| outcome.is_committed()));
        }
    }
}
