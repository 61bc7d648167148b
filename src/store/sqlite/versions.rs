//! The versions of records.

use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::domain::version::Version;
use crate::store::Key;

/// Returns the version of a record, as the connection sees it now; [`Version::ABSENT`] if there is none.
pub(super) fn version(connection: &Connection, key: Key) -> rusqlite::Result<Version> {
    let query = |sql: &str, ids: &[&[u8; 16]]| {
        connection
            .prepare_cached(sql)?
            .query_row(params_from_iter(ids), |row| row.get(0))
            .optional()
    };
    let version = match key {
        Key::Effect(id) => query(
            "SELECT version FROM effect WHERE id = ?1",
            &[id.0.as_bytes()],
        )?,
        Key::Elevation(id) => query(
            "SELECT version FROM elevation WHERE id = ?1",
            &[id.0.as_bytes()],
        )?,
        Key::Guard(account) => query(
            "SELECT version FROM guard WHERE account = ?1",
            &[account.0.as_bytes()],
        )?,
        Key::Live(role, None) => query(LIVE_OF_ROLE, &[role.0.as_bytes()])?,
        Key::Live(role, Some(requester)) => query(
            LIVE_OF_REQUESTER,
            &[role.0.as_bytes(), requester.0.as_bytes()],
        )?,
        Key::Role(id) => query("SELECT version FROM role WHERE id = ?1", &[id.0.as_bytes()])?,
    };
    Ok(version.map_or(Version::ABSENT, Version))
}

const LIVE_OF_REQUESTER: &str = "SELECT since FROM elevation WHERE role = ?1 AND requester_id = ?2 \
     AND due IS NOT NULL ORDER BY since DESC LIMIT 1";
const LIVE_OF_ROLE: &str = "SELECT since FROM elevation WHERE role = ?1 \
     AND due IS NOT NULL ORDER BY since DESC LIMIT 1";
