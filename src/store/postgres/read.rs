//! The connections that read.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use bb8::{ManageConnection, Pool};
use futures_util::future::join_all;
use tokio::try_join;
use tokio_postgres::{Client, IsolationLevel, Row, Statement, Transaction};
use uuid::Uuid;

use super::connect::{Connector, opened};
use super::connection::Connection;
use super::error::{failed, is_refusal};
use super::list;
use super::row::{get, read_event, read_role};
use super::versions::VersionStatements;
use crate::domain::error::Error;
use crate::domain::id::{ElevationId, RoleId};
use crate::domain::moment::Moment;
use crate::domain::quota::Load;
use crate::domain::role::Role;
use crate::domain::version::Versioned;
use crate::record::Envelope;
use crate::store::tables::{ELEVATION_COLUMNS, ROLE_COLUMNS};
use crate::store::{DueRead, ElevationRead, FilingKey, FilingRead, Key, RoleUse};

/// Makes readers for a pool that keeps them.
#[derive(Debug)]
pub(super) struct ReadConnector {
    connector: Connector,
    session: &'static str,
}

/// A connection, with its prepared statements.
pub(super) struct ReadConnection {
    pub(super) connection: Connection,
    versions: VersionStatements,
    by_approval: Statement,
    by_id: Statement,
    events: Statement,
    events_of: Statement,
    role: Statement,
    roles: Statement,
    /// Whether it did not respond in time, so that it is not used again.
    pub(super) hung: bool,
}

/// The ids of single records, by the statement that finds them.
#[derive(Debug)]
pub(super) struct RecordIds {
    /// Approvals, for their elevations.
    pub(super) by_approval: Vec<Uuid>,
    /// Elevations.
    pub(super) by_id: Vec<Uuid>,
    /// Roles.
    pub(super) roles: Vec<Uuid>,
}

impl RecordIds {
    /// Returns whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.by_approval.is_empty() && self.by_id.is_empty() && self.roles.is_empty()
    }
}

/// The rows of single records, by the statement that found them.
pub(super) struct RecordRows {
    /// Elevations by approval, with their roles.
    pub(super) by_approval: Rows,
    /// Elevations by id, with their roles.
    pub(super) by_id: Rows,
    /// Roles.
    pub(super) roles: Rows,
}

/// Rows by the id that was requested. An id without a row is absent, one whose row cannot be read has an error.
pub(super) type Rows = HashMap<Uuid, Result<Row, Error>>;

impl ReadConnector {
    /// Returns a pool of at most `size` connections, which is empty at first. Each connection begins with `session`.
    /// While the store cannot be reached, the pool retries until the caller's time is up, so that reads survive a short
    /// pause.
    pub(super) fn pool(connector: Connector, session: &'static str, size: u32) -> Pool<Self> {
        Pool::builder()
            .max_size(size)
            .connection_timeout(MOST_WAIT)
            .build_unchecked(Self { connector, session })
    }
}

impl ManageConnection for ReadConnector {
    type Connection = ReadConnection;
    type Error = Error;

    async fn connect(&self) -> Result<ReadConnection, Error> {
        opened(ReadConnection::open(&self.connector, self.session)).await
    }

    async fn is_valid(&self, reader: &mut ReadConnection) -> Result<(), Error> {
        if self.has_broken(reader) {
            Err(Error::unavailable("a connection was lost"))
        } else {
            Ok(())
        }
    }

    fn has_broken(&self, reader: &mut ReadConnection) -> bool {
        reader.hung
            || self.connector.gave_up(reader.connection.age)
            || reader.connection.client.is_closed()
    }
}

