//! PostgreSQL as a backend, and what only it promises.

use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign::domain::error::{Error, Kind};
use countersign::domain::version::Version;
use countersign::store::postgres::PostgresStore;
use countersign::store::{Commit, Store};
use countersign::telemetry::metrics::StoreMetrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::time::timeout;
use tokio_postgres::Client;

use super::Backend;
use super::history::{
    History, ROLE, committed, elevation_id, read, record, rejected_by, role_change, sams_role,
    together,
};
use super::lists::{caller, everything, list};
use crate::kit::{SAM, START};
use crate::postgres::{Database, Server};

impl Backend for Database {
    async fn empty() -> Self {
        Self::new().await
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.open().await
    }
}

/// The session that commits is killed again and again while changes come in.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_connection_loses_nothing_that_was_acknowledged_and_doubles_nothing() {
    let database = Database::new().await;
    let store = database.open().await;
    let killer = {
        let database = database.clone();
        tokio::spawn(async move {
            let killer = database.connect().await;
            for round in 1..=20 {
                // Each time some more were written, so that it has recovered from the time before.
                while sequence(&killer).await < 30 * round {
                    tokio::task::yield_now().await;
                }
                for pid in database.backends().await {
                    killer
                        .query("SELECT pg_terminate_backend($1)", &[&pid])
                        .await
                        .unwrap();
                }
            }
        })
    };
    let answers = until(&store, || killer.is_finished()).await;
    let acknowledged = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(acknowledged > 0);
    accounted_for(&store, &answers).await;
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_and_starts_again_is_taken_up_again() {
    let database = Database::alone().await;
    let store = database.open().await;
    let server = database.server.clone();
    let crash =
        tokio::task::spawn_blocking(move || server.control(&["-w", "-m", "immediate", "restart"]));
    let answers = until(&store, || crash.is_finished()).await;
    accounted_for(&store, &answers).await;
}

/// PostgreSQL reports a commit as a success when it stops waiting for a standby. It is one only
/// when a later commit does reach the standby.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_stopped_to_wait_for_its_standby_is_looked_up() {
    let database = Database::alone().await;
    let store = database.open().await;
    committed(&store, History::filed(1).change()).await;
    let operator = database.connect().await;
    keep_waiting(&database, &operator).await;
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.commit(History::filed(2).change()).await })
    };
    let committing = waits_for_standby(&operator, 0).await;
    operator
        .query("SELECT pg_cancel_backend($1)", &[&committing])
        .await
        .unwrap();
    waits_for_standby(&operator, committing).await;
    assert!(!waiting.is_finished(), "nobody knows whether it is durable");
    set_standby(&operator, "").await;
    assert_eq!(
        waiting.await.unwrap().unwrap(),
        Commit::Committed { sequence: 2 }
    );
    assert_eq!(record(&store).await.len(), 2);
}

/// A whole group is committed, the responses are lost, and the first look-up is refused. Committed
/// changes are not tried again.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_is_refused_is_made_again() {
    let database = Database::alone().await;
    let store = database.open().await;
    let operator = database.connect().await;
    let [first, second, third, gate] = [
        database.connect().await,
        database.connect().await,
        database.connect().await,
        database.connect().await,
    ];
    committed(&store, History::filed(1).change()).await;
    first.batch_execute(LOCK_TABLE).await.unwrap();
    let alone = tokio::spawn(commit(store.clone(), 2));
    waits_for_lock(&operator, "relation", 1).await;
    // These are one group, since the writer is busy; the second operator stands before it.
    let mut group: Vec<_> = (3..=5)
        .map(|number| Box::pin(commit(store.clone(), number)))
        .collect();
    for change in &mut group {
        tokio::select! {
            biased;
            _ = change => unreachable!("the head is locked"),
            () = ready(()) => {}
        }
    }
    let ahead =
        tokio::spawn(async move { second.batch_execute(LOCK_TABLE).await.map(|()| second) });
    waits_for_lock(&operator, "relation", 2).await;
    first.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(
        alone.await.unwrap().unwrap(),
        Commit::Committed { sequence: 2 }
    );
    let second = ahead.await.unwrap().unwrap();
    keep_waiting(&database, &operator).await;
    second.batch_execute("ROLLBACK").await.unwrap();
    let committing = waits_for_standby(&operator, 0).await;
    let ahead = tokio::spawn(async move { third.batch_execute(LOCK_ROW).await.map(|()| third) });
    waits_for_lock(&operator, "transactionid", 1).await;
    // No connection can prepare the statements of a look-up before the third operator has the row.
    gate.batch_execute("BEGIN; LOCK TABLE guard").await.unwrap();
    operator
        .query("SELECT pg_terminate_backend($1)", &[&committing])
        .await
        .unwrap();
    let third = ahead.await.unwrap().unwrap();
    set_standby(&operator, "").await;
    gate.batch_execute("ROLLBACK").await.unwrap();
    let looking = waits_for_lock(&operator, "transactionid", 1).await;
    operator
        .query("SELECT pg_cancel_backend($1)", &[&looking])
        .await
        .unwrap();
    third.batch_execute("ROLLBACK").await.unwrap();
    for (sequence, change) in (3..).zip(group) {
        assert_eq!(change.await.unwrap(), Commit::Committed { sequence });
    }
    assert_eq!(record(&store).await.len(), 5);
}

