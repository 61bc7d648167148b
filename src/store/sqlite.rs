//! The embedded store: one SQLite file, one writer thread, a few readers.
//!
//! The writer owns its connection, drains the queue of changes into one transaction and answers everybody after the one
//! sync. Readers have connections of their own, one thread for single records and a few for lists; in WAL mode neither side
//! waits for the other.

mod backup;
mod check;
mod checkpoint;
mod integrity;
mod list;
mod place;
mod reader;
mod row;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use tokio::runtime;
use tokio::select;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;

use super::queue::CommitQueue;
use super::ready::Ready;
use super::{
    Approver, Change, Commit, DueRead, ElevationKey, ElevationRead, FilingKey, FilingRead, Key,
    RoleUse, Store,
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
use integrity::Inspection;
use place::{Files, Place};
use reader::Reader;
use writer::Writer;

/// A store in one SQLite file, which this process alone uses.
#[derive(Debug)]
pub struct SqliteStore {
    metrics: StoreMetrics,
    // Fields are dropped in this order. The writer's connection is the last one to close, and moves the log into the file; then
    // the locks go.
    readers: Arc<Readers>,
    reader: Reader,
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
        let readers = Readers {
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
            reader: Reader::start(place.path())?,
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
            .read(move |connection| {
                let Some(elevation) = row::elevation(connection, key)? else {
                    return Ok(None);
                };
                let role = row::role(connection, elevation.value.role)?;
                Ok(Some(ElevationRead { elevation, role }))
            })
            .await
    }

    async fn role(&self, id: RoleId) -> Result<Option<Versioned<Role>>, Error> {
        self.reader
            .read(move |connection| row::role(connection, id))
            .await
    }

    async fn filing(&self, key: FilingKey) -> Result<FilingRead, Error> {
        self.reader
            .read(move |connection| {
                let live = key.live.then(|| list::live(connection, &key));
                let load = key.load.then(|| list::load(connection, &key));
                let version = |key| row::version(connection, key).map_err(failed);
                Ok(FilingRead {
                    role: row::role(connection, key.role)?,
                    live: live.transpose()?.unwrap_or_default(),
                    live_version: version(Key::Live(key.role, Some(key.requester)))?,
                    load: load.transpose()?.unwrap_or_default(),
                    filed_before: list::filed_before(connection, &key)?,
                    guard: version(Key::Guard(key.requester))?,
                })
            })
            .await
    }

    async fn role_use(&self, id: RoleId, now: Moment) -> Result<RoleUse, Error> {
        self.read(move |connection| {
            Ok(RoleUse {
                role: row::role(connection, id)?,
                version: row::version(connection, Key::Role(id)).map_err(failed)?,
                live: row::version(connection, Key::Live(id, None)).map_err(failed)?,
                in_use: list::in_use(connection, id, now)?,
            })
        })
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
        self.read(move |connection| list::due(connection, now, limit))
            .await
    }

    async fn census(&self, now: Moment) -> Result<Census, Error> {
        self.read(move |connection| list::census(connection, now))
            .await
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Envelope>, Error> {
        self.read(move |connection| row::events(connection, EVENTS, params![after, limit]))
            .await
    }

    async fn events_of(&self, id: ElevationId) -> Result<Vec<Envelope>, Error> {
        self.reader
            .read(move |connection| row::events(connection, EVENTS_OF, [id.0.as_bytes()]))
            .await
    }

    async fn last_event(&self) -> Result<Option<Envelope>, Error> {
        self.read(|connection| Ok(row::events(connection, LAST_EVENT, [])?.pop()))
            .await
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
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
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

fn reading_connection(path: &Path) -> Result<Connection, Error> {
    let connection = connect(path).map_err(failed)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(failed)?;
    Ok(connection)
}

/// Opens a file that is there. Closing the connection leaves the log alone.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    let pragmas = [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("wal_autocheckpoint", "0"),
    ];
    for (pragma, value) in pragmas {
        connection
            .pragma_update_and_check(None, pragma, value, |_| Ok(()))
            .optional()?;
    }
    Ok(connection)
}

/// Makes a new store under another name first, so that a store is there as a whole or not at all.
fn create(place: &Place) -> Result<(), Error> {
    let file = place.temporary()?;
    let mut connection = Connection::open(file.path()).map_err(failed)?;
    connection
        .pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))
        .map_err(failed)?;
    migrate(&mut connection).map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    place.keep(file)?;
    tracing::info!(store = %place.path().display(), "a new store was made");
    Ok(())
}

