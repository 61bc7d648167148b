//! The connections that read, in a pool. Every read has a time limit.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bb8::{Pool, RunError};
use tokio::time::{sleep, timeout};

use super::connect::Connector;
use super::error::failed;
use super::read::{LIST_SESSION, RECORD_SESSION, ReadConnection, ReadConnector};
use crate::domain::error::Error;
use crate::store::ready::Ready;

/// The connections that read.
#[derive(Debug)]
pub(super) struct ReadPool {
    connector: Connector,
    pool: Pool<ReadConnector>,
    ready: Ready,
}

impl ReadPool {
    /// Returns a pool for lists. While it exists, a task checks that the server serves reads.
    pub(super) fn of_lists(connector: Connector, ready: Ready) -> Arc<Self> {
        let reads = Arc::new(Self {
            pool: ReadConnector::pool(connector.clone(), LIST_SESSION, MOST_LISTS),
            connector,
            ready,
        });
        tokio::spawn(keep_checking(Arc::downgrade(&reads)));
        reads
    }

    /// Returns a pool for batches of single records. A second connection serves while the first is slow.
    pub(super) fn of_batches(connector: Connector, ready: Ready) -> Arc<Self> {
        Arc::new(Self {
            pool: ReadConnector::pool(connector.clone(), RECORD_SESSION, MOST_BATCHES),
            connector,
            ready,
        })
    }

    /// Reads for at most `most`. If the server is silent, or a short read takes too long, all connections of the same
    /// age are given up. So the next reads do not wait for each of them in turn.
    pub(super) async fn read<T>(
        &self,
        most: Duration,
        query: impl AsyncFnOnce(&mut ReadConnection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut reader = self
            .pool
            .get()
            .await
            .map_err(|error| self.without_connection(error))?;
        let (host, age) = (reader.connection.host, reader.connection.age);
        // If the caller leaves, the statement goes on, and the connection must not go to another read.
        reader.hung = true;
        let answer = timeout(most, async {
            tokio::select! {
                biased;
                answer = query(&mut reader) => Some(answer),
                () = self.connector.gives_up(age) => None,
                () = self.connector.silent(host, age) => None,
            }
        });
        let Ok(Some(answer)) = answer.await else {
            if most <= SHORT_TIME {
                self.connector.give_up(age);
            }
            self.ready.set_reads(false);
            return Err(Error::unavailable("the store does not answer"));
        };
        reader.hung = false;
        if answer.is_ok() {
            self.ready.set_reads(true);
        }
        answer
    }

    fn without_connection(&self, error: RunError<Error>) -> Error {
        // Without this check, a pool whose connections are all in use would look lost.
        if self.pool.state().connections == 0 {
            self.ready.set_reads(false);
        }
        match error {
            RunError::TimedOut => Error::unavailable("no connection to the store in time"),
            RunError::User(error) => error,
        }
    }
}

/// Checks that the server responds. Without this, only a read would find out, and there may be none.
async fn keep_checking(reads: Weak<ReadPool>) {
    loop {
        sleep(CHECK_EVERY).await;
        let Some(reads) = reads.upgrade() else { return };
        // The read sets the readiness.
        let _ = reads
            .read(SHORT_TIME, async |reader| {
                reader.nothing().await.map_err(failed)
            })
            .await;
    }
}

/// The maximum of lists at a time.
pub(super) const MOST_LISTS: u32 = 8;
const MOST_BATCHES: u32 = 2;
/// The time limit for a few rows that are found by their keys.
pub(super) const SHORT_TIME: Duration = Duration::from_secs(3);
/// The time limit for lists, longer than the server's own limit for a statement.
pub(super) const LONG_TIME: Duration = Duration::from_secs(12);
const CHECK_EVERY: Duration = Duration::from_secs(2);
