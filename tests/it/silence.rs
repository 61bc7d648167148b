//! Stories of a PostgreSQL that falls silent: its connections stay, but nothing comes back.

use std::sync::Arc;
use std::time::Duration;

use countersign::domain::error::Kind;
use countersign::store::postgres::PostgresStore;
use countersign::store::{ElevationKey, Store};
use countersign::telemetry::metrics::StoreMetrics;
use countersign::time::Stopwatch;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::kit::{Kit, SAM};
use crate::law::history::{History, approval_id, committed, elevation_id, record};
use crate::postgres::Database;

/// The path to a server, which can fall silent. Data that is sent meanwhile arrives afterwards.
struct Way {
    port: u16,
    speaks: watch::Sender<bool>,
}

impl Way {
    async fn to(database: &Database, speaks: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let socket = format!("{}/.s.PGSQL.5432", database.server.folder());
        let speaks = watch::Sender::new(speaks);
        let passes = speaks.subscribe();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = UnixStream::connect(&socket).await.unwrap();
                let ((asked, answers), (answered, asks)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(pass(asked, asks, passes.clone()));
                tokio::spawn(pass(answered, answers, passes.clone()));
            }
        });
        Self { port, speaks }
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut passes: watch::Receiver<bool>,
) {
    let mut bytes = [0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if passes.wait_for(|passes| *passes).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}

/// Opens a store whose database is reached by the first way that speaks.
async fn open(database: &Database, ways: [&Way; 2]) -> Arc<dyn Store> {
    let hosts = ways.map(|way| format!("127.0.0.1:{}", way.port));
    let url = database.url_at(&hosts.join(","));
    Arc::new(
        PostgresStore::open(&url, None, None, StoreMetrics::default())
            .await
            .unwrap(),
    )
}

/// Reads so much at once that the store uses several connections, for single records and for others.
async fn read_at_once(store: &Arc<dyn Store>) {
    let read = |_| {
        let store = store.clone();
        tokio::spawn(async move {
            tokio::join!(
                store.elevation(ElevationKey::Approval(approval_id(1))),
                store.events_of(elevation_id(1)),
            )
        })
    };
    for reading in (0..64).map(read).collect::<Vec<_>>() {
        let (elevation, events) = reading.await.unwrap();
        assert!(elevation.unwrap().is_some());
        assert!(!events.unwrap().is_empty());
    }
}

/// Reads and then writes, again and again until both are answered.
async fn one_caller(store: Arc<dyn Store>) {
    loop {
        let read = store
            .elevation(ElevationKey::Approval(approval_id(1)))
            .await;
        if read.is_ok() && store.commit(History::filed(2).change()).await.is_ok() {
            return;
        }
    }
}

/// The standby takes over once the store says that it is not ready.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_falls_silent_costs_a_caller_the_failover_and_five_seconds_at_most() {
    let database = Database::new().await;
    let (primary, standby) = (
        Way::to(&database, true).await,
        Way::to(&database, false).await,
    );
    let store = open(&database, [&primary, &standby]).await;
    committed(&store, History::filed(1).change()).await;
    read_at_once(&store).await;
    let mut ready = store.ready();

    primary.speaks.send_replace(false);
    let caller = tokio::spawn(one_caller(store.clone()));
    let noticed = timeout(Duration::from_secs(6), ready.wait_for(|ready| !ready)).await;
    drop(noticed.expect("it is noticed").unwrap());
    standby.speaks.send_replace(true);
    let failover = Stopwatch::start();
    timeout(Duration::from_secs(60), caller)
        .await
        .expect("it goes on")
        .unwrap();
    assert!(
        failover.elapsed() <= Duration::from_secs(5),
        "{:?}",
        failover.elapsed()
    );
    timeout(Duration::from_secs(6), ready.wait_for(|ready| *ready))
        .await
        .expect("it is ready")
        .unwrap();
    assert!(record(&store).await.len() <= 2, "nothing was written twice");
}