/// Makes durable what a process that was killed may have written without a sync, before anything is answered from it: moves the
/// log into the file, which SQLite syncs. The log may have to stay because another program reads; it is synced already.
fn settle(place: &Place, connection: &Connection) -> Result<(), Error> {
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(failed)?;
    place.sync_folder()
}

/// Reads back what durability hangs on; a pragma that does not take effect says nothing.
fn verify(connection: &Connection) -> Result<(), Error> {
    let journal: String = connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(failed)?;
    let synchronous: i64 = connection
        .pragma_query_value(None, "synchronous", |row| row.get(0))
        .map_err(failed)?;
    if journal != "wal" || synchronous != SYNCHRONOUS_FULL {
        return Err(Error::internal(
            "the store cannot be set to WAL with synchronous=FULL",
        ));
    }
    Ok(())
}

/// The migrations that the store does not have yet. Fails if it is not a store, or one of a newer version.
fn missing(place: &Place, connection: &Connection) -> Result<&'static [&'static str], Error> {
    let done = version(connection).map_err(|error| unreadable(place, error))?;
    if done == 0 {
        let store = place.path().display();
        return Err(Error::internal(format!(
            "{store} is an SQLite database, but not a store. Restore it from a backup; or move it away, and a new store is made"
        )));
    }
    let missing = MIGRATIONS.get(done..);
    missing
        .ok_or_else(|| Error::internal("the store was written by a newer version of Countersign"))
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let done = version(connection)?;
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", number + 1)?;
        transaction.commit()?;
    }
    if done > 0 && done < MIGRATIONS.len() {
        tracing::info!(
            from = done,
            to = MIGRATIONS.len(),
            "the store was brought up to date"
        );
    }
    Ok(())
}

/// The error for a store that SQLite cannot read.
fn unreadable(place: &Place, error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            integrity::damaged(place, error)
        }
        _ => failed(error),
    }
}

/// What a caller learns of an SQLite error: nothing.
fn failed(error: rusqlite::Error) -> Error {
    Error::unavailable(error)
}

const MIGRATIONS: [&str; 6] = [
    include_str!("migrations/sqlite/0001_spine.sql"),
    include_str!("migrations/sqlite/0002_guard.sql"),
    include_str!("migrations/sqlite/0003_live.sql"),
    include_str!("migrations/sqlite/0004_expiry.sql"),
    include_str!("migrations/sqlite/0005_life.sql"),
    include_str!("migrations/sqlite/0006_file.sql"),
];
const BUSY: Duration = Duration::from_secs(5);
const EVENTS: &str =
    "SELECT sequence, header, payload FROM event WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
const EVENTS_OF: &str =
    "SELECT sequence, header, payload FROM event WHERE subject = ?1 ORDER BY sequence";
const LAST_EVENT: &str =
    "SELECT sequence, header, payload FROM event ORDER BY sequence DESC LIMIT 1";
const MOST_READERS: usize = 4;
/// 3.51.3.
const OLDEST_SQLITE: i32 = 3_051_003;
const SYNCHRONOUS_FULL: i64 = 2;
/// In KiB, which SQLite takes as a negative number: room for all pages of a group, which would else be written twice. More is
/// no better, since SQLite looks through the whole cache after a commit that has divided a page.
const WRITER_CACHE: i64 = -8_192;