/// A proxy accepts connections, but forwards no statement for a while, and then continues.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_never_ready_for_use_are_given_up() {
    let database = Database::new().await;
    let between = Arc::new(AtomicBool::new(true));
    let port = proxy(&database, between.clone()).await;
    let url = database.url_at(&format!("127.0.0.1:{port}"));
    let store: Arc<dyn Store> = Arc::new(
        PostgresStore::open(&url, None, None, StoreMetrics::default())
            .await
            .unwrap(),
    );
    committed(&store, History::filed(1).change()).await;
    between.store(false, Ordering::SeqCst);
    let operator = database.connect().await;
    for pid in database.backends().await {
        operator
            .query("SELECT pg_terminate_backend($1)", &[&pid])
            .await
            .unwrap();
    }
    let commit = tokio::spawn(commit(store.clone(), 2));
    let read = |_| {
        let store = store.clone();
        tokio::spawn(async move { store.events(0, 9).await })
    };
    for reading in (0..20).map(read).collect::<Vec<_>>() {
        assert_eq!(reading.await.unwrap().unwrap_err().kind, Kind::Unavailable);
    }
    let told = timeout(Duration::from_secs(60), commit)
        .await
        .expect("the writer gives up");
    assert_eq!(told.unwrap().unwrap_err().kind, Kind::Unavailable);
    between.store(true, Ordering::SeqCst);
    let again = async {
        while store.events(0, 9).await.is_err() {}
        while store.commit(History::filed(3).change()).await.is_err() {}
    };
    timeout(Duration::from_secs(60), again)
        .await
        .expect("it goes on");
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_down_everybody_is_told_so() {
    let database = Database::alone().await;
    let store = database.open().await;
    committed(&store, History::filed(1).change()).await;
    let mut ready = store.ready();
    database.server.control(&["-w", "-m", "fast", "stop"]);
    ready.wait_for(|ready| !ready).await.unwrap();
    assert_eq!(
        store
            .commit(History::filed(2).change())
            .await
            .unwrap_err()
            .kind,
        Kind::Unavailable
    );
    assert_eq!(
        store.events(0, 9).await.unwrap_err().kind,
        Kind::Unavailable
    );
    database.server.control(&["-w", "start"]);
    ready.wait_for(|ready| *ready).await.unwrap();
    assert_eq!(committed(&store, History::filed(3).change()).await, 2);
    assert_eq!(record(&store).await.len(), 2);
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn a_read_that_is_given_up_leaves_no_moment_open_for_the_next() {
    let database = Database::new().await;
    let store = database.open().await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    let sam = caller(SAM, &[]);
    for number in 1..=200 {
        for polls in 0..number % 12 {
            let mut given_up = Box::pin(list(&store, &sam, everything(), START));
            for _ in 0..polls {
                tokio::select! {
                    biased;
                    _ = &mut given_up => break,
                    () = tokio::task::yield_now() => {}
                }
            }
        }
        committed(&store, History::filed(number).change()).await;
        let page = list(&store, &sam, everything(), START).await;
        assert_eq!(page.total, u64::try_from(number).ok());
    }
}

/// A plan that was made while the tables were empty is kept while they grow.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn commits_and_reads_of_single_records_read_no_whole_table() {
    let database = Database::new().await;
    let operator = database.connect().await;
    let scans = async || {
        while !database.backends().await.is_empty() {
            tokio::task::yield_now().await;
        }
        let sql = "SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables WHERE schemaname = current_schema() \
                   AND relname IN ('effect', 'elevation', 'event', 'guard', 'role', 'role_principal')";
        operator.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
    };
    drop(database.open().await);
    let before = scans().await;
    let store = database.open().await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    for number in 1..=20 {
        let filed = History::filed(number);
        committed(&store, filed.change()).await;
        let rejected = filed.then(START, [rejected_by(SAM)]);
        committed(&store, rejected.change()).await;
        assert!(read(&store, &filed).await.unwrap().role.is_some());
        assert!(store.role(ROLE).await.unwrap().is_some());
    }
    drop(store);
    assert_eq!(scans().await, before);
}

