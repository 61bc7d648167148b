//! Clocks that jump and go back, long stops and restarts, with a clock that the test sets.

use std::collections::HashMap;
use std::sync::Arc;

use countersign::domain::event::{Event, Fact};
use countersign::domain::moment::{Moment, Seconds};
use countersign::domain::status::Status;
use countersign::domain::version::Version;
use countersign::proto::pam::v1::{
    CloseElevationRequest, CreateElevationRequest, Elevation, ElevationStatus, Role,
};
use countersign::record::Envelope;
use countersign::store::postgres::{PostgresStore, Skew};
use countersign::store::{Change, Commit, ElevationKey, Record, Store};
use countersign::telemetry::metrics::StoreMetrics;
use countersign::time::{Clock, SystemClock};
use prost_types::{Duration, Timestamp};
use tonic::Code;

use crate::kit::{ANN, HandClock, JEN, Kit, SAM, reason, role};
use crate::law::history::{History, role_change, sams_role};
use crate::postgres::Database;

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

/// Files an elevation of jen's with a duration and a start that is `ahead` of now, in seconds.
async fn asked(kit: &Kit, role: &Role, duration: i64, ahead: i64) -> Elevation {
    let now = Timestamp::from(kit.clock.now());
    let request = CreateElevationRequest {
        role_id: role.id.clone(),
        duration: seconds(duration),
        requested_start_time: Some(Timestamp {
            seconds: now.seconds + ahead,
            ..now
        }),
        ..CreateElevationRequest::default()
    };
    let answer = kit
        .as_(JEN)
        .elevations()
        .create_elevation(request)
        .await
        .unwrap();
    answer.into_inner().elevation.unwrap()
}

async fn record(kit: &Kit) -> Vec<Event> {
    let record = kit.store.events(0, 1_000).await.unwrap();
    for (sequence, envelope) in (1..).zip(&record) {
        assert_eq!(envelope.sequence, sequence, "no gap");
    }
    record
        .iter()
        .map(Envelope::event)
        .collect::<Result<_, _>>()
        .unwrap()
}

async fn status(kit: &Kit, elevation: &Elevation) -> ElevationStatus {
    kit.as_(JEN)
        .elevation(&elevation.id)
        .await
        .unwrap()
        .status()
}

/// Ten jumps. Whatever the clock says: nothing that has ended lives again, nothing begins twice, an end never moves to a
/// later moment, and no event has an earlier time than one before it.
#[tokio::test]
async fn ten_jumps() {
    let kit = Kit::start().await;
    let open = kit.role_with(&[], 0).await;
    let mut lives = Vec::new();
    for (duration, ahead) in [
        (600, 0),
        (3_600, 0),
        (60, 300),
        (600, 4_000),
        (60, 90_000),
        (3_600, 200_000),
    ] {
        lives.push(asked(&kit, &open, duration, ahead).await);
    }
    let mut ended = HashMap::new();
    for jump in [
        5, -5, 3_600, -3_600, 86_400, -90_000, -1, 120_000, -7_200, 7_300,
    ] {
        kit.clock.jump(jump);
        kit.clock.advance(30);
        let decides = kit.as_(JEN).file(&open.id).await;
        match decides {
            Ok(_) => kit.catch_up().await,
            Err(refused) => {
                assert_eq!(
                    (refused.code(), &*reason(&refused)),
                    (Code::Unavailable, "CLOCK_SKEWED")
                );
                assert_eq!(kit.anonymous().get("/readyz").await.status, 503);
            }
        }
        for duration in &lives {
            let now = kit.as_(JEN).elevation(&duration.id).await.unwrap();
            let ends = now.expire_time.map(|end| (end.seconds, end.nanos));
            match ended.insert(duration.id.clone(), (now.status(), ends)) {
                Some((ElevationStatus::Expired, _)) => {
                    assert_eq!(now.status(), ElevationStatus::Expired)
                }
                Some((ElevationStatus::Active, before)) => assert_eq!(ends, before, "after {jump}"),
                _ => {}
            }
        }
    }
    for time in [300_000, 3_600] {
        kit.clock.advance(time);
        kit.catch_up().await;
    }
    assert_eq!(kit.anonymous().get("/readyz").await.status, 200);
    let mut record = record(&kit).await;
    assert!(record.is_sorted_by_key(|event| event.time));
    for duration in &lives {
        assert_eq!(status(&kit, duration).await, ElevationStatus::Expired);
        let own = record.extract_if(.., |event| event.subject.id().to_string() == duration.id);
        let words: Vec<_> = own.map(|event| event.fact.name()).collect();
        assert_eq!(words, ["Filed", "Activated", "Expired"]);
    }
}

