//! The embedded store: one SQLite file, one writer thread, a few readers.
//!
//! The writer owns its connection, drains the queue of changes into one transaction and answers everybody after the one
//! sync. Readers have connections of their own, one thread for single records and a few for lists; in WAL mode neither side
//! waits for the other.

mod backup;
mod check;
mod checkpoint;
mod commit;
mod connect;
mod error;
mod integrity;
mod list;
mod migrate;
mod place;
mod pool;
mod read;
mod row;
mod statements;
mod versions;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::runtime;
use tokio::select;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;

use super::queue::CommitQueue;
use super::ready::Ready;
use super::{
    Approver, Change, Commit, DueRead, ElevationKey, ElevationRead, FilingKey, FilingRead, RoleUse,
    Store,
};
use crate::domain::census::Census;
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::id::{AccountId, ElevationId, PrincipalId, RoleId};
use crate::domain::moment::Moment;
use crate::domain::query::{ElevationField, Page, Query, RoleField};
use crate::domain::role::Role;
use crate::domain::version::Versioned;
use crate::record::Envelope;
use crate::telemetry::metrics::{OneMore, StoreMetrics};
use crate::telemetry::traces::Part;
pub use backup::backup;
pub use check::{Availability, check};
use commit::Writer;
use connect::{connect, reading_connection, settle, verify};
use error::{failed, unreadable};
use integrity::Inspection;
use migrate::{create, migrate};
use place::{Files, Place};
use pool::ReadThread;

/// A store in one SQLite file, which this process alone uses.
#[derive(Debug)]
pub struct SqliteStore {
    metrics: StoreMetrics,
    // Fields are dropped in this order. The writer's connection is the last one to close, and moves the log into the file; then
    // the locks go.
    readers: Arc<ReadPool>,
    reader: ReadThread,
    _inspection: Option<Inspection>,
    queue: CommitQueue,
    failed: watch::Receiver<bool>,
    ready: Ready,
    _files: Arc<Files>,
}