/// The server has a certificate for the first of its two addresses.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn the_certificate_of_the_server_is_verified() {
    let database = Database::alone().await;
    let pid = std::process::id().to_be_bytes();
    let address = |last| format!("127.{}.{}.{last}", pid[2], pid[3]);
    certify(&database.server, &address(1));
    let settings = [
        format!("listen_addresses = '{}, {}'", address(1), address(2)),
        "ssl = on".to_owned(),
        "ssl_cert_file = '../server.pem'".to_owned(),
        "ssl_key_file = '../server.key'".to_owned(),
    ];
    let operator = database.server.connect().await;
    for setting in settings {
        operator
            .batch_execute(&format!("ALTER SYSTEM SET {setting}"))
            .await
            .unwrap();
    }
    database.server.control(&["-w", "restart"]);
    let ca = format!(
        "sslrootcert={}",
        database.server.folder().replace('/', "%2F")
    ) + "%2Fca.pem";
    let open = async |last, tls: &str| {
        let url = format!("postgres://countersign@{}/postgres?{tls}", address(last));
        PostgresStore::open(&url, None, None, StoreMetrics::default()).await
    };
    for mode in [
        "",
        "&sslmode=require",
        "&sslmode=verify-ca",
        "&sslmode=verify-full",
    ] {
        assert!(open(1, &format!("{ca}{mode}")).await.is_ok(), "{mode}");
        assert!(
            open(2, &format!("{ca}{mode}")).await.is_err(),
            "of another name: {mode}"
        );
    }
    assert!(
        open(1, "sslmode=require").await.is_err(),
        "nobody the machine knows vouches for it"
    );
    operator_allows_only_tls(&database).await;
    assert!(open(1, &ca).await.is_ok());
    assert!(open(1, "sslmode=disable").await.is_err());
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    let database = Database::new().await;
    drop(database.open().await);
    database
        .connect()
        .await
        .batch_execute("INSERT INTO migration VALUES (99)")
        .await
        .unwrap();
    let refused = PostgresStore::open(&database.url(), None, None, StoreMetrics::default())
        .await
        .unwrap_err();
    assert_eq!(
        refused.cause.unwrap().to_string(),
        "the store was written by a newer version of Countersign"
    );
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn nodes_that_start_at_once_make_the_store_once() {
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
        let refused = PostgresStore::open(url, None, None, StoreMetrics::default())
            .await
            .unwrap_err();
        assert_eq!(refused.kind, Kind::InvalidArgument, "{url}: {refused:?}");
        let told = format!("{refused} {:?}", refused.cause);
        assert!(!told.contains("hunter2"), "{told}");
    }
}

/// A frozen host takes connections and says nothing.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn of_several_hosts_the_first_that_answers_is_taken() {
    let database = Database::new().await;
    let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = frozen.local_addr().unwrap().port();
    let folder = database.server.folder().replace('/', "%2F");
    let url = database.url_at(&format!("127.0.0.1:{port},{folder}:5432"));
    let store: Arc<dyn Store> = Arc::new(
        PostgresStore::open(&url, None, None, StoreMetrics::default())
            .await
            .unwrap(),
    );
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

