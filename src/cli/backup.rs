//! `countersign backup`.

use crate::config::{Backup, StoreLocation};
use crate::domain::error::Error;
use crate::store::sqlite;

/// Copies the store as it is at one moment, whether or not a server is running on it.
pub(super) fn run(backup: &Backup) -> Result<(), Error> {
    match backup.data.store() {
        StoreLocation::Postgres(_) => Err(Error::invalid(
            "This copies a store that is an SQLite file. Copy a PostgreSQL database by pg_basebackup or pg_dump.",
        )),
        StoreLocation::Sqlite(path) => sqlite::backup(&path, &backup.file),
    }
}