/// A duration ends after its time, although the clock went back and stays late.
#[tokio::test]
async fn time_passes_while_the_clock_is_behind() {
    let kit = Kit::start().await;
    let open = kit.role_with(&[], 0).await;
    let held = asked(&kit, &open, 600, 0).await;
    kit.clock.jump(-86_400);
    kit.clock.advance(599);
    assert_eq!(status(&kit, &held).await, ElevationStatus::Active);
    kit.clock.advance(1);
    assert_eq!(status(&kit, &held).await, ElevationStatus::Expired);
}

/// The clock is ahead for three seconds, in which a request is filed. Time then stands still until the clock has caught
/// up; nothing else has to be done.
#[tokio::test]
async fn a_clock_that_was_ahead_for_a_moment_stops_decisions_until_time_has_caught_up() {
    was_ahead(Kit::start().await).await;
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn a_clock_that_was_ahead_for_a_moment_stops_decisions_until_time_has_caught_up_on_postgres()
{
    was_ahead(Kit::on_postgres(Database::new().await).await).await;
}

async fn was_ahead(kit: Kit) {
    let role = kit.role().await;
    let filed = kit.as_(JEN).file(&role.id).await.unwrap();
    kit.clock.jump(30);
    let ahead = kit.as_(JEN).file(&role.id).await.unwrap();
    kit.clock.advance(3);
    assert_eq!(
        kit.as_(JEN).elevation(&filed.id).await.unwrap().status(),
        ElevationStatus::PendingApproval
    );
    kit.clock.jump(-30);
    for waited in [0, 10, 9] {
        kit.clock.advance(waited);
        let refused = kit.as_(SAM).approve(&filed.approval_id).await.unwrap_err();
        assert_eq!(reason(&refused), "CLOCK_SKEWED");
        assert_eq!(kit.anonymous().get("/readyz").await.status, 503);
    }
    // Late by exactly the bound.
    kit.clock.advance(1);
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    assert_eq!(kit.anonymous().get("/readyz").await.status, 200);
    let caught_up = Timestamp::from(kit.clock.now()).seconds + 10;
    kit.clock.advance(10);
    kit.as_(SAM).approve(&ahead.approval_id).await.unwrap();
    let begun = kit
        .as_(JEN)
        .elevation(&ahead.id)
        .await
        .unwrap()
        .expire_time
        .unwrap()
        .seconds
        - 3_600;
    assert_eq!(begun, caught_up);
    assert!(record(&kit).await.is_sorted_by_key(|event| event.time));
}

/// The same, but the server is started again meanwhile, so that only the record knows of the later time.
#[tokio::test]
async fn a_record_that_is_ahead_of_the_clock_is_waited_for() {
    record_is_ahead(Kit::start().await).await;
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn a_record_that_is_ahead_of_the_clock_is_waited_for_on_postgres() {
    record_is_ahead(Kit::on_postgres(Database::new().await).await).await;
}

async fn record_is_ahead(kit: Kit) {
    let role = kit.role().await;
    kit.clock.jump(30);
    let filed = kit.as_(JEN).file(&role.id).await.unwrap();
    kit.clock.jump(-30);
    let kit = kit.restart().await;
    for waited in [0, 19] {
        kit.clock.advance(waited);
        let refused = kit.as_(SAM).approve(&filed.approval_id).await.unwrap_err();
        assert_eq!(reason(&refused), "CLOCK_SKEWED");
    }
    kit.clock.advance(1);
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    assert!(record(&kit).await.is_sorted_by_key(|event| event.time));
}

/// The clock was ahead from the start. The server can notice only after the clock has been right
/// for as long.
#[tokio::test]
async fn a_clock_that_is_set_right_is_trusted_after_as_long_as_it_was_ahead() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    kit.clock.jump(-600);
    for waited in [0, 600, 589] {
        kit.clock.advance(waited);
        assert_eq!(
            reason(&kit.as_(SAM).approve(&filed.approval_id).await.unwrap_err()),
            "CLOCK_SKEWED"
        );
    }
    kit.clock.advance(1);
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
}

/// The record knows a later time than the clock after a restart. Nothing is decided until the clock has come to it.
#[tokio::test]
async fn a_clock_that_is_behind_the_record_decides_nothing() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let filed = kit.as_(JEN).file(&role.id).await.unwrap();
    kit.clock.advance(86_400);
    kit.as_(JEN).file(&role.id).await.unwrap();
    kit.clock.jump(-86_400);
    let kit = kit.restart().await;
    let refused = kit.as_(SAM).approve(&filed.approval_id).await.unwrap_err();
    assert_eq!(reason(&refused), "CLOCK_SKEWED");
    let answer = kit.as_(SAM).act(&filed.approval_id, "Approve").await;
    assert_eq!((answer.status, &*answer.code()), (503, "CLOCK_SKEWED"));
    assert_eq!(kit.anonymous().get("/readyz").await.status, 503);
    assert_eq!(kit.as_(SAM).pending().await.len(), 2, "reading goes on");
    kit.clock.jump(86_400);
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    assert_eq!(kit.anonymous().get("/readyz").await.status, 200);
}

