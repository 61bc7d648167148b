//! The store for more than one node: a PostgreSQL database, one writer per node, a few readers.
//!
//! Every node drains its own queue of changes into one transaction and answers everybody after the one sync. The head of
//! the record is one row, locked first and held to the end, so that the nodes take turns, group by group.

mod advice;
mod group;
mod hosts;
mod line;
mod link;
mod list;
mod put;
mod reader;
mod reads;
mod rights;
mod row;
mod tls;
mod versions;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::{DbError, Severity, SqlState};

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
use crate::domain::moment::{Moment, Seconds};
use crate::domain::query::{ElevationField, Page, Query, RoleField};
use crate::domain::role::Role;
use crate::domain::version::Versioned;
use crate::record::Envelope;
use crate::telemetry::metrics::{OneMore, StoreMetrics};
use crate::telemetry::traces::Part;
use crate::time::Clock;
use hosts::Hosts;
use reader::Reader;
use reads::Reads;
use writer::Writer;

/// A store in a PostgreSQL database, which any number of processes may use.
#[derive(Debug)]
pub struct PostgresStore {
    queue: CommitQueue,
    reads: Arc<Reads>,
    ready: Ready,
    metrics: StoreMetrics,
}

impl PostgresStore {
    /// Opens the store behind a `postgres://` URL, creates it or brings it up to date. `password` is for a URL without one;
    /// `skew`, how far from the database's clock this node may decide, or `None` at any distance. Fails when no host can be reached, when the store was written by a newer version, or when the server is not what
    /// the law needs.
    pub async fn open(
        url: &str,
        password: Option<&str>,
        skew: Option<Skew>,
        metrics: StoreMetrics,
    ) -> Result<Self, Error> {
        let hosts = Hosts::read(url, password)?;
        let mut link = hosts.connect("SET client_min_messages = warning").await?;
        verify(&link.client).await?;
        migrate(&mut link.client).await?;
        let ready = Ready::new();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        let queue = CommitQueue::start(
            "postgres-writer",
            runtime,
            Writer::new(hosts.clone(), skew),
            ready.clone(),
            metrics.clone(),
        )?;
        metrics.readers.set(reader::MOST_READERS.into());
        Ok(Self {
            queue,
            reads: Reads::start(hosts, ready.clone()),
            ready,
            metrics,
        })
    }

    /// Looks whether the store behind a URL could be opened, and changes nothing; other nodes may be running on it.
    pub async fn check(url: &str, password: Option<&str>) -> Result<(), Error> {
        let link = Hosts::read(url, password)?
            .connect("SET client_min_messages = warning")
            .await?;
        verify(&link.client).await?;
        let missing = missing(&link.client).await?.len();
        rights::check(&link.client, MIGRATIONS.len() - missing, missing).await
    }

    /// Whether a URL has a password in it.
    pub fn has_password(url: &str) -> Result<bool, Error> {
        Ok(Hosts::read(url, None)?.has_password())
    }

    /// Reads a few rows that are found by their keys.
    async fn read<T>(
        &self,
        query: impl AsyncFnOnce(&mut Reader) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        self.read_within(reads::SHORT_TIME, query).await
    }

    /// Reads as many rows as there may be.
    async fn read_list<T>(
        &self,
        query: impl AsyncFnOnce(&mut Reader) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        self.read_within(reads::LONG_TIME, query).await
    }

    async fn read_within<T>(
        &self,
        most: Duration,
        query: impl AsyncFnOnce(&mut Reader) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        let _part = Part::begin("store.read");
        let in_use = &self.metrics.readers_in_use;
        let counted = async |reader: &mut Reader| {
            let _in_use = OneMore::of(in_use);
            query(reader).await
        };
        self.reads.read(most, counted).await
    }
}

/// How far the clock of a node may be from the database's, either way.
#[derive(Clone)]
pub struct Skew {
    /// The clock of the node.
    pub clock: Arc<dyn Clock>,
    /// The distance.
    pub most: Seconds,
}

impl Skew {
    /// Whether the node may decide while the database's clock says `time`.
    fn allows(&self, time: Moment) -> bool {
        let now = self.clock.now();
        now <= time.after(self.most) && time <= now.after(self.most)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, change: Change) -> Result<Commit, Error> {
        let _part = Part::begin("store.commit");
        self.queue.commit(change).await
    }

