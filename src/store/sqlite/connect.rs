//! The connections to the file, and the settings that durability depends on.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::error::failed;
use super::place::Place;
use crate::domain::error::Error;

/// Opens a file that exists. Closing the connection leaves the log alone.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    let pragmas = [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("wal_autocheckpoint", "0"),
    ];
    for (pragma, value) in pragmas {
        connection
            .pragma_update_and_check(None, pragma, value, |_| Ok(()))
            .optional()?;
    }
    Ok(connection)
}

/// Opens a file that exists, only to read.
pub(super) fn reading_connection(path: &Path) -> Result<Connection, Error> {
    let connection = connect(path).map_err(failed)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(failed)?;
    Ok(connection)
}

/// Checks that the settings that durability depends on took effect; SQLite reports no error if they did not.
pub(super) fn verify(connection: &Connection) -> Result<(), Error> {
    let journal: String = connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(failed)?;
    let synchronous: i64 = connection
        .pragma_query_value(None, "synchronous", |row| row.get(0))
        .map_err(failed)?;
    if journal != "wal" || synchronous != SYNCHRONOUS_FULL {
        return Err(Error::internal(
            "the store cannot be set to WAL with synchronous=FULL",
        ));
    }
    Ok(())
}

/// Makes unsynced writes of a killed process durable, before any of them are read. Moves the log into the file, which
/// SQLite syncs. The log may have to stay because another program reads; it is synced already.
pub(super) fn settle(place: &Place, connection: &Connection) -> Result<(), Error> {
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(failed)?;
    place.sync_folder()
}

/// The time that SQLite waits for a lock of another process.
pub(super) const BUSY: Duration = Duration::from_secs(5);
const SYNCHRONOUS_FULL: i64 = 2;
