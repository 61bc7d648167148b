//! The store for more than one node: a PostgreSQL database, one writer per node, a few readers.
//!
//! Every node drains its own queue of changes into one transaction and reports all outcomes after the one sync. The
//! head of the record is one row, locked first and until the end, so that the nodes take turns, group by group.

mod advice;
mod batch;
mod commit;
mod connect;
mod connection;
mod effects;
mod error;
mod list;
pub mod migrate;
mod plan;
mod pool;
mod read;
mod rights;
mod row;
mod skew;
mod statements;
mod tls;
mod transaction;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime;
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
use crate::telemetry::metrics::{GaugeGuard, StoreMetrics};
use crate::telemetry::traces::Part;
use batch::BatchReader;
use commit::Writer;
use connect::{Connector, verify};
use error::failed;
use pool::ReadPool;
use read::ReadConnection;
pub use skew::Skew;

/// A store in a PostgreSQL database, which any number of processes may use.
#[derive(Debug)]
pub struct PostgresStore {
    queue: CommitQueue,
    batches: BatchReader,
    reads: Arc<ReadPool>,
    ready: Ready,
    metrics: StoreMetrics,
}

impl PostgresStore {
    /// Opens the store at a `postgres://` URL, creates it or brings it up to date. `password` is for a URL without one.
    /// `skew` is the maximum distance of this node's clock from the database's; `None` for no limit.
    ///
    /// # Errors
    ///
    /// Fails if no host can be reached, if a newer version wrote the store, or if the server cannot keep the law.
    pub async fn open(
        url: &str,
        password: Option<&str>,
        skew: Option<Skew>,
        metrics: StoreMetrics,
    ) -> Result<Self, Error> {
        let connector = Connector::read(url, password)?;
        let mut connection = connector
            .connect("SET client_min_messages = warning")
            .await?;
        verify(&connection.client).await?;
        migrate::migrate(&mut connection.client, migrate::MIGRATIONS).await?;
        let ready = Ready::new();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        let queue = CommitQueue::start(
            "postgres-writer",
            runtime,
            Writer::new(connector.clone(), skew),
            ready.clone(),
            metrics.clone(),
        )?;
        metrics.readers.set(pool::MOST_LISTS.into());
        Ok(Self {
            queue,
            batches: BatchReader::start(ReadPool::of_batches(connector.clone(), ready.clone())),
            reads: ReadPool::of_lists(connector, ready.clone()),
            ready,
            metrics,
        })
    }

    /// Checks whether the store at a URL could be opened, and changes nothing; other nodes may be running on it.
    pub async fn check(url: &str, password: Option<&str>) -> Result<(), Error> {
        let connection = Connector::read(url, password)?
            .connect("SET client_min_messages = warning")
            .await?;
        verify(&connection.client).await?;
        migrate::check(&connection.client).await
    }

    /// Returns whether a URL contains a password.
    pub fn has_password(url: &str) -> Result<bool, Error> {
        Ok(Connector::read(url, None)?.has_password())
    }

    /// Reads a few rows that are found by their keys.
    async fn read<T>(
        &self,
        query: impl AsyncFnOnce(&mut ReadConnection) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        self.read_within(pool::SHORT_TIME, query).await
    }

    /// Reads any number of rows.
    async fn read_list<T>(
        &self,
        query: impl AsyncFnOnce(&mut ReadConnection) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        self.read_within(pool::LONG_TIME, query).await
    }

    async fn read_within<T>(
        &self,
        most: Duration,
        query: impl AsyncFnOnce(&mut ReadConnection) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        let _part = Part::begin("store.read");
        let in_use = &self.metrics.readers_in_use;
        let counted = async |reader: &mut ReadConnection| {
            let _in_use = GaugeGuard::new(in_use);
            query(reader).await
        };
        self.reads.read(most, counted).await
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, change: Change) -> Result<Commit, Error> {
        let _part = Part::begin("store.commit");
        self.queue.commit(change).await
    }

    async fn elevation(&self, key: ElevationKey) -> Result<Option<ElevationRead>, Error> {
        self.batches.elevation(key).await
    }

    async fn role(&self, id: RoleId) -> Result<Option<Versioned<Role>>, Error> {
        self.batches.role(id).await
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
            let moment = read::moment(&mut reader.connection.client).await?;
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
            let moment = read::moment(&mut reader.connection.client).await?;
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
            let moment = read::moment(&mut reader.connection.client).await?;
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

    async fn sweep(&self, alarms: Vec<Alarm>) -> Result<(), Error> {
        self.queue.sweep(alarms).await
    }

    async fn census(&self, now: Moment) -> Result<Census, Error> {
        self.read_list(async |reader| list::census(&reader.connection.client, now).await)
            .await
    }

    async fn effects_due(&self, now: Moment, limit: u32) -> Result<Vec<Versioned<Effect>>, Error> {
        self.read_list(async |reader| effects::due(&reader.connection.client, now, limit).await)
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
