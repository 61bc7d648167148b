//! The thread that reads single records. All waiting reads share one transaction, as changes share a commit.
//!
//! After a commit, the first transaction of a connection finds its pages outdated and fetches them again. Reads that
//! arrive together share that, and the change of threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::connect::reading_connection;
use crate::domain::error::Error;
use crate::store::thread::StoreThread;
use crate::telemetry::traces::Part;

/// The queue of the thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct ReadThread {
    queue: mpsc::Sender<Read>,
    // After the queue: fields are dropped in this order, and the thread ends when it has no sender.
    _thread: StoreThread,
}

/// A read, which sends its result to its caller.
type Read = Box<dyn FnOnce(&Connection) + Send>;

impl ReadThread {
    /// Starts the thread.
    pub(super) fn start(path: &Path) -> Result<Self, Error> {
        let connection = reading_connection(path)?;
        let (queue, reads) = mpsc::channel(MAX_QUEUE);
        let thread = StoreThread::start("sqlite-reader", move || run(connection, reads))?;
        Ok(Self {
            queue,
            _thread: thread,
        })
    }

    /// Reads in a transaction that other reads share. They wait for it, so it must be short.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let _part = Part::begin("store.read");
        let (answer, answered) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            // The caller may have left.
            let _ = answer.send(query(connection));
        });
        self.queue
            .send(read)
            .await
            .map_err(|_| Error::internal("the reader has stopped"))?;
        answered
            .await
            .map_err(|_| Error::internal("a read ended without an answer"))?
    }
}

fn run(mut connection: Connection, mut reads: mpsc::Receiver<Read>) {
    while let Some(first) = reads.blocking_recv() {
        let mut group = vec![first];
        while group.len() < MAX_GROUP
            && let Ok(next) = reads.try_recv()
        {
            group.push(next);
        }
        // The transaction starts after the last read has arrived, so that each read sees every earlier acknowledged commit.
        let ended = connection.transaction().and_then(|transaction| {
            for read in group {
                // A panic in one read does not end the others. Its caller gets an error, and the panic hook has logged
                // it.
                let _ = catch_unwind(AssertUnwindSafe(|| read(&transaction)));
            }
            transaction.commit()
        });
        if let Err(error) = ended {
            tracing::error!(%error, "a group of reads failed");
        }
    }
}

const MAX_GROUP: usize = 64;
const MAX_QUEUE: usize = 4_096;
