//! The embedded store: one SQLite file, one writer thread, a few readers.
//!
//! The writer owns its connection, drains the queue of changes into one transaction and answers everybody after the one
//! sync. Readers have connections of their own, one thread for single records and a few for lists; in WAL mode neither side
//! waits for the other.

mod check;
mod checkpoint;
mod list;
mod reader;
mod row;
mod writer;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;

use super::{
    Approver, Change, Commit, DueRead, ElevationKey, ElevationRead, FilingKey, FilingRead, Key, RoleUse,
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
use crate::metrics::{OneMore, StoreMetrics};
use crate::record::Envelope;
use crate::traces::Part;
pub use check::check;
use reader::Reader;
use writer::Writer;

/// A store in one SQLite file, which this process alone uses.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    reader: Reader,
    readers: Arc<Readers>,
    metrics: StoreMetrics,
    // Behind the writer, since fields are dropped in this order and nobody else may open the file while it writes.
    _lock: File,
}

impl SqliteStore {
    /// Opens the store in `path`, creates it or brings it up to date. Fails when another process has it open, when it was
    /// written by a newer version, or when SQLite is not what the law needs.
    pub fn open(path: &Path, metrics: StoreMetrics) -> Result<Self, Error> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(Error::internal("SQLite before 3.51.3 can lose a commit when its log is reset"));
        }
        let lock = lock(path)?;
        create(path)?;
        let mut connection = connect(path)?;
        verify(&connection)?;
        migrate(&mut connection)?;
        connection.pragma_update(None, "cache_size", WRITER_CACHE).map_err(failed)?;
        let writer = Writer::start(path, connection, metrics.clone())?;
        let readers = Readers {
            path: path.to_owned(),
            idle: Mutex::new(Vec::new()),
            permits: Arc::new(Semaphore::new(MOST_READERS)),
        };
        metrics.readers.set(i64::try_from(MOST_READERS).unwrap_or(i64::MAX));
        Ok(Self { writer, reader: Reader::start(path)?, readers: readers.into(), metrics, _lock: lock })
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let _part = Part::begin("store.read");
        let readers = self.readers.clone();
        let permit = readers.permits.clone().acquire_owned().await.map_err(Error::internal)?;
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
        self.writer.commit(change).await
    }

    async fn elevation(&self, key: ElevationKey) -> Result<Option<ElevationRead>, Error> {
        self.reader
            .read(move |connection| {
                let Some(elevation) = row::elevation(connection, key)? else { return Ok(None) };
                let role = row::role(connection, elevation.value.role)?;
                Ok(Some(ElevationRead { elevation, role }))
            })
            .await
    }

    async fn role(&self, id: RoleId) -> Result<Option<Versioned<Role>>, Error> {
        self.reader.read(move |connection| row::role(connection, id)).await
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
        self.read(move |connection| list::pending_approvals(connection, &approver, &query, now)).await
    }

    async fn elevations(
        &self,
        requester: AccountId,
        query: Query<ElevationField>,
        now: Moment,
    ) -> Result<Page<Versioned<Elevation>>, Error> {
        self.read(move |connection| list::elevations(connection, requester, &query, now)).await
    }

    async fn roles(
        &self,
        candidates: Option<Vec<PrincipalId>>,
        query: Query<RoleField>,
        now: Moment,
    ) -> Result<Page<Versioned<Role>>, Error> {
        self.read(move |connection| list::roles(connection, candidates.as_deref(), &query, now)).await
    }

    async fn due(&self, now: Moment, limit: u32) -> Result<DueRead, Error> {
        self.read(move |connection| list::due(connection, now, limit)).await
    }

    async fn census(&self, now: Moment) -> Result<Census, Error> {
        self.read(move |connection| list::census(connection, now)).await
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Envelope>, Error> {
        self.read(move |connection| row::events(connection, EVENTS, params![after, limit])).await
    }

    async fn events_of(&self, id: ElevationId) -> Result<Vec<Envelope>, Error> {
        self.reader.read(move |connection| row::events(connection, EVENTS_OF, [id.0.as_bytes()])).await
    }

    async fn last_event(&self) -> Result<Option<Envelope>, Error> {
        self.read(|connection| Ok(row::events(connection, LAST_EVENT, [])?.pop())).await
    }

    fn ready(&self) -> watch::Receiver<bool> {
        self.writer.ready()
    }

    async fn failed(&self) {
        self.writer.failed().await;
    }
}