/// Every acknowledged change is in the record, at the reported place, and no change is there twice.
/// Every other caller got an error.
async fn accounted_for(store: &Arc<dyn Store>, answers: &[Result<Commit, Error>]) {
    let record = record(store).await;
    let subjects: Vec<_> = record
        .iter()
        .map(|envelope| envelope.event().unwrap().subject.id())
        .collect();
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

/// Makes an authority, and a certificate by it for an address.
fn certify(server: &Server, address: &str) {
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "3650",
    ];
    let authority = [
        "req",
        "-x509",
        "-subj",
        "/CN=Authority",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ];
    server.run("openssl", &[&authority[..], &key].concat());
    let name = format!("subjectAltName=IP:{address}");
    let signed = [
        "req",
        "-x509",
        "-subj",
        "/CN=Server",
        "-keyout",
        "server.key",
        "-out",
        "server.pem",
    ];
    let by = [
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-addext",
        &name,
        "-addext",
        "basicConstraints=CA:FALSE",
    ];
    server.run("openssl", &[&signed[..], &by, &key].concat());
}

async fn operator_allows_only_tls(database: &Database) {
    let rules = "local all all trust\nhostssl all all all trust\n";
    std::fs::write(
        format!("{}/data/pg_hba.conf", database.server.folder()),
        rules,
    )
    .unwrap();
    database.server.control(&["-w", "restart"]);
}

/// Passes bytes on between connections and the server; while it is not to, nothing from the first statement on.
async fn proxy(database: &Database, passes: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket = format!("{}/.s.PGSQL.5432", database.server.folder());
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (mut asked, mut answers) = client.into_split();
            let (mut answered, mut asks) = UnixStream::connect(&socket).await.unwrap().into_split();
            let passes = passes.clone();
            tokio::spawn(async move { tokio::io::copy(&mut answered, &mut answers).await });
            tokio::spawn(async move {
                let mut bytes = [0; 65_536];
                while let Ok(count @ 1..) = asked.read(&mut bytes).await {
                    if bytes[0] == b'P' && !passes.load(Ordering::SeqCst) {
                        pending::<()>().await;
                    }
                    if asks.write_all(&bytes[..count]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

async fn sequence(operator: &Client) -> i64 {
    operator
        .query_one("SELECT sequence FROM head", &[])
        .await
        .unwrap()
        .get(0)
}

async fn commit(store: Arc<dyn Store>, number: u128) -> Result<Commit, Error> {
    store.commit(History::filed(number).change()).await
}

pub async fn set_standby(operator: &Client, names: &str) {
    let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
    operator.batch_execute(&set).await.unwrap();
    operator
        .batch_execute("SELECT pg_reload_conf()")
        .await
        .unwrap();
}

/// Makes commits wait for a standby that there is not, and comes back when they do, which the server takes its time for.
pub async fn keep_waiting(database: &Database, operator: &Client) {
    set_standby(operator, "nobody").await;
    let probe = database.connect().await;
    let waiting = loop {
        tokio::select! {
            written = probe.batch_execute("SELECT pg_logical_emit_message(true, '', '')") => written.unwrap(),
            waiting = waits_for_standby(operator, 0) => break waiting,
        }
    };
    operator
        .query("SELECT pg_cancel_backend($1)", &[&waiting])
        .await
        .unwrap();
    probe.batch_execute("SELECT").await.unwrap();
}

/// Waits until a commit of another session than `except` waits for the standby; answers whose.
pub async fn waits_for_standby(operator: &Client, except: i32) -> i32 {
    let sql = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND pid <> $1";
    loop {
        if let Some(row) = operator.query_opt(sql, &[&except]).await.unwrap() {
            return row.get(0);
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until `count` sessions wait for a kind of lock; returns one of them.
async fn waits_for_lock(operator: &Client, kind: &str, count: usize) -> i32 {
    let sql = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = $1";
    loop {
        let rows = operator.query(sql, &[&kind]).await.unwrap();
        if rows.len() == count {
            return rows[0].get(0);
        }
        tokio::task::yield_now().await;
    }
}

/// A session that waits for this lock comes before every later one.
const LOCK_TABLE: &str = "BEGIN; LOCK TABLE head IN EXCLUSIVE MODE";
const LOCK_ROW: &str = "BEGIN; SELECT FROM head FOR UPDATE";