/// Without a caller the store finds out, too, whether it is the primary that is silent or its standby that took over.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_nobody_uses_notices_that_its_server_is_silent() {
    let database = Database::new().await;
    let (primary, standby) = (
        Way::to(&database, true).await,
        Way::to(&database, false).await,
    );
    let store = open(&database, [&primary, &standby]).await;
    let mut ready = store.ready();
    for speaks in [false, true] {
        primary.speaks.send_replace(speaks);
        let changed = timeout(
            Duration::from_secs(10),
            ready.wait_for(|ready| *ready == speaks),
        )
        .await;
        drop(changed.expect("it is noticed").unwrap());
    }
    committed(&store, History::filed(1).change()).await;
}

/// Only one connection hangs, which no other connection can notice.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_reader_that_hangs_takes_all_of_its_age_with_it() {
    let database = Database::alone().await;
    let store = database.open().await;
    committed(&store, History::filed(1).change()).await;
    let operator = database.connect().await;
    let writer = database.backends().await;
    read_at_once(&store).await;
    let mut readers = database.backends().await;
    readers.retain(|pid| !writer.contains(pid));
    let statement = "SELECT pid FROM pg_stat_activity WHERE pid = ANY ($1) AND state = 'idle'";
    // A process reports that it is idle a moment after its client has the answer.
    let idle = async {
        while operator.query(statement, &[&readers]).await.unwrap().len() < readers.len() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), idle)
        .await
        .expect("every reader is idle");

    // The connections are used in turn, so each caller meets one that hangs until all are given up.
    let stopped = &readers[1..];
    database.server.signal("STOP", stopped);
    let mut refused = 0;
    while timeout(Duration::from_secs(6), record_of(&store))
        .await
        .expect("a few rows have a short limit")
        .is_err()
    {
        refused += 1;
    }
    database.server.signal("CONT", stopped);
    assert!(refused <= 2, "{refused} callers waited");
    // A connection that was given up is closed when its turn comes, and its process ends a moment later.
    let replaced = async {
        while database
            .backends()
            .await
            .iter()
            .any(|pid| readers.contains(pid))
        {
            read_at_once(&store).await;
        }
    };
    if refused > 0 {
        timeout(Duration::from_secs(20), replaced)
            .await
            .expect("no reader of that age is kept");
    }
}

async fn record_of(store: &Arc<dyn Store>) -> Result<(), Kind> {
    let elevations = (0..4).map(|_| store.elevation(ElevationKey::Approval(approval_id(1))));
    let events = (0..4).map(|_| store.events_of(elevation_id(1)));
    let (elevations, events) = tokio::join!(join_all(elevations), join_all(events));
    for read in elevations {
        read.map_err(|error| error.kind)?;
    }
    for read in events {
        read.map_err(|error| error.kind)?;
    }
    Ok(())
}

/// Every process of the server is stopped, and goes on later.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_server_is_frozen_is_not_ready_until_it_goes_on() {
    let database = Database::alone().await;
    let kit = Kit::on_postgres(database.clone()).await;
    let filed = kit.pending().await;
    let sam = kit.as_(SAM);
    sam.approval(&filed.approval_id).await.unwrap();
    database.server.freeze();
    let told = async {
        while kit.anonymous().get("/readyz").await.status != 503 {}
        assert!(sam.approve(&filed.approval_id).await.is_err());
    };
    let told = timeout(Duration::from_secs(15), told).await;
    database.server.thaw();
    told.expect("it is told");
    let again = async {
        while kit.anonymous().get("/readyz").await.status != 200 {}
        while sam.approve(&filed.approval_id).await.is_err() {}
    };
    timeout(Duration::from_secs(15), again)
        .await
        .expect("it goes on by itself");
    assert_eq!(
        sam.approval(&filed.approval_id)
            .await
            .unwrap()
            .decisions
            .len(),
        1
    );
}
