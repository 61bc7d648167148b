//! PostgreSQL as a backend, and what only it promises.

use std::sync::Arc;

use countersign::domain::error::{Error, Kind};
use countersign::metrics::StoreMetrics;
use countersign::store::postgres::PostgresStore;
use countersign::store::{Commit, Store};
use tokio_postgres::Client;

use super::Backend;
use super::history::{History, committed, elevation_id, record, together};
use crate::postgres::{self, Database};

impl Backend for Database {
    fn is_missing() -> bool {
        postgres::is_missing()
    }

    async fn empty() -> Self {
        Self::new().await
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.open().await
    }
}

/// The session that commits is killed again and again while changes come in.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_connection_loses_nothing_that_was_acknowledged_and_doubles_nothing() {
    if postgres::is_missing() {
        return;
    }
    let database = Database::new().await;
    let store = database.open().await;
    let killer = {
        let database = database.clone();
        tokio::spawn(async move {
            let killer = database.connect().await;
            for _ in 0..20 {
                for pid in database.backends().await {
                    killer.query("SELECT pg_terminate_backend($1)", &[&pid]).await.unwrap();
                }
            }
        })
    };
    let answers = until(&store, || killer.is_finished()).await;
    let acknowledged = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(acknowledged > 0);
    accounted_for(&store, &answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_and_starts_again_is_taken_up_again() {
    if postgres::is_missing() {
        return;
    }
    let database = Database::alone().await;
    let store = database.open().await;
    let server = database.server.clone();
    let crash = tokio::task::spawn_blocking(move || server.control(&["-w", "-m", "immediate", "restart"]));
    let answers = until(&store, || crash.is_finished()).await;
    accounted_for(&store, &answers).await;
}

/// A commit that waits for a standby is told as a success when it stops to wait. It is one only when a later commit does
/// reach the standby.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_stopped_to_wait_for_its_standby_is_looked_up() {
    if postgres::is_missing() {
        return;
    }
    let database = Database::alone().await;
    let store = database.open().await;
    committed(&store, History::filed(1).change()).await;
    let operator = database.connect().await;
    set_standby(&operator, "nobody").await;
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.commit(History::filed(2).change()).await })
    };
    cancel_waiting(&operator).await;
    waits_for_standby(&operator).await;
    assert!(!waiting.is_finished(), "nobody knows whether it is durable");
    set_standby(&operator, "").await;
    assert_eq!(waiting.await.unwrap().unwrap(), Commit::Committed { sequence: 2 });
    assert_eq!(record(&store).await.len(), 2);
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    if postgres::is_missing() {
        return;
    }
    let database = Database::new().await;
    drop(database.open().await);
    database.connect().await.batch_execute("INSERT INTO migration VALUES (99)").await.unwrap();
    let refused = PostgresStore::open(&database.url(), None, StoreMetrics::default()).await.unwrap_err();
    assert_eq!(refused.cause.unwrap().to_string(), "the store was written by a newer version of Countersign");
}

#[tokio::test]
async fn nodes_that_start_at_once_make_the_store_once() {
    if postgres::is_missing() {
        return;
    }
    let database = Database::new().await;
    let (one, other) = tokio::join!(database.open(), database.open());
    committed(&one, History::filed(1).change()).await;
    assert_eq!(record(&other).await.len(), 1);
}

#[tokio::test]
async fn what_is_no_url_is_refused_and_not_repeated() {
    for url in [
        "postgres://",
        "postgres://ann:hunter2@db/x?hunter2=1",
        "postgres://ann:hunter2@db:port/x",
        "postgres://ann:hunter2@db/x?sslmode=prefer",
        "postgres://ann:hunter2@db/x?sslmode=verify-full&sslrootcert=hunter2.pem",
    ] {
        let refused = PostgresStore::open(url, None, StoreMetrics::default()).await.unwrap_err();
        assert_eq!(refused.kind, Kind::InvalidArgument, "{url}: {refused:?}");
        let told = format!("{refused} {:?}", refused.cause);
        assert!(!told.contains("hunter2"), "{told}");
    }
}

/// A frozen host takes connections and says nothing.
#[tokio::test]
async fn of_several_hosts_the_first_that_answers_is_taken() {
    if postgres::is_missing() {
        return;
    }
    let database = Database::new().await;
    let frozen = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = frozen.local_addr().unwrap().port();
    let url = database.url();
    let (_, options) = url.split_once("&options").unwrap();
    let folder = database.server.folder().replace('/', "%2F");
    let url = format!("postgres://countersign@127.0.0.1:{port},{folder}:5432/postgres?options{options}");
    let store: Arc<dyn Store> =
        Arc::new(PostgresStore::open(&url, None, StoreMetrics::default()).await.unwrap());
    committed(&store, History::filed(1).change()).await;
}

/// Commits, each in its turn, until it is over, and then one more that must go through.
async fn until(store: &Arc<dyn Store>, over: impl Fn() -> bool) -> Vec<Result<Commit, Error>> {
    let mut answers = Vec::new();
    while !over() {
        let first = answers.len() as u128;
        let changes = (1..=20).map(|number| History::filed(first + number).change());
        answers.extend(together(store, changes).await);
    }
    let mut ready = store.ready();
    ready.wait_for(|ready| *ready).await.unwrap();
    committed(store, History::filed(1_000_000).change()).await;
    answers
}

/// Every acknowledged change is in the record, at the place that was told; no change is there twice; whoever was not told
/// was told so.
async fn accounted_for(store: &Arc<dyn Store>, answers: &[Result<Commit, Error>]) {
    let record = record(store).await;
    let subjects: Vec<_> = record.iter().map(|envelope| envelope.event().unwrap().subject.id()).collect();
    for (number, answer) in (1..).zip(answers) {
        let id = elevation_id(number).0;
        match answer {
            Ok(Commit::Committed { sequence }) => {
                assert_eq!(subjects[usize::try_from(*sequence).unwrap() - 1], id);
            }
            Ok(Commit::Conflict) => panic!("nobody else was there"),
            Err(error) => assert_eq!(error.kind, Kind::Unavailable),
        }
        assert!(subjects.iter().filter(|subject| **subject == id).count() <= 1);
    }
    for (sequence, envelope) in (1..).zip(&record) {
        assert_eq!(envelope.sequence, sequence);
    }
}

async fn set_standby(operator: &Client, names: &str) {
    let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
    operator.batch_execute(&set).await.unwrap();
    operator.batch_execute("SELECT pg_reload_conf()").await.unwrap();
}

/// Cancels the first commit that waits for the standby.
async fn cancel_waiting(operator: &Client) {
    let sql = format!("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {WAITS}");
    while operator.query(&sql, &[]).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

/// Returns when a commit waits for the standby, on a connection that has looked for the head's event.
async fn waits_for_standby(operator: &Client) {
    let sql = format!("SELECT pid FROM pg_stat_activity WHERE {WAITS}");
    while operator.query(&sql, &[]).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

const WAITS: &str = "wait_event = 'SyncRep'";
