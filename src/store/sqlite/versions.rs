//! The versions of records.

use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use crate::domain::version::Version;
use crate::store::Key;

/// The state of a record, without its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordState {
    /// Its version; [`Version::ABSENT`] if there is none.
    pub(super) version: Version,
    /// The sequence of its last event. `None` if it is not the subject of events.
    pub(super) since: Option<u64>,
}

/// Returns the version of a record, as the connection sees it now; [`Version::ABSENT`] if there is none.
pub(super) fn version(connection: &Connection, key: Key) -> rusqlite::Result<Version> {
    Ok(state(connection, key)?.version)
}

/// Returns the state of a record, as the connection sees it now.
pub(super) fn state(connection: &Connection, key: Key) -> rusqlite::Result<RecordState> {
    match key {
        Key::Effect(id) => query(connection, EFFECT, &[id.0.as_bytes()]),
        Key::Elevation(id) => query(connection, ELEVATION, &[id.0.as_bytes()]),
        Key::Guard(account) => query(connection, GUARD, &[account.0.as_bytes()]),
        Key::Live(role, None) => query(connection, LIVE_OF_ROLE, &[role.0.as_bytes()]),
        Key::Live(role, Some(requester)) => query(
            connection,
            LIVE_OF_REQUESTER,
            &[role.0.as_bytes(), requester.0.as_bytes()],
        ),
        Key::Role(id) => query(connection, ROLE, &[id.0.as_bytes()]),
    }
}

fn query(connection: &Connection, sql: &str, ids: &[&[u8; 16]]) -> rusqlite::Result<RecordState> {
    let read = |row: &Row<'_>| {
        Ok(RecordState {
            version: Version(row.get(0)?),
            since: row.get(1)?,
        })
    };
    let found = connection
        .prepare_cached(sql)?
        .query_row(params_from_iter(ids), read)
        .optional()?;
    Ok(found.unwrap_or(RecordState {
        version: Version::ABSENT,
        since: None,
    }))
}

const EFFECT: &str = "SELECT version, NULL FROM effect WHERE id = ?1";
const ELEVATION: &str = "SELECT version, since FROM elevation WHERE id = ?1";
const GUARD: &str = "SELECT version, NULL FROM guard WHERE account = ?1";
const LIVE_OF_REQUESTER: &str = "SELECT coalesce(max(since), 0), NULL FROM elevation \
     WHERE role = ?1 AND requester_id = ?2 AND ended = 0";
const LIVE_OF_ROLE: &str =
    "SELECT coalesce(max(since), 0), NULL FROM elevation WHERE role = ?1 AND ended = 0";
const ROLE: &str = "SELECT version, since FROM role WHERE id = ?1";
