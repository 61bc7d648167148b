//! The migrations of a PostgreSQL store, with a second one that a later version could have. Those of SQLite are tested
//! next to their code.

use std::io::{Read, Seek};
use std::sync::Mutex;

use countersign::store::postgres::PostgresStore;
use countersign::store::postgres::migrate::{MIGRATIONS, migrate};
use countersign::telemetry::metrics::StoreMetrics;
use tokio_postgres::Client;

use crate::postgres::Database;

/// Two nodes of a later version start at once. The rows of the first version are changed once, and one node reports it.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn two_nodes_that_start_at_once_bring_the_store_up_to_date_once() {
    // While there is only one subscriber, a thread without one decides for all threads which events are logged.
    let _other = tracing::Dispatch::new(tracing_subscriber::fmt().finish());
    let mut log = tempfile::tempfile().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(Mutex::new(log.try_clone().unwrap()))
        .finish();
    let (database, operator) = store_of_the_first_version().await;
    let (mut one, mut other) = (database.connect().await, database.connect().await);
    let later = later();
    let guard = tracing::subscriber::set_default(subscriber);
    let (first, second) = tokio::join!(migrate(&mut one, &later), migrate(&mut other, &later));
    migrate(&mut one, &later).await.unwrap();
    drop(guard);
    first.unwrap();
    second.unwrap();
    assert_eq!(contents(&operator).await, (vec![1, 2], 8, true));
    let mut text = String::new();
    log.rewind().unwrap();
    log.read_to_string(&mut text).unwrap();
    let line = "the store was brought up to date from=1 to=2\n";
    assert!(text.ends_with(line) && text.lines().count() == 1, "{text}");
}

/// A node of this version starts on the store of a later one.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn a_node_that_is_older_than_the_store_is_refused_and_changes_nothing() {
    let (database, operator) = store_of_the_first_version().await;
    let mut client = database.connect().await;
    migrate(&mut client, &later()).await.unwrap();
    for refused in [
        PostgresStore::open(&database.url(), None, None, StoreMetrics::default())
            .await
            .err(),
        PostgresStore::check(&database.url(), None).await.err(),
    ] {
        assert_eq!(
            refused.unwrap().cause.unwrap().to_string(),
            "the store was written by a newer version of Countersign"
        );
    }
    assert_eq!(contents(&operator).await, (vec![1, 2], 8, true));
}

/// The third migration fails. The second one, which did not, is undone with it, and this version still opens the store.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn a_migration_that_fails_leaves_the_store_as_it_was() {
    let (database, operator) = store_of_the_first_version().await;
    let mut client = database.connect().await;
    let failing = [
        &later()[..],
        &["CREATE TABLE note (text text); SELECT nothing"],
    ]
    .concat();
    assert!(migrate(&mut client, &failing).await.is_err());
    assert_eq!(contents(&operator).await, (vec![1], 7, false));
    drop(database.open().await);
    migrate(&mut client, &later()).await.unwrap();
    assert_eq!(contents(&operator).await, (vec![1, 2], 8, true));
}

/// Makes a store of this version with one row, a guard at version 7.
async fn store_of_the_first_version() -> (Database, Client) {
    let database = Database::new().await;
    drop(database.open().await);
    let operator = database.connect().await;
    operator
        .batch_execute("INSERT INTO guard VALUES (gen_random_uuid(), 7)")
        .await
        .unwrap();
    (database, operator)
}

/// Returns the migrations of a later version.
fn later() -> Vec<&'static str> {
    let next = "ALTER TABLE guard ADD COLUMN note text; UPDATE guard SET version = version + 1";
    [MIGRATIONS, &[next]].concat()
}

/// Returns the numbers of the migrations that were done, the version of the guard, and whether there is anything named
/// note.
async fn contents(client: &Client) -> (Vec<i64>, i64, bool) {
    let sql = "SELECT ARRAY(SELECT number FROM migration ORDER BY number), (SELECT version FROM guard), \
               to_regclass('note') IS NOT NULL OR EXISTS (SELECT FROM pg_attribute \
               WHERE attrelid = 'guard'::regclass AND attname = 'note')";
    let row = client.query_one(sql, &[]).await.unwrap();
    (row.get(0), row.get(1), row.get(2))
}
