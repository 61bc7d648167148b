//! The connections that read lists.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::connect::reading_connection;
use super::error::failed;
use crate::domain::error::Error;
use crate::telemetry::metrics::{GaugeGuard, StoreMetrics};
use crate::telemetry::traces::Part;

/// Connections that only read. Each is opened when it is needed, and kept.
#[derive(Debug)]
pub(super) struct ReadPool {
    connections: Arc<IdleConnections>,
    permits: Arc<Semaphore>,
    metrics: StoreMetrics,
}

impl ReadPool {
    /// Returns a pool without connections.
    pub(super) fn new(path: &Path, metrics: &StoreMetrics) -> Self {
        metrics
            .readers
            .set(i64::try_from(MAX_READERS).unwrap_or(i64::MAX));
        Self {
            connections: Arc::new(IdleConnections {
                path: path.to_owned(),
                idle: Mutex::default(),
            }),
            permits: Arc::new(Semaphore::new(MAX_READERS)),
            metrics: metrics.clone(),
        }
    }

    /// Reads in one transaction, so that all statements of the query see one moment. Waits while all connections are in
    /// use.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let _part = Part::begin("store.read");
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(Error::internal)?;
        let in_use = GaugeGuard::new(&self.metrics.readers_in_use);
        let connections = self.connections.clone();
        let reading = spawn_blocking(move || {
            // Dropped when the read ends, even if its caller left before.
            let _in_use = (permit, in_use);
            let mut connection = connections.take()?;
            let transaction = connection.transaction().map_err(failed)?;
            let result = query(&transaction);
            transaction.commit().map_err(failed)?;
            connections.put_back(connection);
            result
        });
        reading.await.map_err(Error::internal)?
    }
}

/// The open connections that no read uses.
#[derive(Debug)]
struct IdleConnections {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl IdleConnections {
    fn take(&self) -> Result<Connection, Error> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some(connection) => Ok(connection),
            None => reading_connection(&self.path),
        }
    }

    fn put_back(&self, connection: Connection) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }
}

const MAX_READERS: usize = 4;
