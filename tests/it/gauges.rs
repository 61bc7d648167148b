//! `GET /metrics`: pending, active and late elevations and those about to expire, on both stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign::domain::moment::Moment;
use countersign::proto::pam::v1::{CloseElevationRequest, Role};
use futures_util::future::join_all;
use prost_types::Duration;
use tokio::sync::watch;

use crate::kit::{self, ANN, GIL, JEN, KIM, Kit, MAX, Options, SAM, role};
use crate::metrics::Metrics;
use crate::postgres::Database;
use crate::races::instead::{Counts, Gate, that_counts};

const GAUGES: [&str; 4] = [
    "pending_approvals",
    "oldest_pending_approval_age_seconds",
    "active_elevations",
    "scheduler_lag_seconds",
];
const DAY: i64 = 86_400;

#[tokio::test]
async fn pending_and_active_elevations_are_counted() {
    are_counted(&Kit::start().await).await;
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn pending_and_active_elevations_are_counted_on_postgres() {
    are_counted(&Kit::on_postgres(Database::new().await).await).await;
}

async fn are_counted(kit: &Kit) {
    let brief = Role {
        pending_timeout: seconds(600),
        ..role("SQL File Access", &[SAM, KIM], 1)
    };
    let brief = kit.as_(ANN).create_role(brief).await.unwrap();
    assert_eq!(gauges(kit).await, [0.0, 0.0, 0.0, 0.0], "nothing is filed");

    let first = kit.as_(JEN).file(&brief.id).await.unwrap();
    kit.clock.advance(60);
    let second = kit.as_(GIL).file(&brief.id).await.unwrap();
    let third = kit.as_(GIL).file(&brief.id).await.unwrap();
    kit.clock.advance(30);
    assert_eq!(gauges(kit).await, [3.0, 90.0, 0.0, 0.0]);

    kit.as_(SAM).approve(&first.approval_id).await.unwrap();
    kit.as_(KIM).reject(&second.approval_id).await.unwrap();
    kit.clock.advance(10);
    assert_eq!(
        gauges(kit).await,
        [1.0, 40.0, 1.0, 0.0],
        "one waits, one is active, one has ended"
    );

    kit.clock.advance(560);
    kit.catch_up().await;
    assert_eq!(
        gauges(kit).await,
        [0.0, 0.0, 1.0, 0.0],
        "nobody decided the third in time"
    );
    kit.as_(SAM).approve(&third.approval_id).await.unwrap_err();

    let close = CloseElevationRequest {
        elevation_id: first.id,
    };
    kit.as_(JEN)
        .elevations()
        .close_elevation(close)
        .await
        .unwrap();
    kit.clock.advance(10);
    assert_eq!(gauges(kit).await, [0.0; 4], "jen gave it up");
}

#[tokio::test]
async fn what_has_ended_is_neither_pending_nor_active_though_the_scheduler_is_late() {
    let gate = Arc::new(Gate::default());
    let kit = Kit::with(Options {
        before_store: Some(gate.before()),
        ..Options::default()
    })
    .await;
    the_scheduler_is_late(&kit, &gate).await;
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn what_has_ended_is_neither_pending_nor_active_though_the_scheduler_is_late_on_postgres() {
    let gate = Arc::new(Gate::default());
    let options = Options {
        before_store: Some(gate.before()),
        ..Options::default()
    };
    the_scheduler_is_late(
        &Kit::on_postgres_with(options, Database::new().await).await,
        &gate,
    )
    .await;
}

async fn the_scheduler_is_late(kit: &Kit, gate: &Gate) {
    let brief = Role {
        pending_timeout: seconds(600),
        ..role("SQL File Access", &[SAM], 1)
    };
    let brief = kit.as_(ANN).create_role(brief).await.unwrap();
    let (active, _) = (
        kit.as_(JEN).file(&brief.id).await,
        kit.as_(JEN).file(&brief.id).await.unwrap(),
    );
    kit.as_(SAM)
        .approve(&active.unwrap().approval_id)
        .await
        .unwrap();
    gate.hold(1);
    kit.clock.advance(600);
    gate.holds_all_but(0).await;
    kit.clock.advance(25);
    assert_eq!(
        gauges(kit).await,
        [0.0, 0.0, 1.0, 25.0],
        "the end of the approval is not recorded"
    );
    kit.clock.advance(3_000);
    assert_eq!(
        gauges(kit).await,
        [0.0, 0.0, 0.0, 3_025.0],
        "nor that of the elevation"
    );
    gate.open();
    kit.catch_up().await;
    kit.clock.advance(5);
    assert_eq!(gauges(kit).await, [0.0; 4]);
}

#[tokio::test]
async fn tokens_that_expire_within_a_week_are_counted() {
    let kit = Kit::start().await;
    assert_eq!(
        expiring(&kit).await,
        0.0,
        "the tokens of the cast never expire"
    );
    for days in [6, 7, 8] {
        let expires =
            Moment::from_ticks(kit::START.ticks() + days * DAY * Moment::TICKS_PER_SECOND);
        kit.newcomer(&format!("PRIV\\day{days}"), &[], Some(expires));
    }
    assert_eq!(expiring(&kit).await, 2.0);
    kit.clock.advance(DAY);
    assert_eq!(expiring(&kit).await, 3.0);
    kit.clock.advance(5 * DAY);
    assert_eq!(expiring(&kit).await, 2.0, "an expired token does not count");
}

#[tokio::test]
async fn a_store_that_cannot_count_fails_no_scrape() {
    for counts in [Counts::Badly, Counts::Never] {
        let (said, asked) = (
            watch::Sender::new(Counts::Well),
            Arc::new(AtomicUsize::new(0)),
        );
        let before_store = Some(that_counts(said.subscribe(), asked.clone()));
        let kit = Kit::with(Options {
            before_store,
            ..Options::default()
        })
        .await;
        kit.pending().await;
        assert_eq!(gauges(&kit).await, [1.0, 0.0, 0.0, 0.0]);
        said.send_replace(counts);
        kit.clock.advance(59);
        assert_eq!(
            gauges(&kit).await,
            [1.0, 0.0, 0.0, 0.0],
            "{counts:?}: the last counts, of a minute ago"
        );
        kit.clock.advance(1);
        let metrics = Metrics::read(&kit.as_(MAX)).await;
        for name in GAUGES {
            assert!(
                !metrics.0.contains(name),
                "{counts:?}: older counts are not reported: {name}"
            );
        }
        assert_eq!(metrics.of("ready"), 1.0, "the other metrics are there");
        assert_eq!(metrics.of("tokens_expiring"), 0.0);
        said.send_replace(Counts::Well);
        Metrics::once(&kit.as_(MAX), |metrics| metrics.0.contains(GAUGES[0])).await;
        kit.clock.advance(5);
        assert_eq!(gauges(&kit).await[..2], [1.0, 65.0]);
    }
}

#[tokio::test]
async fn many_scrapes_at_once_count_once() {
    let (said, asked) = (
        watch::Sender::new(Counts::Never),
        Arc::new(AtomicUsize::new(0)),
    );
    let before_store = Some(that_counts(said.subscribe(), asked.clone()));
    let kit = Kit::with(Options {
        before_store,
        ..Options::default()
    })
    .await;
    let max = kit.as_(MAX);
    join_all((0..16).map(|_| Metrics::read(&max))).await;
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "the others wait for the first"
    );
    said.send_replace(Counts::Well);
    Metrics::once(&max, |metrics| metrics.0.contains(GAUGES[0])).await;
    join_all((0..16).map(|_| Metrics::read(&max))).await;
    kit.clock.advance(4);
    gauges(&kit).await;
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "counts serve for five seconds"
    );
    kit.clock.advance(1);
    gauges(&kit).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

async fn gauges(kit: &Kit) -> [f64; 4] {
    let metrics = Metrics::read(&kit.as_(MAX)).await;
    GAUGES.map(|name| metrics.of(name))
}

async fn expiring(kit: &Kit) -> f64 {
    Metrics::read(&kit.as_(MAX)).await.of("tokens_expiring")
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}
