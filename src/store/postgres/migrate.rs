//! The tables: the creation of a new store, and the migration of an old one.

use tokio_postgres::Client;

use super::error::failed;
use super::rights;
use crate::domain::error::Error;

/// Brings the store up to date with `migrations`, all in one transaction. Nodes that start at once take turns.
///
/// # Errors
///
/// `Internal` if a newer version wrote the store, or the database user lacks a right. The store is as it was.
pub async fn migrate(client: &mut Client, migrations: &[&str]) -> Result<(), Error> {
    let transaction = client.transaction().await.map_err(failed)?;
    // Before any read of the tables: the session would remember that they were missing, although another node makes
    // them while this one waits.
    transaction
        .query_typed_one(TAKE_TURNS, &[])
        .await
        .map_err(failed)?;
    let missing = missing(transaction.client(), migrations).await?;
    let done = migrations.len() - missing.len();
    rights::check(transaction.client(), done, missing.len()).await?;
    if done == 0 {
        transaction.batch_execute(MIGRATION).await.map_err(failed)?;
    }
    for (number, migration) in (done + 1..).zip(missing) {
        let written = format!("{migration}; INSERT INTO migration (number) VALUES ({number})");
        transaction.batch_execute(&written).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    match missing.len() {
        0 => {}
        _ if done == 0 => tracing::info!(
            version = migrations.len(),
            "the tables of a new store were made"
        ),
        _ => tracing::info!(
            from = done,
            to = migrations.len(),
            "the store was brought up to date"
        ),
    }
    Ok(())
}

/// Checks the rights of the user on a store of any version. Changes nothing.
pub(super) async fn check(client: &Client) -> Result<(), Error> {
    let missing = missing(client, MIGRATIONS).await?.len();
    rights::check(client, MIGRATIONS.len() - missing, missing).await
}

/// Returns the migrations that the store lacks. Fails if a newer version wrote the store.
async fn missing<'a>(client: &Client, migrations: &'a [&'a str]) -> Result<&'a [&'a str], Error> {
    let there = client
        .query_typed_one(HAS_MIGRATIONS, &[])
        .await
        .map_err(failed)?;
    let done = match there.get(0) {
        false => 0,
        true => client
            .query_typed_one(LAST_MIGRATION, &[])
            .await
            .map_err(failed)?
            .get::<_, i64>(0),
    };
    let missing = migrations.get(usize::try_from(done).map_err(Error::internal)?..);
    missing
        .ok_or_else(|| Error::internal("the store was written by a newer version of Countersign"))
}

const TAKE_TURNS: &str = "SELECT pg_advisory_xact_lock(4846923550293)";
const HAS_MIGRATIONS: &str = "SELECT to_regclass('migration') IS NOT NULL";
const MIGRATION: &str = "CREATE TABLE IF NOT EXISTS migration (number bigint PRIMARY KEY)";
const LAST_MIGRATION: &str = "SELECT coalesce(max(number), 0) FROM migration";
/// The migrations of this version, from the first.
pub const MIGRATIONS: &[&str] = &[include_str!("../migrations/postgres/0001_store.sql")];
