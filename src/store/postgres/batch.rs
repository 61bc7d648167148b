//! The task that reads single records. All waiting reads share one statement of each kind, as changes share a commit.
//!
//! A batch is sent after each of its reads has started. So each read sees every commit that was acknowledged before.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_postgres::Row;
use uuid::Uuid;

use super::pool::{ReadPool, SHORT_TIME};
use super::read::{RecordIds, Rows};
use super::row::{get, read_elevation, read_role};
use crate::domain::error::Error;
use crate::domain::id::RoleId;
use crate::domain::role::Role;
use crate::domain::version::Versioned;
use crate::store::tables::ELEVATION;
use crate::store::{ElevationKey, ElevationRead};
use crate::telemetry::traces::Part;

/// The queue of the task, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct BatchReader {
    queue: mpsc::Sender<Read>,
}

/// A read that waits for its batch.
#[derive(Debug)]
enum Read {
    Elevation(ElevationKey, Answer<ElevationRead>),
    Role(RoleId, Answer<Versioned<Role>>),
}

type Answer<T> = oneshot::Sender<Result<Option<T>, Error>>;

impl BatchReader {
    /// Starts the task.
    pub(super) fn start(pool: Arc<ReadPool>) -> Self {
        let (queue, reads) = mpsc::channel(MAX_QUEUE);
        tokio::spawn(run(pool, reads));
        Self { queue }
    }

    /// Reads one elevation with its role.
    pub(super) async fn elevation(
        &self,
        key: ElevationKey,
    ) -> Result<Option<ElevationRead>, Error> {
        self.read(|answer| Read::Elevation(key, answer)).await
    }

    /// Reads one role.
    pub(super) async fn role(&self, id: RoleId) -> Result<Option<Versioned<Role>>, Error> {
        self.read(|answer| Read::Role(id, answer)).await
    }

    async fn read<T>(&self, read: impl FnOnce(Answer<T>) -> Read) -> Result<Option<T>, Error> {
        let _part = Part::begin("store.read");
        let (answer, answered) = oneshot::channel();
        self.queue
            .send(read(answer))
            .await
            .map_err(|_| Error::internal("the reader has stopped"))?;
        answered
            .await
            .map_err(|_| Error::internal("a read ended without an answer"))?
    }
}

/// Reads one batch after the other. A batch that takes long no longer holds up the next one, which gets another
/// connection.
async fn run(pool: Arc<ReadPool>, mut reads: mpsc::Receiver<Read>) {
    let mut waiting = Vec::new();
    while reads.recv_many(&mut waiting, MAX_BATCH).await > 0 {
        let batch = Batch::of(mem::take(&mut waiting));
        // A task of its own: a panic ends one batch, and a slow batch goes on.
        let reading = tokio::spawn(batch.read(pool.clone()));
        let _ = timeout(PATIENCE, reading).await;
    }
}

/// The callers of some reads, by the statement that serves them.
#[derive(Debug, Default)]
struct Batch {
    by_approval: Callers<ElevationRead>,
    by_id: Callers<ElevationRead>,
    roles: Callers<Versioned<Role>>,
}

impl Batch {
    /// Sorts the reads whose callers still wait.
    fn of(reads: Vec<Read>) -> Self {
        let mut batch = Self::default();
        for read in reads {
            match read {
                Read::Elevation(ElevationKey::Approval(id), answer) => {
                    batch.by_approval.add(id.0, answer);
                }
                Read::Elevation(ElevationKey::Elevation(id), answer) => {
                    batch.by_id.add(id.0, answer);
                }
                Read::Role(id, answer) => batch.roles.add(id.0, answer),
            }
        }
        batch
    }

    async fn read(self, pool: Arc<ReadPool>) {
        let ids = RecordIds {
            by_approval: self.by_approval.ids(),
            by_id: self.by_id.ids(),
            roles: self.roles.ids(),
        };
        if ids.is_empty() {
            return;
        }
        let read = pool.read(SHORT_TIME, async |reader| reader.records(&ids).await);
        match read.await {
            Ok(found) => {
                let mut roles = HashMap::new();
                self.by_approval
                    .answer(&found.by_approval, |row| read_both(row, &mut roles));
                // Another statement may see another version of a role.
                let mut roles = HashMap::new();
                self.by_id
                    .answer(&found.by_id, |row| read_both(row, &mut roles));
                self.roles.answer(&found.roles, |row| read_role(row, 0));
            }
            Err(error) => {
                self.by_approval.fail(&error);
                self.by_id.fail(&error);
                self.roles.fail(&error);
            }
        }
    }
}

/// The callers of one statement.
#[derive(Debug)]
struct Callers<T>(Vec<(Uuid, Answer<T>)>);

impl<T> Default for Callers<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Callers<T> {
    /// Adds a caller, unless it has left.
    fn add(&mut self, id: Uuid, answer: Answer<T>) {
        if !answer.is_closed() {
            self.0.push((id, answer));
        }
    }

    fn ids(&self) -> Vec<Uuid> {
        self.0.iter().map(|(id, _)| *id).collect()
    }

    /// Sends each caller its record. A row that cannot be read fails only the callers that requested it.
    fn answer(self, rows: &Rows, mut read: impl FnMut(&Row) -> Result<T, Error>) {
        for (id, answer) in self.0 {
            let record = match rows.get(&id) {
                None => Ok(None),
                Some(Ok(row)) => read(row).map(Some),
                Some(Err(error)) => Err(copy(error)),
            };
            // The caller may have left.
            let _ = answer.send(record);
        }
    }

    fn fail(self, error: &Error) {
        for (_, answer) in self.0 {
            // The caller may have left.
            let _ = answer.send(Err(copy(error)));
        }
    }
}

/// Reads an elevation with its role. All rows of one statement show the same moment, so each role is parsed once.
fn read_both(
    row: &Row,
    roles: &mut HashMap<Uuid, Arc<Versioned<Role>>>,
) -> Result<ElevationRead, Error> {
    let elevation = read_elevation(row)?;
    let role = match get::<Option<Uuid>>(row, ELEVATION.len())? {
        None => None,
        Some(id) => match roles.get(&id) {
            Some(role) => Some(role.clone()),
            None => {
                let role = Arc::new(read_role(row, ELEVATION.len())?);
                roles.insert(id, role.clone());
                Some(role)
            }
        },
    };
    Ok(ElevationRead { elevation, role })
}

/// Returns an error of the same kind, for another caller.
fn copy(error: &Error) -> Error {
    let copy = Error::new(error.kind, error.message.clone());
    match &error.cause {
        Some(cause) => copy.because(cause.to_string()),
        None => copy,
    }
}

const MAX_BATCH: usize = 256;
const MAX_QUEUE: usize = 4_096;
/// The time after which the next batch no longer waits for this one.
const PATIENCE: Duration = Duration::from_millis(100);
