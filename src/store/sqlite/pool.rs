//! The one thread that reads single records: whatever waits is read in one transaction, as the writer commits.
//!
//! After a commit the first reading transaction of a connection finds its pages outdated and fetches them anew. Reads that
//! arrive together share that, and the change of threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::connect::reading_connection;
use crate::domain::error::Error;
use crate::store::thread::StoreThread;
use crate::telemetry::traces::Part;

/// The way to the thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct ReadThread {
    queue: mpsc::Sender<Read>,
    // Behind the queue, since fields are dropped in this order and the thread runs for as long as there is a sender.
    _thread: StoreThread,
}

/// Reads what somebody asked for, and answers them.
type Read = Box<dyn FnOnce(&Connection) + Send>;

impl ReadThread {
    /// Starts the thread.
    pub(super) fn start(path: &Path) -> Result<Self, Error> {
        let connection = reading_connection(path)?;
        let (queue, reads) = mpsc::channel(LONGEST_QUEUE);
        let thread = StoreThread::start("sqlite-reader", move || run(connection, reads))?;
        Ok(Self {
            queue,
            _thread: thread,
        })
    }

    /// Reads something that takes no time to speak of, since others wait for it.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let _part = Part::begin("store.read");
        let (answer, answered) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            // Nobody is told when whoever asked is gone.
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
        while group.len() < LARGEST_GROUP
            && let Ok(next) = reads.try_recv()
        {
            group.push(next);
        }
        // Begun behind the last to arrive, so that everybody sees what was acknowledged before they asked.
        let ended = connection.transaction().and_then(|transaction| {
            for read in group {
                // A defect in one read is no matter of the others. Whoever waits for it gets no answer, and the hook of
                // panics has logged it.
                let _ = catch_unwind(AssertUnwindSafe(|| read(&transaction)));
            }
            transaction.commit()
        });
        if let Err(error) = ended {
            tracing::error!(%error, "a group of reads failed");
        }
    }
}

const LARGEST_GROUP: usize = 64;
const LONGEST_QUEUE: usize = 4_096;