impl ReadConnection {
    async fn open(connector: &Connector, session: &'static str) -> Result<Self, Error> {
        let connection = connector.connect(session).await?;
        let client = &connection.client;
        let elevation = |column| {
            format!(
                "SELECT elevation.*, role.*, elevation.{column} FROM (SELECT {ELEVATION_COLUMNS} FROM elevation \
                 WHERE {column} = ANY ($1)) AS elevation LEFT JOIN (SELECT {ROLE_COLUMNS} FROM role WHERE NOT deleted) AS role \
                 ON role.id = elevation.role"
            )
        };
        let role = format!("SELECT {ROLE_COLUMNS} FROM role WHERE id = $1 AND NOT deleted");
        let roles =
            format!("SELECT {ROLE_COLUMNS}, id FROM role WHERE id = ANY ($1) AND NOT deleted");
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
            roles: client.prepare(&roles).await.map_err(failed)?,
            hung: false,
            connection,
        })
    }

    /// Reads nothing, which still needs a response of the server.
    pub(super) async fn nothing(&self) -> Result<(), tokio_postgres::Error> {
        self.connection.client.batch_execute("SELECT").await
    }

    /// Reads single records, by one statement of each kind. All statements are sent together.
    pub(super) async fn records(&self, ids: &RecordIds) -> Result<RecordRows, Error> {
        let client = &self.connection.client;
        let (by_approval, by_id, roles) = try_join!(
            biased;
            rows(client, &self.by_approval, &ids.by_approval),
            rows(client, &self.by_id, &ids.by_id),
            rows(client, &self.roles, &ids.roles),
        )?;
        Ok(RecordRows {
            by_approval,
            by_id,
            roles,
        })
    }

    /// Reads everything that a filing depends on.
    pub(super) async fn filing(&mut self, key: &FilingKey) -> Result<FilingRead, Error> {
        let live = Key::Live(key.role, Some(key.requester));
        let guard = Key::Guard(key.requester);
        let moment = moment(&mut self.connection.client).await?;
        let client = moment.client();
        let mut keys = vec![guard];
        if key.live {
            keys.push(live);
        }
        let known = self.versions.read(client, keys).await.map_err(failed)?;
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
            let role = match roles.entry(id) {
                Entry::Occupied(known) => Option::clone(known.get()),
                Entry::Vacant(vacant) => {
                    let role = read_one_role(client, &self.role, id).await?;
                    vacant.insert(role.map(Arc::new)).clone()
                }
            };
            elevations.push(ElevationRead { elevation, role });
        }
        let spent = list::spent(client, now).await?;
        let next = list::next_due(client, now).await?;
        moment.commit().await.map_err(failed)?;
        Ok(DueRead::new(now, elevations, spent, next))
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

    /// Reads the events of one elevation, from the last one backwards.
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

/// Reads the rows of some ids. The last column of the statement is the id.
async fn rows(client: &Client, statement: &Statement, ids: &[Uuid]) -> Result<Rows, Error> {
    if ids.is_empty() {
        return Ok(Rows::new());
    }
    let rows = match client.query(statement, &[&ids]).await {
        Ok(rows) => rows,
        // The connection goes on, so the other statements of the batch are not concerned.
        Err(error) if is_refusal(&error) => {
            return Ok(match ids {
                [id] => Rows::from([(*id, Err(failed(error)))]),
                _ => one_by_one(client, statement, ids).await,
            });
        }
        Err(error) => return Err(failed(error)),
    };
    let with_id = |row: Row| Ok((get(&row, row.len() - 1)?, Ok(row)));
    rows.into_iter().map(with_id).collect()
}

/// Reads each row by itself, after the server has refused to read them together: one of them may be damaged.
async fn one_by_one(client: &Client, statement: &Statement, ids: &[Uuid]) -> Rows {
    let reads = ids.iter().map(async |id| {
        let row = client.query_opt(statement, &[&slice::from_ref(id)]).await;
        (*id, row.map_err(failed).transpose())
    });
    let rows = join_all(reads).await.into_iter();
    rows.filter_map(|(id, row)| Some((id, row?))).collect()
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
const EVENTS_OF: &str = "WITH RECURSIVE chain (number) AS (SELECT since FROM elevation WHERE id = $1 \
     UNION ALL SELECT previous FROM event JOIN chain ON sequence = number WHERE previous > 0) \
     SELECT sequence, header, payload FROM event JOIN chain ON sequence = number ORDER BY sequence";
const LAST_EVENT: &str =
    "SELECT sequence, header, payload FROM event ORDER BY sequence DESC LIMIT 1";
/// Reads have a time limit, at which they are cancelled; that loses nothing.
pub(super) const LIST_SESSION: &str = "SET default_transaction_read_only = on; SET statement_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '10s'";
/// The same, for statements that find rows by their keys. One plan with the indexes is right for any number of keys, and
/// for tables that grow. Without these settings the server makes a plan for each number of keys, or reads whole tables.
pub(super) const RECORD_SESSION: &str = "SET default_transaction_read_only = on; SET statement_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '10s'; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off";
const MOST_WAIT: Duration = Duration::from_secs(3);
