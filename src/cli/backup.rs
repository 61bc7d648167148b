//! `countersign backup`.

use crate::config::Backup;
use crate::domain::error::Error;
use crate::store::sqlite;

/// Copies the store as it is at one moment, whether or not a server is running on it.
pub(super) fn run(backup: &Backup) -> Result<(), Error> {
    sqlite::backup(&backup.data.store(), &backup.file)
}
