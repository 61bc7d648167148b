//! The tables: the creation of a new store, and the migration of an old one.

use rusqlite::Connection;

use super::error::{failed, unreadable};
use super::place::Place;
use crate::domain::error::Error;

/// Creates a new store under another name first, so that a store exists as a whole or not at all.
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
    apply(connection, MIGRATIONS)
}

/// Applies the migrations that the store lacks, each in its own transaction.
fn apply(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let done = version(connection)?;
    for (number, migration) in migrations.iter().enumerate().skip(done) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", number + 1)?;
        transaction.commit()?;
    }
    if done > 0 && done < migrations.len() {
        tracing::info!(
            from = done,
            to = migrations.len(),
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

const MIGRATIONS: &[&str] = &[include_str!("../migrations/sqlite/0001_store.sql")];

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::sync::Mutex;

    use super::*;

    /// A later version has a second migration. It changes the rows of the first, once.
    #[test]
    fn a_store_is_brought_up_to_date_by_the_migrations_that_it_lacks() {
        let mut store = Connection::open_in_memory().unwrap();
        apply(&mut store, MIGRATIONS).unwrap();
        store
            .execute("INSERT INTO guard VALUES (randomblob(16), 7)", [])
            .unwrap();
        let next = "ALTER TABLE guard ADD COLUMN note TEXT; UPDATE guard SET version = version + 1";
        let later = [MIGRATIONS, &[next]].concat();
        for _ in 0..2 {
            apply(&mut store, &later).unwrap();
            assert_eq!(version(&store).unwrap(), later.len());
            let row: (i64, Option<String>) = store
                .query_row("SELECT version, note FROM guard", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .unwrap();
            assert_eq!(row, (8, None));
        }
    }

    #[test]
    fn a_migration_that_fails_leaves_the_version_before_it() {
        let mut store = Connection::open_in_memory().unwrap();
        let failing = [MIGRATIONS, &["CREATE TABLE note (text); SELECT nothing"]].concat();
        assert!(apply(&mut store, &failing).is_err());
        assert_eq!(version(&store).unwrap(), MIGRATIONS.len());
        assert!(store.prepare("SELECT * FROM note").is_err());
        assert!(store.prepare("SELECT * FROM guard").is_ok());
    }

    /// A new store and a store that lacks nothing are not reported.
    #[test]
    fn only_an_upgrade_is_logged_as_one() {
        // While there is only one subscriber, a thread without one decides for all threads which events are logged.
        let _other = tracing::Dispatch::new(tracing_subscriber::fmt().finish());
        let mut log = tempfile::tempfile().unwrap();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(Mutex::new(log.try_clone().unwrap()))
            .finish();
        let mut store = Connection::open_in_memory().unwrap();
        let later = [MIGRATIONS, &["CREATE TABLE note (text)"]].concat();
        tracing::subscriber::with_default(subscriber, || {
            for migrations in [MIGRATIONS, &later, &later] {
                apply(&mut store, migrations).unwrap();
            }
        });
        let mut text = String::new();
        log.rewind().unwrap();
        log.read_to_string(&mut text).unwrap();
        let line = "the store was brought up to date from=1 to=2\n";
        assert!(text.ends_with(line) && text.lines().count() == 1, "{text}");
    }
}
