//! Reads of single records and events. The caller has begun a transaction, so that all statements see one moment.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Params};

use super::cache::Cache;
use super::error::failed;
use super::list;
use super::row::{read_elevation, read_event, read_role};
use super::versions::version;
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::id::{ElevationId, RoleId};
use crate::domain::moment::Moment;
use crate::domain::quota::Load;
use crate::domain::role::Role;
use crate::domain::version::{Version, Versioned};
use crate::record::Envelope;
use crate::store::tables::{ELEVATION_COLUMNS, ROLE_COLUMNS};
use crate::store::{DueRead, ElevationKey, ElevationRead, FilingKey, FilingRead, Key, RoleUse};

/// Reads one elevation with its role.
pub(super) fn elevation(
    connection: &Connection,
    key: ElevationKey,
) -> Result<Option<ElevationRead>, Error> {
    let Some(elevation) = elevation_alone(connection, key)? else {
        return Ok(None);
    };
    let role = role(connection, elevation.value.role)?.map(Arc::new);
    Ok(Some(ElevationRead { elevation, role }))
}

fn elevation_alone(
    connection: &Connection,
    key: ElevationKey,
) -> Result<Option<Versioned<Elevation>>, Error> {
    let (column, id) = match key {
        ElevationKey::Approval(id) => ("approval", id.0),
        ElevationKey::Elevation(id) => ("id", id.0),
    };
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT {ELEVATION_COLUMNS} FROM elevation WHERE {column} = ?1"
        ))
        .map_err(failed)?;
    statement
        .query_row([id.as_bytes()], read_elevation)
        .optional()
        .map_err(failed)
}

/// Fills the cache with the roles and the pending elevations, as far as there is room.
pub(super) fn fill(connection: &Connection, cache: &Cache) -> Result<(), Error> {
    let sql = format!("SELECT {ROLE_COLUMNS} FROM role WHERE NOT deleted");
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    for role in statement.query_map([], read_role).map_err(failed)? {
        if !cache.load_role(role.map_err(failed)?) {
            return Ok(());
        }
    }
    let sql = format!(
        "SELECT {ELEVATION_COLUMNS} FROM elevation INDEXED BY elevation_pending \
         WHERE state = 'PendingApproval'"
    );
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    for elevation in statement.query_map([], read_elevation).map_err(failed)? {
        if !cache.load_elevation(elevation.map_err(failed)?) {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads one role.
pub(super) fn role(connection: &Connection, id: RoleId) -> Result<Option<Versioned<Role>>, Error> {
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT {ROLE_COLUMNS} FROM role WHERE id = ?1 AND NOT deleted"
        ))
        .map_err(failed)?;
    statement
        .query_row([id.0.as_bytes()], read_role)
        .optional()
        .map_err(failed)
}

/// Reads everything that a filing depends on.
pub(super) fn filing(connection: &Connection, key: &FilingKey) -> Result<FilingRead, Error> {
    let live = Key::Live(key.role, Some(key.requester));
    let guard = Key::Guard(key.requester);
    Ok(FilingRead {
        role: role(connection, key.role)?,
        live: if key.live {
            list::live(connection, key)?
        } else {
            Vec::new()
        },
        live_version: if key.live {
            version(connection, live).map_err(failed)?
        } else {
            Version::ABSENT
        },
        load: if key.load {
            list::load(connection, key)?
        } else {
            Load::default()
        },
        filed_before: list::filed_before(connection, key)?,
        guard: version(connection, guard).map_err(failed)?,
    })
}

/// Reads everything that a change of a role depends on.
pub(super) fn role_use(connection: &Connection, id: RoleId, now: Moment) -> Result<RoleUse, Error> {
    Ok(RoleUse {
        role: role(connection, id)?,
        version: version(connection, Key::Role(id)).map_err(failed)?,
        live: version(connection, Key::Live(id, None)).map_err(failed)?,
        in_use: list::in_use(connection, id, now)?,
    })
}

/// Reads the elevations that are due at `now` with their roles, and the next due time.
pub(super) fn due(connection: &Connection, now: Moment, limit: u32) -> Result<DueRead, Error> {
    let mut elevations = Vec::new();
    for elevation in list::due(connection, now, limit)? {
        let role = role(connection, elevation.value.role)?.map(Arc::new);
        elevations.push(ElevationRead { elevation, role });
    }
    let spent = list::spent(connection, now)?;
    let next = list::next_due(connection, now)?;
    Ok(DueRead::new(now, elevations, spent, next))
}

/// Reads at most `limit` events of the record, starting with the one after sequence `after`.
pub(super) fn events(
    connection: &Connection,
    after: u64,
    limit: u64,
) -> Result<Vec<Envelope>, Error> {
    read_events(connection, EVENTS, [after, limit])
}

/// Reads the events of one elevation, from the last one backwards.
pub(super) fn events_of(connection: &Connection, id: ElevationId) -> Result<Vec<Envelope>, Error> {
    read_events(connection, EVENTS_OF, [id.0.as_bytes()])
}

/// Reads the last event of the record.
pub(super) fn last_event(connection: &Connection) -> Result<Option<Envelope>, Error> {
    Ok(read_events(connection, LAST_EVENT, [])?.pop())
}

fn read_events(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<Vec<Envelope>, Error> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let events = statement
        .query_map(parameters, read_event)
        .map_err(failed)?;
    events.collect::<Result<_, _>>().map_err(failed)
}

const EVENTS: &str =
    "SELECT sequence, header, payload FROM event WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
// `CROSS JOIN` keeps the order: without it the planner may read all events, in their order, and look each up in the chain.
const EVENTS_OF: &str = "WITH RECURSIVE chain (number) AS (SELECT since FROM elevation WHERE id = ?1 \
     UNION ALL SELECT previous FROM chain CROSS JOIN event ON sequence = number WHERE previous > 0) \
     SELECT sequence, header, payload FROM chain CROSS JOIN event ON sequence = number ORDER BY sequence";
const LAST_EVENT: &str =
    "SELECT sequence, header, payload FROM event ORDER BY sequence DESC LIMIT 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_of_an_elevation_are_found_by_their_numbers() {
        let connection = Connection::open_in_memory().unwrap();
        let schema = include_str!("../migrations/sqlite/0001_store.sql");
        connection.execute_batch(schema).unwrap();
        let mut plan = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {EVENTS_OF}"))
            .unwrap();
        let steps = plan.query_map([[0; 16]], |row| row.get(3)).unwrap();
        let steps: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
        let plan = steps.join("; ");
        assert!(!plan.contains("SCAN event"), "{plan}");
        assert_eq!(
            plan.matches("SEARCH event USING INTEGER PRIMARY KEY")
                .count(),
            2,
            "{plan}"
        );
    }
}
