//! `countersign backup`.

use anyhow::bail;

use super::failure::cannot;
use crate::config::{Backup, StoreLocation};
use crate::store::sqlite;

/// Copies a snapshot of the store, also while a server is running.
pub(super) fn run(backup: &Backup) -> anyhow::Result<()> {
    let store = backup
        .data
        .store()
        .map_err(|error| cannot("copy the store", error, ""))?;
    match store {
        StoreLocation::Postgres(_) => {
            bail!(
                "cannot copy a store in PostgreSQL; copy the database with pg_basebackup or pg_dump"
            )
        }
        StoreLocation::Sqlite(path) => {
            let what = format!(
                "copy the store {} to {}",
                path.display(),
                backup.file.display()
            );
            sqlite::backup(&path, &backup.file).map_err(|error| cannot(what, error, ""))
        }
    }
}
