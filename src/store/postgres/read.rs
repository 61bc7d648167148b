//! The connections that read.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use bb8::{ManageConnection, Pool};
use tokio_postgres::{Client, IsolationLevel, Statement, Transaction};
use uuid::Uuid;

use super::connect::{Connector, opened};
use super::connection::Connection;
use super::error::failed;
use super::list;
use super::row::{get, read_elevation, read_event, read_role};
use super::versions::VersionStatements;
use crate::domain::error::Error;
use crate::domain::id::{ElevationId, RoleId};
use crate::domain::moment::Moment;
use crate::domain::quota::Load;
use crate::domain::role::Role;
use crate::domain::version::Versioned;
use crate::record::Envelope;
use crate::store::tables::{ELEVATION, ELEVATION_COLUMNS, ROLE_COLUMNS};
use crate::store::{DueRead, ElevationKey, ElevationRead, FilingKey, FilingRead, Key, RoleUse};

/// Makes readers for a pool that keeps them.
#[derive(Debug)]
pub(super) struct ReadConnector(pub(super) Connector);

/// A connection, with its prepared statements.
pub(super) struct ReadConnection {
    pub(super) connection: Connection,
    versions: VersionStatements,
    by_approval: Statement,
    by_id: Statement,
    events: Statement,
    events_of: Statement,
    role: Statement,
    /// Whether it did not respond in time, so that it is not used again.
    pub(super) hung: bool,
}

impl ReadConnector {
    /// Returns a pool of them, which is empty at first. While the store cannot be reached, it retries until the
    /// caller's time is up, so that reads survive a short pause.
    pub(super) fn pool(connector: Connector) -> Pool<Self> {
        Pool::builder()
            .max_size(MOST_READERS)
            .connection_timeout(MOST_WAIT)
            .build_unchecked(Self(connector))
    }
}

impl ManageConnection for ReadConnector {
    type Connection = ReadConnection;
    type Error = Error;

    async fn connect(&self) -> Result<ReadConnection, Error> {
        opened(ReadConnection::open(&self.0)).await
    }

    async fn is_valid(&self, reader: &mut ReadConnection) -> Result<(), Error> {
        if self.has_broken(reader) {
            Err(Error::unavailable("a connection was lost"))
        } else {
            Ok(())
        }
    }

    fn has_broken(&self, reader: &mut ReadConnection) -> bool {
        reader.hung || self.0.gave_up(reader.connection.age) || reader.connection.client.is_closed()
    }
}

impl ReadConnection {
    async fn open(connector: &Connector) -> Result<Self, Error> {
        let connection = connector.connect(SESSION).await?;
        let client = &connection.client;
        let elevation = |column| {
            format!(
                "SELECT elevation.*, role.* FROM (SELECT {ELEVATION_COLUMNS} FROM elevation WHERE {column} = $1) \
                 AS elevation LEFT JOIN (SELECT {ROLE_COLUMNS} FROM role WHERE NOT deleted) AS role \
                 ON role.id = elevation.role"
            )
        };
        let role = format!("SELECT {ROLE_COLUMNS} FROM role WHERE id = $1 AND NOT deleted");
        Ok(Self {
            versions: VersionStatements::prepare(client).await.map_err(failed)?,
            by_approval: client
                .prepare(&elevation("approval"))
                .await
                .map_err(failed)?,
            by_id: client.prepare(&elevation("id")).await.map_err(failed)?,
            events: client.prepare(EVENTS).await.map_err(failed)?,
            events_of: client.prepare(EVENTS_OF).await.map_err(failed)?,
            role: client.prepare(&role).await.map_err(failed)?,
            hung: false,
            connection,
        })
    }

    /// Reads nothing, which still needs a response of the server.
    pub(super) async fn nothing(&self) -> Result<(), tokio_postgres::Error> {
        self.connection.client.batch_execute("SELECT").await
    }

    /// Reads one elevation with its role.
    pub(super) async fn elevation(
        &self,
        key: ElevationKey,
    ) -> Result<Option<ElevationRead>, Error> {
        let (statement, id) = match key {
            ElevationKey::Approval(id) => (&self.by_approval, id.0),
            ElevationKey::Elevation(id) => (&self.by_id, id.0),
        };
        let row = self
            .connection
            .client
            .query_opt(statement, &[&id])
            .await
            .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let has_role = get::<Option<Uuid>>(&row, ELEVATION.len())?.is_some();
        let role = has_role
            .then(|| read_role(&row, ELEVATION.len()))
            .transpose()?;
        Ok(Some(ElevationRead {
            elevation: read_elevation(&row)?,
            role,
        }))
    }

    /// Reads one role.
    pub(super) async fn role(&self, id: RoleId) -> Result<Option<Versioned<Role>>, Error> {
        read_one_role(&self.connection.client, &self.role, id).await
    }