#[tokio::test]
async fn after_a_long_stop_everything_is_done_in_order() {
    let kit = Kit::start().await;
    let open = kit.role_with(&[], 0).await;
    let hasty = Role {
        pending_timeout: seconds(450),
        ..role("Hasty", &[SAM], 1)
    };
    let hasty = kit.as_(ANN).create_role(hasty).await.unwrap();
    let expires_last = asked(&kit, &open, 900, 0).await;
    let starts_later = asked(&kit, &open, 3_600, 600).await;
    let never_decided = asked(&kit, &hasty, 60, 0).await;
    let starts_first = asked(&kit, &open, 3_600, 300).await;
    let before = record(&kit).await.len();

    let kit = kit.restart_after(86_400).await;
    kit.catch_up().await;
    let done = record(&kit).await.split_off(before);
    let told: Vec<_> = done
        .iter()
        .map(|event| (event.subject.id().to_string(), event.fact.name()))
        .collect();
    let expected = [
        (starts_first.id.clone(), "Activated"),
        (never_decided.id, "Expired"),
        (starts_later.id.clone(), "Activated"),
        (expires_last.id, "Expired"),
    ];
    assert_eq!(told, expected);
    // What began late lives as long all the same.
    for late in [starts_first, starts_later] {
        assert_eq!(status(&kit, &late).await, ElevationStatus::Active);
    }
}

#[tokio::test]
async fn a_restart_finds_every_state_as_it_was() {
    let kit = Kit::start().await;
    let (open, role) = (kit.role_with(&[], 0).await, kit.role().await);
    let active = asked(&kit, &open, 600, 0).await;
    let closed = asked(&kit, &open, 600, 0).await;
    let scheduled = asked(&kit, &open, 600, 600).await;
    let expired = asked(&kit, &open, 60, 0).await;
    let pending = asked(&kit, &role, 600, 0).await;
    let rejected = asked(&kit, &role, 600, 0).await;
    let path = format!("/api/pamresources/pamrequests(guid'{}')/Close", closed.id);
    assert_eq!(kit.as_(JEN).post(&path).await.status, 200);
    kit.as_(SAM).reject(&rejected.approval_id).await.unwrap();
    kit.clock.advance(60);
    kit.catch_up().await;
    let states = [
        (&active, ElevationStatus::Active),
        (&closed, ElevationStatus::Closed),
        (&scheduled, ElevationStatus::Scheduled),
        (&expired, ElevationStatus::Expired),
        (&pending, ElevationStatus::PendingApproval),
        (&rejected, ElevationStatus::Rejected),
    ];
    let kit = kit.restart().await;
    for (elevation, state) in states {
        assert_eq!(status(&kit, elevation).await, state);
    }
    kit.as_(SAM).approve(&pending.approval_id).await.unwrap();
    let kit = kit.restart_after(540).await;
    kit.catch_up().await;
    assert_eq!(status(&kit, &active).await, ElevationStatus::Expired);
    assert_eq!(status(&kit, &scheduled).await, ElevationStatus::Active);
    assert_eq!(status(&kit, &pending).await, ElevationStatus::Active);
    let facts = record(&kit)
        .await
        .into_iter()
        .filter(|event| matches!(event.fact, Fact::Activated(_)));
    assert_eq!(facts.count(), 5, "each duration began once");
}