impl SqliteStore {
    /// Opens the store in `path`, creates it or brings it up to date. Fails when another process has it open, when it was
    /// written by a newer version, when it is damaged or has the log of another file, or when SQLite is not what the law needs.
    pub fn open(path: &Path, metrics: StoreMetrics) -> Result<Self, Error> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(Error::internal(
                "SQLite before 3.51.3 can lose a commit when its log is reset",
            ));
        }
        let place = Place::find(path)?;
        let name = place.lock_name()?;
        if !place.exists()? {
            create(&place)?;
        }
        let file = place.lock_file()?;
        place.inspect()?;
        place.sync_log()?;
        let large = integrity::verify(&place)?;
        let mut connection = connect(place.path()).map_err(|error| unreadable(&place, error))?;
        verify(&connection)?;
        migrate(&mut connection).map_err(failed)?;
        settle(&place, &connection)?;
        let mark = integrity::mark(&connection).map_err(failed)?;
        let files = Arc::new(Files::of(&place, name, file, mark)?);
        Self::start(&place, connection, files, large, metrics)
    }

    fn start(
        place: &Place,
        connection: Connection,
        files: Arc<Files>,
        large: bool,
        metrics: StoreMetrics,
    ) -> Result<Self, Error> {
        connection
            .pragma_update(None, "cache_size", WRITER_CACHE)
            .map_err(failed)?;
        let fail = Arc::new(watch::Sender::new(false));
        let inspection = if large {
            Some(Inspection::start(place, fail.clone())?)
        } else {
            None
        };
        let readers = ReadPool {
            path: place.path().to_owned(),
            idle: Mutex::new(Vec::new()),
            permits: Arc::new(Semaphore::new(MOST_READERS)),
        };
        metrics
            .readers
            .set(i64::try_from(MOST_READERS).unwrap_or(i64::MAX));
        let (failed, ready) = (fail.subscribe(), Ready::new());
        let writer = Writer::new(place.path(), connection, files.clone(), fail)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(Error::internal)?;
        Ok(Self {
            readers: readers.into(),
            reader: ReadThread::start(place.path())?,
            _inspection: inspection,
            queue: CommitQueue::start(
                "sqlite-writer",
                runtime,
                writer,
                ready.clone(),
                metrics.clone(),
            )?,
            failed,
            ready,
            metrics,
            _files: files,
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let _part = Part::begin("store.read");
        let readers = self.readers.clone();
        let permit = readers
            .permits
            .clone()
            .acquire_owned()
            .await
            .map_err(Error::internal)?;
        let in_use = OneMore::of(&self.metrics.readers_in_use);
        spawn_blocking(move || {
            // Given back when the reading ends, though whoever asked may be gone before.
            let _in_use = (permit, in_use);
            let mut connection = readers.take()?;
            // One transaction, so that all statements of the query see one moment; it reads only, so its end writes nothing.
            let transaction = connection.transaction().map_err(failed)?;
            let answer = query(&transaction);
            transaction.commit().map_err(failed)?;
            readers.put_back(connection);
            answer
        })
        .await
        .map_err(Error::internal)?
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, change: Change) -> Result<Commit, Error> {
        let _part = Part::begin("store.commit");
        self.queue.commit(change).await
    }

    async fn elevation(&self, key: ElevationKey) -> Result<Option<ElevationRead>, Error> {
        self.reader
            .read(move |connection| read::elevation(connection, key))
            .await
    }

    async fn role(&self, id: RoleId) -> Result<Option<Versioned<Role>>, Error> {
        self.reader
            .read(move |connection| read::role(connection, id))
            .await
    }

    async fn filing(&self, key: FilingKey) -> Result<FilingRead, Error> {
        self.reader
            .read(move |connection| read::filing(connection, &key))
            .await
    }

    async fn role_use(&self, id: RoleId, now: Moment) -> Result<RoleUse, Error> {
        self.read(move |connection| read::role_use(connection, id, now))
            .await
    }

    async fn pending_approvals(
        &self,
        approver: Approver,
        query: Query<ElevationField>,
        now: Moment,
    ) -> Result<Page<Versioned<Elevation>>, Error> {
        self.read(move |connection| list::pending_approvals(connection, &approver, &query, now))
            .await
    }

    async fn elevations(
        &self,
        requester: AccountId,
        query: Query<ElevationField>,
        now: Moment,
    ) -> Result<Page<Versioned<Elevation>>, Error> {
        self.read(move |connection| list::elevations(connection, requester, &query, now))
            .await
    }

    async fn roles(
        &self,
        candidates: Option<Vec<PrincipalId>>,
        query: Query<RoleField>,
        now: Moment,
    ) -> Result<Page<Versioned<Role>>, Error> {
        self.read(move |connection| list::roles(connection, candidates.as_deref(), &query, now))
            .await
    }

    async fn due(&self, now: Moment, limit: u32) -> Result<DueRead, Error> {
        self.read(move |connection| read::due(connection, now, limit))
            .await
    }

    async fn census(&self, now: Moment) -> Result<Census, Error> {
        self.read(move |connection| list::census(connection, now))
            .await
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Envelope>, Error> {
        self.read(move |connection| read::events(connection, after, limit.into()))
            .await
    }

    async fn events_of(&self, id: ElevationId) -> Result<Vec<Envelope>, Error> {
        self.reader
            .read(move |connection| read::events_of(connection, id))
            .await
    }

    async fn last_event(&self) -> Result<Option<Envelope>, Error> {
        self.read(read::last_event).await
    }

    fn ready(&self) -> watch::Receiver<bool> {
        self.ready.watch()
    }

    async fn failed(&self) {
        let mut failed = self.failed.clone();
        select! {
            _ = failed.wait_for(|failed| *failed) => {}
            () = self.queue.stopped() => {}
        }
    }
}

/// Connections that only read, opened when they are needed.
#[derive(Debug)]
struct ReadPool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl ReadPool {
    fn take(&self) -> Result<Connection, Error> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        reading_connection(&self.path)
    }

    fn put_back(&self, connection: Connection) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }
}

const MOST_READERS: usize = 4;
/// 3.51.3.
const OLDEST_SQLITE: i32 = 3_051_003;
/// In KiB, which SQLite takes as a negative number: room for all pages of a group, which would else be written twice. More is
/// no better, since SQLite looks through the whole cache after a commit that has divided a page.
const WRITER_CACHE: i64 = -8_192;
