//! Single reads on PostgreSQL: those that wait share a statement, and no caller sees anything of the others.

use std::sync::Arc;
use std::time::Duration;

use countersign::domain::error::{Error, Kind};
use countersign::domain::id::RoleId;
use countersign::domain::version::Version;
use countersign::store::{ElevationKey, ElevationRead, Store};
use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_postgres::Client;
use uuid::Uuid;

use super::history::{
    History, ROLE, approval_id, committed, elevation_id, filing, role, role_change, sams_role,
};
use crate::kit::START;
use crate::postgres::Database;

type Found = Result<Option<ElevationRead>, Error>;

/// The row of one elevation is damaged in the database, so that every statement that reads it fails.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn a_row_that_the_server_cannot_read_fails_only_its_own_caller() {
    let database = Database::new().await;
    let store = database.open().await;
    let operator = database.connect().await;
    for number in 1..=40 {
        committed(&store, History::filed(number).change()).await;
    }
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    show_version(&operator, 7, "version / 0").await;
    fails_for_one(&store, Kind::Unavailable).await;
    // Each is the only one of its kind in a batch.
    let (damaged, other, role) = tokio::join!(
        store.elevation(ElevationKey::Approval(approval_id(7))),
        store.elevation(ElevationKey::Elevation(elevation_id(8))),
        store.role(ROLE),
    );
    assert_eq!(damaged.unwrap_err().kind, Kind::Unavailable);
    assert!(other.unwrap().is_some());
    assert!(role.unwrap().is_some());
}

/// The row of one elevation, or that of its role, holds what no version of the program has written.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_understood_fails_only_its_own_caller() {
    let database = Database::new().await;
    let store = database.open().await;
    let operator = database.connect().await;
    let other = role(RoleId(Uuid::from_u128(0xB)), &[]);
    for number in 1..=40 {
        let mut filed = filing(number);
        if number == 7 {
            filed.role = other.id;
        }
        committed(&store, History::of(number, START, filed).change()).await;
    }
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    committed(&store, role_change(&other, Version::ABSENT)).await;
    all_are_found(&store).await;

    let set = async |table: &str, column: &str, value: &str, id: Uuid| {
        let update = format!("UPDATE {table} SET {column} = '{value}' WHERE id = '{id}'");
        operator.batch_execute(&update).await.unwrap();
    };
    set("elevation", "decisions", "[7]", elevation_id(7).0).await;
    fails_for_one(&store, Kind::Internal).await;
    set("elevation", "decisions", "[]", elevation_id(7).0).await;
    all_are_found(&store).await;
    set("role", "stages", "[7]", other.id.0).await;
    fails_for_one(&store, Kind::Internal).await;
    let (one, two) = tokio::join!(store.role(other.id), store.role(ROLE));
    assert_eq!(one.unwrap_err().kind, Kind::Internal);
    assert_eq!(two.unwrap().unwrap().value, sams_role());
}

/// The row of one elevation waits for a lock of an operator.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_takes_long_holds_up_no_other() {
    let database = Database::new().await;
    let store = database.open().await;
    let operator = database.connect().await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    for number in 1..=40 {
        committed(&store, History::filed(number).change()).await;
    }
    let locking = "version + length(pg_advisory_xact_lock_shared(4711)::text)";
    show_version(&operator, 7, locking).await;
    let lock = "BEGIN; SELECT pg_advisory_xact_lock(4711)";
    operator.batch_execute(lock).await.unwrap();
    let slow = tokio::spawn({
        let store = store.clone();
        async move { all_of(&store, 7).await }
    });
    database.waits_for_lock().await;
    for number in 8..=40 {
        let key = ElevationKey::Elevation(elevation_id(number));
        let found = timeout(Duration::from_secs(2), store.elevation(key)).await;
        assert!(found.expect("it is held up").unwrap().is_some());
    }
    assert!(!slow.is_finished());
    operator.batch_execute("ROLLBACK").await.unwrap();
    for found in slow.await.unwrap() {
        assert!(found.unwrap().is_some());
    }
}

/// Callers leave while their reads wait or are on their way.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn a_caller_that_leaves_takes_no_other_with_it() {
    let database = Database::new().await;
    let store = database.open().await;
    committed(&store, History::filed(1).change()).await;
    for polls in 0..100 {
        let key = ElevationKey::Approval(approval_id(1));
        let mut leaving = Box::pin(store.elevation(key));
        let staying = {
            let store = store.clone();
            tokio::spawn(async move { store.elevation(key).await })
        };
        for _ in 0..polls {
            tokio::select! {
                biased;
                _ = &mut leaving => break,
                () = tokio::task::yield_now() => {}
            }
        }
        drop(leaving);
        assert!(staying.await.unwrap().unwrap().is_some());
    }
}

/// The sessions of the store are killed again and again while it reads.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn reads_whose_connection_is_lost_are_refused_and_later_ones_are_answered() {
    let database = Database::new().await;
    let store = database.open().await;
    let killer = database.connect().await;
    for number in 1..=40 {
        committed(&store, History::filed(number).change()).await;
    }
    for _ in 0..10 {
        let reading = tokio::spawn({
            let store = store.clone();
            async move { all_of(&store, 40).await }
        });
        for pid in database.backends().await {
            let kill = "SELECT pg_terminate_backend($1)";
            killer.query(kill, &[&pid]).await.unwrap();
        }
        for found in reading.await.unwrap() {
            match found {
                Ok(found) => assert!(
                    found.is_some(),
                    "a lost row looks like a row that is not there"
                ),
                Err(error) => assert_eq!(error.kind, Kind::Unavailable),
            }
        }
        while all_of(&store, 40).await.iter().any(Result::is_err) {}
        all_are_found(&store).await;
    }
}

/// Reads elevations 1 to `count` at the same time, by their approvals and by their ids in turns.
async fn all_of(store: &Arc<dyn Store>, count: u128) -> Vec<Found> {
    let read = |number: u128| {
        store.elevation(if number.is_multiple_of(2) {
            ElevationKey::Elevation(elevation_id(number))
        } else {
            ElevationKey::Approval(approval_id(number))
        })
    };
    join_all((1..=count).map(read)).await
}

async fn all_are_found(store: &Arc<dyn Store>) {
    for (number, found) in (1..).zip(all_of(store, 40).await) {
        assert_eq!(
            found.unwrap().unwrap().elevation.value.id,
            elevation_id(number)
        );
    }
}

/// Reads elevation 7 among others, which is refused.
async fn fails_for_one(store: &Arc<dyn Store>, kind: Kind) {
    let mut found = all_of(store, 40).await;
    assert_eq!(found.remove(6).unwrap_err().kind, kind);
    for found in found {
        let found = found.unwrap().unwrap();
        assert_eq!(found.role.unwrap().value, sams_role());
    }
}

/// Shows another version of one elevation, which the server computes when it reads the row.
async fn show_version(operator: &Client, number: u128, version: &str) {
    let shown = format!(
        "CASE id WHEN '{}' THEN {version} ELSE version END AS version",
        elevation_id(number).0
    );
    let columns = "SELECT string_agg(CASE column_name WHEN 'version' THEN $1 ELSE column_name::text END, ', ' \
                   ORDER BY ordinal_position) FROM information_schema.columns \
                   WHERE table_schema = current_schema() AND table_name = 'elevation'";
    let columns = operator.query_one(columns, &[&shown]).await.unwrap();
    let columns: String = columns.get(0);
    let view = format!(
        "ALTER TABLE elevation RENAME TO stored; CREATE VIEW elevation AS SELECT {columns} FROM stored"
    );
    operator.batch_execute(&view).await.unwrap();
}