/// The end of an elevation is recorded although its role was deleted, and delays no other.
#[tokio::test]
async fn the_role_of_what_is_due_may_be_gone() {
    let kit = Kit::start().await;
    let filed = History::filed(1);
    let deleted = Event {
        fact: Fact::RoleDeleted,
        ..role_change(&sams_role(), Version(1)).events.remove(0)
    };
    let delete = Change {
        puts: vec![Record::RoleDeleted(sams_role().id)],
        events: vec![deleted],
        ..role_change(&sams_role(), Version(1))
    };
    for change in [
        role_change(&sams_role(), Version::ABSENT),
        filed.change(),
        delete,
    ] {
        assert!(matches!(
            kit.store.commit(change).await.unwrap(),
            Commit::Committed { .. }
        ));
    }
    kit.clock.advance(8 * 86_400);
    kit.catch_up().await;
    let read = kit
        .store
        .elevation(ElevationKey::Elevation(filed.elevation.id))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.elevation.value.status, Status::Expired);
}

/// Jen's request is approved and closed. Its deadline and its end pass later, and leave nothing for the scheduler.
#[tokio::test]
async fn moments_that_mean_nothing_any_longer_are_forgotten() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    let close = CloseElevationRequest {
        elevation_id: filed.id,
    };
    let jen = kit.as_(JEN);
    jen.elevations().close_elevation(close).await.unwrap();
    let later = Moment::from_ticks(kit.clock.now().ticks() + 8 * 86_400 * Moment::TICKS_PER_SECOND);
    let spent = kit.store.due(later, 10).await.unwrap().spent;
    assert_eq!(spent.len(), 2);
    kit.clock.advance(8 * 86_400);
    kit.catch_up().await;
    let due = kit.store.due(later, 10).await.unwrap();
    assert!(due.spent.is_empty() && due.next.is_none());
}

/// An elevation that is filed while the scheduler waits wakes it.
#[tokio::test]
async fn what_is_filed_last_may_be_due_first() {
    let kit = Kit::start().await;
    let open = kit.role_with(&[], 0).await;
    asked(&kit, &open, 3_600, 9_000).await;
    kit.catch_up().await;
    let sooner = asked(&kit, &open, 3_600, 300).await;
    kit.clock.advance(300);
    // It happens without a request.
    while status(&kit, &sooner).await != ElevationStatus::Active {
        tokio::task::yield_now().await;
    }
}

/// A node whose clock is not the database's writes nothing, and says so.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn a_node_with_another_clock_than_the_database_decides_nothing() {
    let database = Database::new().await;
    let clock = Arc::new(HandClock::new(SystemClock.now()));
    let skew = Skew {
        clock: clock.clone(),
        most: Seconds::new(600).unwrap(),
    };
    let store = PostgresStore::open(&database.url(), None, Some(skew), StoreMetrics::default())
        .await
        .unwrap();
    let commit = async || {
        store
            .commit(role_change(&sams_role(), version(&store).await))
            .await
    };
    commit().await.unwrap();
    for (jump, decides) in [
        (500, true),
        (200, false),
        (-1_200, true),
        (-200, false),
        (700, true),
    ] {
        clock.jump(jump);
        let committed = commit().await;
        assert_eq!(committed.is_ok(), decides, "{jump}: {committed:?}");
        assert_eq!(*store.ready().borrow(), decides);
    }
}

async fn version(store: &PostgresStore) -> Version {
    store
        .role_use(sams_role().id, Moment::from_ticks(0))
        .await
        .unwrap()
        .version
}
