//! The tables: how a new store is made and an old one brought up to date.

use rusqlite::Connection;

use super::error::{failed, unreadable};
use super::place::Place;
use crate::domain::error::Error;

/// Makes a new store under another name first, so that a store is there as a whole or not at all.
pub(super) fn create(place: &Place) -> Result<(), Error> {
    let file = place.temporary()?;
    let mut connection = Connection::open(file.path()).map_err(failed)?;
    connection
        .pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))
        .map_err(failed)?;
    migrate(&mut connection).map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    place.keep(file)?;
    tracing::info!(store = %place.path().display(), "a new store was made");
    Ok(())
}

/// Brings the store up to date.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let done = version(connection)?;
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", number + 1)?;
        transaction.commit()?;
    }
    if done > 0 && done < MIGRATIONS.len() {
        tracing::info!(
            from = done,
            to = MIGRATIONS.len(),
            "the store was brought up to date"
        );
    }
    Ok(())
}

/// Returns the migrations that the store lacks. Fails if the file is not a store, or one of a newer version.
pub(super) fn missing(
    place: &Place,
    connection: &Connection,
) -> Result<&'static [&'static str], Error> {
    let done = version(connection).map_err(|error| unreadable(place, error))?;
    if done == 0 {
        let store = place.path().display();
        return Err(Error::internal(format!(
            "{store} is an SQLite database, but not a store. Restore it from a backup; or move it away, and a new store is made"
        )));
    }
    let missing = MIGRATIONS.get(done..);
    missing
        .ok_or_else(|| Error::internal("the store was written by a newer version of Countersign"))
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

const MIGRATIONS: [&str; 6] = [
    include_str!("../migrations/sqlite/0001_spine.sql"),
    include_str!("../migrations/sqlite/0002_guard.sql"),
    include_str!("../migrations/sqlite/0003_live.sql"),
    include_str!("../migrations/sqlite/0004_expiry.sql"),
    include_str!("../migrations/sqlite/0005_life.sql"),
    include_str!("../migrations/sqlite/0006_file.sql"),
];