    async fn elevation(&self, key: ElevationKey) -> Result<Option<ElevationRead>, Error> {
        self.read(async |reader| reader.elevation(key).await).await
    }

    async fn role(&self, id: RoleId) -> Result<Option<Versioned<Role>>, Error> {
        self.read(async |reader| reader.role(id).await).await
    }

    async fn filing(&self, key: FilingKey) -> Result<FilingRead, Error> {
        self.read_list(async |reader| reader.filing(&key).await)
            .await
    }

    async fn role_use(&self, id: RoleId, now: Moment) -> Result<RoleUse, Error> {
        self.read_list(async |reader| reader.role_use(id, now).await)
            .await
    }

    async fn pending_approvals(
        &self,
        approver: Approver,
        query: Query<ElevationField>,
        now: Moment,
    ) -> Result<Page<Versioned<Elevation>>, Error> {
        self.read_list(async |reader| {
            let moment = reader::moment(&mut reader.link.client).await?;
            let page = list::pending_approvals(&moment, &approver, &query, now).await?;
            moment.commit().await.map_err(failed)?;
            Ok(page)
        })
        .await
    }

    async fn elevations(
        &self,
        requester: AccountId,
        query: Query<ElevationField>,
        now: Moment,
    ) -> Result<Page<Versioned<Elevation>>, Error> {
        self.read_list(async |reader| {
            let moment = reader::moment(&mut reader.link.client).await?;
            let page = list::elevations(&moment, requester, &query, now).await?;
            moment.commit().await.map_err(failed)?;
            Ok(page)
        })
        .await
    }

    async fn roles(
        &self,
        candidates: Option<Vec<PrincipalId>>,
        query: Query<RoleField>,
        now: Moment,
    ) -> Result<Page<Versioned<Role>>, Error> {
        self.read_list(async |reader| {
            let moment = reader::moment(&mut reader.link.client).await?;
            let page = list::roles(&moment, candidates.as_deref(), &query, now).await?;
            moment.commit().await.map_err(failed)?;
            Ok(page)
        })
        .await
    }

    async fn due(&self, now: Moment, limit: u32) -> Result<DueRead, Error> {
        self.read_list(async |reader| reader.due(now, limit).await)
            .await
    }