/// Copies the store in `from`, as it is at one moment, into the new file `to`. A server may be running on it; a server
/// can be started on the copy.
pub fn backup(from: &Path, to: &Path) -> Result<(), Error> {
    let name = to.to_str().ok_or_else(|| Error::invalid("The name of the file is not UTF-8."))?;
    let connection =
        Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(Error::internal)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    // Made before SQLite does, for this user's eyes only; it takes an empty file as none.
    let file =
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(to).map_err(Error::internal)?;
    let copied = connection.execute("VACUUM INTO ?1", [name]).map_err(Error::internal);
    let synced = copied.and_then(|_| file.sync_all().and_then(|()| sync_folder(to)).map_err(Error::internal));
    if synced.is_err() {
        // Half a copy must not be taken for one.
        let _ = fs::remove_file(to);
    }
    synced
}

/// Makes the name of the file as durable as what is in it.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
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
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        reading_connection(&self.path)
    }

    fn put_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

fn reading_connection(path: &Path) -> Result<Connection, Error> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    let pragmas = [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("wal_autocheckpoint", "0"),
    ];
    for (pragma, value) in pragmas {
        connection.pragma_update_and_check(None, pragma, value, |_| Ok(())).optional().map_err(failed)?;
    }
    Ok(connection)
}

/// Makes the file before SQLite does, which would let everybody read it; its other files take after this one. Never while
/// SQLite has it open: closing any handle on a file drops all locks that the process has on it.
fn create(path: &Path) -> Result<(), Error> {
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        file => file.map(drop).map_err(Error::internal),
    }
}

/// Reads back what durability hangs on; a pragma that does not take effect says nothing.
fn verify(connection: &Connection) -> Result<(), Error> {
    let journal: String =
        connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(failed)?;
    let synchronous: i64 =
        connection.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(failed)?;
    if journal != "wal" || synchronous != SYNCHRONOUS_FULL {
        return Err(Error::internal("the store cannot be set to WAL with synchronous=FULL"));
    }
    Ok(())
}

/// The migrations that the store does not have yet.
fn missing(connection: &Connection) -> Result<&'static [&'static str], Error> {
    let done: usize =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let missing = MIGRATIONS.get(done..);
    missing.ok_or_else(|| Error::internal("the store was written by a newer version of Countersign"))
}

fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let missing = missing(connection)?;
    let done = MIGRATIONS.len() - missing.len();
    for (number, migration) in (done + 1..).zip(missing) {
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(migration).map_err(failed)?;
        transaction.pragma_update(None, "user_version", number).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    if done > 0 && !missing.is_empty() {
        tracing::info!(from = done, to = MIGRATIONS.len(), "the store was brought up to date");
    }
    Ok(())
}

/// Takes the store for this process alone; the lock goes with the process, however that ends.
fn lock(path: &Path) -> Result<File, Error> {
    // A link is another name of the same file; what is not there yet has no other name.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut name = path.into_os_string();
    name.push(".lock");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(name).map_err(Error::internal)?;
    file.try_lock().map_err(|error| {
        Error::internal(format!("another process has the store open, or it cannot be locked: {error}"))
    })?;
    Ok(file)
}

/// What a caller learns of an SQLite error: nothing.
fn failed(error: rusqlite::Error) -> Error {
    Error::unavailable(error)
}

const MIGRATIONS: [&str; 5] = [
    include_str!("migrations/sqlite/0001_spine.sql"),
    include_str!("migrations/sqlite/0002_guard.sql"),
    include_str!("migrations/sqlite/0003_live.sql"),
    include_str!("migrations/sqlite/0004_expiry.sql"),
    include_str!("migrations/sqlite/0005_life.sql"),
];
const EVENTS: &str =
    "SELECT sequence, header, payload FROM event WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
const EVENTS_OF: &str = "SELECT sequence, header, payload FROM event WHERE subject = ?1 ORDER BY sequence";
const LAST_EVENT: &str = "SELECT sequence, header, payload FROM event ORDER BY sequence DESC LIMIT 1";
const MOST_READERS: usize = 4;
/// 3.51.3.
const OLDEST_SQLITE: i32 = 3_051_003;
const SYNCHRONOUS_FULL: i64 = 2;
/// In KiB, which SQLite takes as a negative number: room for all pages of a group, which would else be written twice. More is
/// no better, since SQLite looks through the whole cache after a commit that has divided a page.
const WRITER_CACHE: i64 = -8_192;
