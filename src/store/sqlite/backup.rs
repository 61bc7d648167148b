//! Copies a store at one moment.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::connect::BUSY;
use super::error::failed;
use super::migrate::missing;
use super::place::Place;
use crate::domain::error::Error;

/// Copies the store in `from`, as it is at one moment, to the new file `to`. A server may be running on the store, and
/// can be started on the copy.
///
/// # Errors
///
/// Fails if there is a file at `to`. A failed or interrupted copy never has that name.
pub fn backup(from: &Path, to: &Path) -> Result<(), Error> {
    let (from, to) = (Place::find(from)?, Place::find(to)?);
    if !from.exists()? {
        return Err(Error::internal(format!(
            "{} does not exist",
            from.path().display()
        )));
    }
    from.inspect()?;
    if to.path().exists() {
        return Err(Error::internal(format!(
            "{} exists. A backup is a new file",
            to.path().display()
        )));
    }
    let connection = Connection::open_with_flags(from.path(), OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(Error::internal)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let is_old = !missing(&from, &connection)?.is_empty();
    let copy = to.temporary()?;
    let name = copy
        .path()
        .to_str()
        .ok_or_else(|| Error::internal("the name of the folder is not UTF-8"))?;
    connection
        .execute("VACUUM INTO ?1", [name])
        .map_err(Error::internal)?;
    if !is_old {
        become_another_file(copy.path()).map_err(Error::internal)?;
    }
    to.keep(copy)
}

/// Gives the copy an id of its own, so that the log of the original is never used with it.
fn become_another_file(copy: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open(copy)?;
    connection.pragma_update(None, "journal_mode", "MEMORY")?;
    connection
        .execute("UPDATE head SET file = randomblob(16)", [])
        .map(drop)
}