    /// Reads everything that a filing depends on.
    pub(super) async fn filing(&mut self, key: &FilingKey) -> Result<FilingRead, Error> {
        let live = Key::Live(key.role, Some(key.requester));
        let guard = Key::Guard(key.requester);
        let moment = moment(&mut self.connection.client).await?;
        let client = moment.client();
        let known = self
            .versions
            .read(client, [live, guard])
            .await
            .map_err(failed)?;
        let read = FilingRead {
            role: read_one_role(client, &self.role, key.role).await?,
            live: if key.live {
                list::live(client, key).await?
            } else {
                Vec::new()
            },
            live_version: known.version(live),
            load: if key.load {
                list::load(client, key).await?
            } else {
                Load::default()
            },
            filed_before: list::filed_before(client, key).await?,
            guard: known.version(guard),
        };
        moment.commit().await.map_err(failed)?;
        Ok(read)
    }

    /// Reads everything that a change of a role depends on.
    pub(super) async fn role_use(&mut self, id: RoleId, now: Moment) -> Result<RoleUse, Error> {
        let (record, live) = (Key::Role(id), Key::Live(id, None));
        let moment = moment(&mut self.connection.client).await?;
        let client = moment.client();
        let known = self
            .versions
            .read(client, [record, live])
            .await
            .map_err(failed)?;
        let read = RoleUse {
            role: read_one_role(client, &self.role, id).await?,
            version: known.version(record),
            live: known.version(live),
            in_use: list::in_use(client, id, now).await?,
        };
        moment.commit().await.map_err(failed)?;
        Ok(read)
    }

    /// Reads the elevations that are due at `now` with their roles, each role once, and the next due time.
    pub(super) async fn due(&mut self, now: Moment, limit: u32) -> Result<DueRead, Error> {
        let moment = moment(&mut self.connection.client).await?;
        let client = moment.client();
        let mut roles = HashMap::new();
        let mut elevations = Vec::new();
        for elevation in list::due(client, now, limit).await? {
            let id = elevation.value.role;
            if let Entry::Vacant(vacant) = roles.entry(id) {
                vacant.insert(read_one_role(client, &self.role, id).await?);
            }
            elevations.push(ElevationRead {
                elevation,
                role: roles.get(&id).cloned().flatten(),
            });
        }
        let next = list::next_due(client, now).await?;
        moment.commit().await.map_err(failed)?;
        Ok(DueRead { elevations, next })
    }

    /// Reads events of the record.
    pub(super) async fn events(&self, after: u64, limit: u32) -> Result<Vec<Envelope>, Error> {
        let (after, limit) = (i64::try_from(after).unwrap_or(i64::MAX), i64::from(limit));
        let rows = self
            .connection
            .client
            .query(&self.events, &[&after, &limit])
            .await
            .map_err(failed)?;
        rows.iter().map(read_event).collect()
    }

    /// Reads the events of one elevation.
    pub(super) async fn events_of(&self, id: ElevationId) -> Result<Vec<Envelope>, Error> {
        let rows = self
            .connection
            .client
            .query(&self.events_of, &[&id.0])
            .await
            .map_err(failed)?;
        rows.iter().map(read_event).collect()
    }

    /// Reads the last event of the record.
    pub(super) async fn last_event(&self) -> Result<Option<Envelope>, Error> {
        let row = self
            .connection
            .client
            .query_typed_opt(LAST_EVENT, &[])
            .await
            .map_err(failed)?;
        row.as_ref().map(read_event).transpose()
    }
}

/// Begins a transaction whose statements see one moment. One statement alone sees one moment by itself.
pub(super) async fn moment(client: &mut Client) -> Result<Transaction<'_>, Error> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead);
    transaction.read_only(true).start().await.map_err(failed)
}

async fn read_one_role(
    client: &Client,
    statement: &Statement,
    id: RoleId,
) -> Result<Option<Versioned<Role>>, Error> {
    let row = client
        .query_opt(statement, &[&id.0])
        .await
        .map_err(failed)?;
    row.map(|row| read_role(&row, 0)).transpose()
}

const EVENTS: &str =
    "SELECT sequence, header, payload FROM event WHERE sequence > $1 ORDER BY sequence LIMIT $2";
const EVENTS_OF: &str =
    "SELECT sequence, header, payload FROM event WHERE subject = $1 ORDER BY sequence";
const LAST_EVENT: &str =
    "SELECT sequence, header, payload FROM event ORDER BY sequence DESC LIMIT 1";
/// Reads have a time limit, at which they are cancelled; that loses nothing.
const SESSION: &str = "SET default_transaction_read_only = on; SET statement_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '10s'";
pub(super) const MOST_READERS: u32 = 8;
const MOST_WAIT: Duration = Duration::from_secs(3);
