//! The versions of records, many at once.

use std::collections::HashMap;

use tokio::{join, try_join};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};
use uuid::Uuid;

use crate::domain::id::{AccountId, ElevationId, RoleId};
use crate::domain::version::Version;
use crate::store::Key;

/// What is known of some records.
#[derive(Debug, Default)]
pub(super) struct RecordVersions {
    /// The version of each that was asked for; [`Version::ABSENT`] of what is not there.
    pub(super) versions: HashMap<Key, Version>,
    /// The sequence of the last event of each elevation among them.
    pub(super) since: HashMap<ElevationId, u64>,
}

impl RecordVersions {
    /// The version of a record that was asked for.
    pub(super) fn version(&self, key: Key) -> Version {
        self.versions.get(&key).copied().unwrap_or(Version::ABSENT)
    }
}

/// The statements that read versions, one for each kind of key.
pub(super) struct VersionStatements {
    elevations: Statement,
    guards: Statement,
    live_of_requesters: Statement,
    live_of_roles: Statement,
    roles: Statement,
}

impl VersionStatements {
    /// Prepares the statements.
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        let (elevations, guards, live_of_requesters, live_of_roles, roles) = try_join!(
            client.prepare(ELEVATIONS),
            client.prepare(GUARDS),
            client.prepare(LIVE_OF_REQUESTERS),
            client.prepare(LIVE_OF_ROLES),
            client.prepare(ROLES),
        )?;
        Ok(Self {
            elevations,
            guards,
            live_of_requesters,
            live_of_roles,
            roles,
        })
    }

    /// Reads the versions of all keys. Statements go out together, in order, behind what was sent before.
    pub(super) async fn read(
        &self,
        client: &Client,
        keys: impl IntoIterator<Item = Key>,
    ) -> Result<RecordVersions, Error> {
        let mut known = RecordVersions::default();
        known
            .versions
            .extend(keys.into_iter().map(|key| (key, Version::ABSENT)));
        let ids =
            |of: fn(&Key) -> Option<Uuid>| known.versions.keys().filter_map(of).collect::<Vec<_>>();
        let elevations = ids(|key| {
            if let Key::Elevation(id) = key {
                Some(id.0)
            } else {
                None
            }
        });
        let guards = ids(|key| {
            if let Key::Guard(account) = key {
                Some(account.0)
            } else {
                None
            }
        });
        let roles = ids(|key| {
            if let Key::Role(id) = key {
                Some(id.0)
            } else {
                None
            }
        });
        let live_roles = ids(|key| {
            if let Key::Live(role, None) = key {
                Some(role.0)
            } else {
                None
            }
        });
        let live = known.versions.keys().filter_map(|key| match key {
            Key::Live(role, Some(requester)) => Some((role.0, requester.0)),
            _ => None,
        });
        let (of_roles, of_requesters): (Vec<Uuid>, Vec<Uuid>) = live.unzip();
        let (elevations, guards, roles, live_roles, live) = join!(
            biased;
            rows(client, &self.elevations, [&elevations]),
            rows(client, &self.guards, [&guards]),
            rows(client, &self.roles, [&roles]),
            rows(client, &self.live_of_roles, [&live_roles]),
            rows(client, &self.live_of_requesters, [&of_roles, &of_requesters]),
        );
        for row in elevations? {
            let id = ElevationId(row.try_get(0)?);
            known.versions.insert(Key::Elevation(id), version(&row, 1)?);
            known.since.insert(id, version(&row, 2)?.0);
        }
        for row in guards? {
            known
                .versions
                .insert(Key::Guard(AccountId(row.try_get(0)?)), version(&row, 1)?);
        }
        for row in roles? {
            known
                .versions
                .insert(Key::Role(RoleId(row.try_get(0)?)), version(&row, 1)?);
        }
        for row in live_roles? {
            known
                .versions
                .insert(Key::Live(RoleId(row.try_get(0)?), None), version(&row, 1)?);
        }
        for row in live? {
            let (role, requester) = (RoleId(row.try_get(0)?), AccountId(row.try_get(1)?));
            known
                .versions
                .insert(Key::Live(role, Some(requester)), version(&row, 2)?);
        }
        Ok(known)
    }
}

/// The rows for these keys, each column of which is an array; of no keys there are none.
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

const ELEVATIONS: &str = "SELECT id, version, since FROM elevation WHERE id = ANY ($1::uuid[])";
const GUARDS: &str = "SELECT account, version FROM guard WHERE account = ANY ($1::uuid[])";
const LIVE_OF_REQUESTERS: &str = "SELECT key.role, key.requester, (SELECT since FROM elevation \
     WHERE elevation.role = key.role AND requester_id = key.requester \
     AND due IS NOT NULL ORDER BY since DESC LIMIT 1) \
     FROM unnest($1::uuid[], $2::uuid[]) AS key (role, requester)";
const LIVE_OF_ROLES: &str = "SELECT key.role, (SELECT max(since) FROM elevation WHERE elevation.role = key.role \
     AND due IS NOT NULL) FROM unnest($1::uuid[]) AS key (role)";
const ROLES: &str = "SELECT id, version FROM role WHERE id = ANY ($1::uuid[])";
