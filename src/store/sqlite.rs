//! The embedded store: one SQLite file, one thread that writes, a few connections that read.
//!
//! The thread that writes commits a group of changes in one transaction with one sync. One thread reads single records,
//! and a pool of connections reads lists. In WAL mode reads and writes do not wait for each other.

mod backup;
mod cache;
mod check;
mod checkpoint;
mod commit;
mod connect;
mod effects;
mod error;
mod integrity;
mod links;
mod list;
mod migrate;
mod place;
mod pool;
mod read;
mod read_thread;
mod row;
mod statements;
mod versions;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::runtime;
use tokio::select;
use tokio::sync::watch;

use super::queue::CommitQueue;
use super::ready::Ready;
use super::{
    Alarm, Approver, Change, Commit, DueRead, ElevationKey, ElevationRead, FilingKey, FilingRead,
    RoleUse, Store,
};
use crate::domain::census::Census;
use crate::domain::effect::Effect;
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::id::{AccountId, ElevationId, PrincipalId, RoleId};
use crate::domain::moment::Moment;
use crate::domain::query::{ElevationField, Page, Query, RoleField};
use crate::domain::role::Role;
use crate::domain::version::Versioned;
use crate::record::Envelope;
use crate::telemetry::metrics::StoreMetrics;
use crate::telemetry::traces::Part;
pub use backup::backup;
use cache::Cache;
pub use check::{Availability, check};
use commit::Writer;
use connect::{connect, settle, verify};
use error::{failed, unreadable};
use integrity::Inspection;
use migrate::{create, migrate};
use place::{Files, Place};
use pool::ReadPool;
use read_thread::ReadThread;

/// A store in one SQLite file, which only this process uses.
#[derive(Debug)]
pub struct SqliteStore {
    // Fields are dropped in this order. The writer's connection closes last and moves the log into the file. Then the
    // locks are released.
    pool: ReadPool,
    cache: Arc<Cache>,
    read_thread: ReadThread,
    _inspection: Option<Inspection>,
    queue: CommitQueue,
    failed: watch::Receiver<bool>,
    ready: Ready,
    _files: Arc<Files>,
}

impl SqliteStore {
    /// Opens the store in `path`, creates it or brings it up to date.
    ///
    /// # Errors
    ///
    /// Fails if another process has the store open, or if a newer version wrote it. Fails if it is damaged or has the
    /// log of another file, or if SQLite cannot keep the law of a [`Store`].
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
        let (failed, ready) = (fail.subscribe(), Ready::new());
        let cache = Arc::new(Cache::default());
        read::fill(&connection, &cache)?;
        let writer = Writer::new(place.path(), connection, files.clone(), fail, cache.clone())?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(Error::internal)?;
        Ok(Self {
            pool: ReadPool::new(place.path(), &metrics),
            cache,
            read_thread: ReadThread::start(place.path())?,
            _inspection: inspection,
            queue: CommitQueue::start("sqlite-writer", runtime, writer, ready.clone(), metrics)?,
            failed,
            ready,
            _files: files,
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, change: Change) -> Result<Commit, Error> {
        let _part = Part::begin("store.commit");
        self.queue.commit(change).await
    }

    async fn elevation(&self, key: ElevationKey) -> Result<Option<ElevationRead>, Error> {
        if let Some(read) = self.cache.elevation(key) {
            // A trace has this read, too.
            let _part = Part::begin("store.read");
            return Ok(Some(read));
        }
        self.read_thread
            .read(move |connection| read::elevation(connection, key))
            .await
    }

    async fn role(&self, id: RoleId) -> Result<Option<Versioned<Role>>, Error> {
        self.read_thread
            .read(move |connection| read::role(connection, id))
            .await
    }

    async fn filing(&self, key: FilingKey) -> Result<FilingRead, Error> {
        self.read_thread
            .read(move |connection| read::filing(connection, &key))
            .await
    }

    async fn role_use(&self, id: RoleId, now: Moment) -> Result<RoleUse, Error> {
        self.pool
            .read(move |connection| read::role_use(connection, id, now))
            .await
    }

    async fn pending_approvals(
        &self,
        approver: Approver,
        query: Query<ElevationField>,
        now: Moment,
    ) -> Result<Page<Versioned<Elevation>>, Error> {
        self.pool
            .read(move |connection| list::pending_approvals(connection, &approver, &query, now))
            .await
    }

    async fn elevations(
        &self,
        requester: AccountId,
        query: Query<ElevationField>,
        now: Moment,
    ) -> Result<Page<Versioned<Elevation>>, Error> {
        self.pool
            .read(move |connection| list::elevations(connection, requester, &query, now))
            .await
    }

    async fn roles(
        &self,
        candidates: Option<Vec<PrincipalId>>,
        query: Query<RoleField>,
        now: Moment,
    ) -> Result<Page<Versioned<Role>>, Error> {
        self.pool
            .read(move |connection| list::roles(connection, candidates.as_deref(), &query, now))
            .await
    }

    async fn due(&self, now: Moment, limit: u32) -> Result<DueRead, Error> {
        self.pool
            .read(move |connection| read::due(connection, now, limit))
            .await
    }

    async fn sweep(&self, alarms: Vec<Alarm>) -> Result<(), Error> {
        self.queue.sweep(alarms).await
    }

    async fn census(&self, now: Moment) -> Result<Census, Error> {
        self.pool
            .read(move |connection| list::census(connection, now))
            .await
    }

    async fn effects_due(&self, now: Moment, limit: u32) -> Result<Vec<Versioned<Effect>>, Error> {
        self.pool
            .read(move |connection| effects::due(connection, now, limit))
            .await
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Envelope>, Error> {
        self.pool
            .read(move |connection| read::events(connection, after, limit.into()))
            .await
    }

    async fn events_of(&self, id: ElevationId) -> Result<Vec<Envelope>, Error> {
        self.read_thread
            .read(move |connection| read::events_of(connection, id))
            .await
    }

    async fn last_event(&self) -> Result<Option<Envelope>, Error> {
        self.pool.read(read::last_event).await
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

/// 3.51.3.
const OLDEST_SQLITE: i32 = 3_051_003;
/// In KiB, which SQLite takes as a negative number. All pages of a group fit, which would otherwise be written twice. A
/// larger cache is slower, because SQLite searches the whole cache after a commit that has divided a page.
const WRITER_CACHE: i64 = -8_192;
