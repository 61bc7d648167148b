//! The versions of records.

use std::collections::HashMap;

use tokio::{join, try_join};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};
use uuid::Uuid;

use crate::domain::id::{AccountId, EffectId, ElevationId, RoleId};
use crate::domain::version::Version;
use crate::store::Key;

/// The versions of some records.
#[derive(Debug, Default)]
pub(super) struct RecordVersions {
    /// The version of each requested key; [`Version::ABSENT`] if there is no record.
    pub(super) versions: HashMap<Key, Version>,
    /// The sequence of the last event of each elevation and role among them.
    pub(super) since: HashMap<Key, u64>,
}

impl RecordVersions {
    /// Returns the version of a requested key.
    pub(super) fn version(&self, key: Key) -> Version {
        self.versions.get(&key).copied().unwrap_or(Version::ABSENT)
    }
}

/// Keys by their kind, in the form that the statements take.
#[derive(Debug, Default)]
struct KeyArrays {
    effects: Vec<Uuid>,
    elevations: Vec<Uuid>,
    guards: Vec<Uuid>,
    /// The roles and the requesters of one kind of key, in the same order.
    live_of_requesters: (Vec<Uuid>, Vec<Uuid>),
    live_of_roles: Vec<Uuid>,
    roles: Vec<Uuid>,
}

impl KeyArrays {
    fn of<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Self {
        let mut arrays = Self::default();
        for key in keys {
            match key {
                Key::Effect(id) => arrays.effects.push(id.0),
                Key::Elevation(id) => arrays.elevations.push(id.0),
                Key::Guard(account) => arrays.guards.push(account.0),
                Key::Live(role, None) => arrays.live_of_roles.push(role.0),
                Key::Live(role, Some(requester)) => {
                    arrays.live_of_requesters.0.push(role.0);
                    arrays.live_of_requesters.1.push(requester.0);
                }
                Key::Role(id) => arrays.roles.push(id.0),
            }
        }
        arrays
    }
}

/// The statements that read versions, one for each kind of key.
pub(super) struct VersionStatements {
    effects: Statement,
    elevations: Statement,
    guards: Statement,
    live_of_requesters: Statement,
    live_of_roles: Statement,
    roles: Statement,
}

impl VersionStatements {
    /// Prepares the statements.
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        let (effects, elevations, guards, live_of_requesters, live_of_roles, roles) = try_join!(
            client.prepare(EFFECTS),
            client.prepare(ELEVATIONS),
            client.prepare(GUARDS),
            client.prepare(LIVE_OF_REQUESTERS),
            client.prepare(LIVE_OF_ROLES),
            client.prepare(ROLES),
        )?;
        Ok(Self {
            effects,
            elevations,
            guards,
            live_of_requesters,
            live_of_roles,
            roles,
        })
    }

    /// Reads the versions of all keys. The statements are sent together, in order, after those that were sent before.
    pub(super) async fn read(
        &self,
        client: &Client,
        keys: impl IntoIterator<Item = Key>,
    ) -> Result<RecordVersions, Error> {
        let mut read = RecordVersions::default();
        for key in keys {
            read.versions.insert(key, Version::ABSENT);
        }
        let keys = KeyArrays::of(read.versions.keys());
        let (live_roles, live_requesters) = &keys.live_of_requesters;
        let (effects, elevations, guards, roles, live_of_roles, live_of_requesters) = join!(
            biased;
            rows(client, &self.effects, [&keys.effects]),
            rows(client, &self.elevations, [&keys.elevations]),
            rows(client, &self.guards, [&keys.guards]),
            rows(client, &self.roles, [&keys.roles]),
            rows(client, &self.live_of_roles, [&keys.live_of_roles]),
            rows(client, &self.live_of_requesters, [live_roles, live_requesters]),
        );
        for row in effects? {
            let key = Key::Effect(EffectId(row.try_get(0)?));
            read.versions.insert(key, version(&row, 1)?);
        }
        for row in elevations? {
            let key = Key::Elevation(ElevationId(row.try_get(0)?));
            read.versions.insert(key, version(&row, 1)?);
            read.since.insert(key, version(&row, 2)?.0);
        }
        for row in guards? {
            let key = Key::Guard(AccountId(row.try_get(0)?));
            read.versions.insert(key, version(&row, 1)?);
        }
        for row in roles? {
            let key = Key::Role(RoleId(row.try_get(0)?));
            read.versions.insert(key, version(&row, 1)?);
            read.since.insert(key, version(&row, 2)?.0);
        }
        for row in live_of_roles? {
            let key = Key::Live(RoleId(row.try_get(0)?), None);
            read.versions.insert(key, version(&row, 1)?);
        }
        for row in live_of_requesters? {
            let requester = AccountId(row.try_get(1)?);
            let key = Key::Live(RoleId(row.try_get(0)?), Some(requester));
            read.versions.insert(key, version(&row, 2)?);
        }
        Ok(read)
    }
}

/// Reads the rows of some keys, each column of which is an array. Without keys there are no rows.
async fn rows<const N: usize>(
    client: &Client,
    statement: &Statement,
    keys: [&Vec<Uuid>; N],
) -> Result<Vec<Row>, Error> {
    if keys.iter().all(|column| column.is_empty()) {
        return Ok(Vec::new());
    }
    client
        .query(statement, &keys.map(|column| column as &(dyn ToSql + Sync)))
        .await
}

fn version(row: &Row, column: usize) -> Result<Version, Error> {
    Ok(Version(
        row.try_get::<_, Option<i64>>(column)?
            .unwrap_or_default()
            .cast_unsigned(),
    ))
}

const EFFECTS: &str = "SELECT id, version FROM effect WHERE id = ANY ($1::uuid[])";
const ELEVATIONS: &str = "SELECT id, version, since FROM elevation WHERE id = ANY ($1::uuid[])";
const GUARDS: &str = "SELECT account, version FROM guard WHERE account = ANY ($1::uuid[])";
const LIVE_OF_REQUESTERS: &str = "SELECT key.role, key.requester, (SELECT max(since) FROM elevation \
     WHERE elevation.role = key.role AND requester_id = key.requester AND ended = 0) \
     FROM unnest($1::uuid[], $2::uuid[]) AS key (role, requester)";
const LIVE_OF_ROLES: &str = "SELECT key.role, (SELECT max(since) FROM elevation WHERE elevation.role = key.role \
     AND ended = 0) FROM unnest($1::uuid[]) AS key (role)";
const ROLES: &str = "SELECT id, version, since FROM role WHERE id = ANY ($1::uuid[])";