    async fn census(&self, now: Moment) -> Result<Census, Error> {
        self.read_list(async |reader| list::census(&reader.link.client, now).await)
            .await
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Envelope>, Error> {
        self.read_list(async |reader| reader.events(after, limit).await)
            .await
    }

    async fn events_of(&self, id: ElevationId) -> Result<Vec<Envelope>, Error> {
        self.read(async |reader| reader.events_of(id).await).await
    }

    async fn last_event(&self) -> Result<Option<Envelope>, Error> {
        self.read(async |reader| reader.last_event().await).await
    }

    fn ready(&self) -> watch::Receiver<bool> {
        self.ready.watch()
    }

    async fn failed(&self) {
        // A lost connection is not the end of the store.
        self.queue.stopped().await;
    }
}

/// What a connection is opened for. A server, or whoever is in between, that stops to answer halfway would be waited for
/// without end, though another host or another try may do.
async fn opened<T>(opening: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let opened = timeout(OPEN_TIME, opening).await;
    opened.unwrap_or_else(|_| {
        Err(Error::unavailable(
            "a connection was not ready for use in time",
        ))
    })
}

/// Reads what durability and the order of lists hang on, which is set outside of a session.
async fn verify(client: &Client) -> Result<(), Error> {
    let row = client.query_typed_one(FACTS, &[]).await.map_err(failed)?;
    let [version, encoding, fsync, full_pages] =
        [0, 1, 2, 3].map(|column| row.get::<_, &str>(column));
    if version
        .parse()
        .is_ok_and(|version: u32| version < OLDEST_POSTGRES)
    {
        return Err(Error::internal(
            "PostgreSQL before version 13 is not supported",
        ));
    }
    if encoding != "UTF8" {
        return Err(Error::internal("the database must have the encoding UTF8"));
    }
    if fsync != "on" {
        return Err(Error::internal(
            "the server runs with fsync = off, which loses acknowledged decisions",
        ));
    }
    if full_pages != "on" {
        tracing::warn!(
            "the server runs with full_page_writes = off, which only some file systems make up for"
        );
    }
    Ok(())
}

/// Brings the store up to date. Nodes that start at once take turns. Fails if the user of the node lacks a right.
async fn migrate(client: &mut Client) -> Result<(), Error> {
    let transaction = client.transaction().await.map_err(failed)?;
    // Before any look at the tables: the session would remember that they were missing, although another node makes them
    // while this one waits.
    transaction
        .query_typed_one(TAKE_TURNS, &[])
        .await
        .map_err(failed)?;
    let missing = missing(transaction.client()).await?;
    let done = MIGRATIONS.len() - missing.len();
    rights::check(transaction.client(), done, missing.len()).await?;
    if done == 0 {
        transaction.batch_execute(MIGRATION).await.map_err(failed)?;
    }
    for (number, migration) in (done + 1..).zip(missing) {
        let written = format!("{migration}; INSERT INTO migration (number) VALUES ({number})");
        transaction.batch_execute(&written).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    match missing.len() {
        0 => {}
        _ if done == 0 => tracing::info!(
            version = MIGRATIONS.len(),
            "the tables of a new store were made"
        ),
        _ => tracing::info!(
            from = done,
            to = MIGRATIONS.len(),
            "the store was brought up to date"
        ),
    }
    Ok(())
}

/// The migrations that the store does not have yet.
async fn missing(client: &Client) -> Result<&'static [&'static str], Error> {
    let there = client
        .query_typed_one(HAS_MIGRATIONS, &[])
        .await
        .map_err(failed)?;
    let done = match there.get(0) {
        false => 0,
        true => client
            .query_typed_one(LAST_MIGRATION, &[])
            .await
            .map_err(failed)?
            .get::<_, i64>(0),
    };
    let missing = MIGRATIONS.get(usize::try_from(done).map_err(Error::internal)?..);
    missing
        .ok_or_else(|| Error::internal("the store was written by a newer version of Countersign"))
}

/// What a caller learns of an error of PostgreSQL: nothing.
fn failed(error: tokio_postgres::Error) -> Error {
    if error.as_db_error().is_some() {
        refused(&error)
    } else {
        Error::unavailable(error)
    }
}

/// What the log learns of a statement that the server refused: no details, since those quote rows.
fn refused(error: &tokio_postgres::Error) -> Error {
    Error::unavailable(advice::sentence(error))
}

/// Whether the server refused a statement, and will take the next one.
fn is_refusal(error: &tokio_postgres::Error) -> bool {
    let on_a_standby = [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::FEATURE_NOT_SUPPORTED,
    ];
    let refused = |error: &DbError| {
        error.parsed_severity() == Some(Severity::Error) && !on_a_standby.contains(error.code())
    };
    error.as_db_error().is_some_and(refused)
}

/// Whether the same can go well the next time.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    let passing = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    error.code().is_some_and(|code| passing.contains(code))
}

const FACTS: &str = "SELECT current_setting('server_version_num'), current_setting('server_encoding'), \
     current_setting('fsync'), current_setting('full_page_writes')";
/// 13, which makes ids without an extension.
const OLDEST_POSTGRES: u32 = 130_000;
const TAKE_TURNS: &str = "SELECT pg_advisory_xact_lock(4846923550293)";
const HAS_MIGRATIONS: &str = "SELECT to_regclass('migration') IS NOT NULL";
const MIGRATION: &str = "CREATE TABLE IF NOT EXISTS migration (number bigint PRIMARY KEY)";
const LAST_MIGRATION: &str = "SELECT coalesce(max(number), 0) FROM migration";
const MIGRATIONS: [&str; 5] = [
    include_str!("migrations/postgres/0001_spine.sql"),
    include_str!("migrations/postgres/0002_guard.sql"),
    include_str!("migrations/postgres/0003_live.sql"),
    include_str!("migrations/postgres/0004_expiry.sql"),
    include_str!("migrations/postgres/0005_life.sql"),
];
/// How long a new connection may take until its statements are prepared.
const OPEN_TIME: Duration = Duration::from_secs(5);
