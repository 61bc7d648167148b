//! Alarms: the moments at which the scheduler looks at elevations.

use std::sync::Arc;

use countersign::domain::version::Version;
use countersign::store::{Alarm, Change, Commit, Key, Store};

use super::Backend;
use super::history::{
    History, ROLE, activated_until, approved_by, at, closed_by, committed, elevation_id, moved_by,
    rejected_by, role_change, sams_role, scheduled_by,
};
use super::lifecycle::waiting;
use crate::kit::{JEN, KIM, SAM};

/// Jen's request is approved and closed. Both moments are spent then, and no round of the scheduler finds anything.
pub async fn a_spent_alarm_is_harmless_until_it_is_swept(backend: impl Backend) {
    let store = backend.open().await;
    let pending = waiting(1, 100);
    let active = pending.then(at(1), [approved_by(SAM), activated_until(at(50))]);
    let closed = active.then(at(2), [closed_by(JEN)]);
    committed(&store, pending.change()).await;
    assert_due(&store, 0, &[], Some(100), &[]).await;
    committed(&store, active.change()).await;
    assert_due(&store, 49, &[], Some(50), &[]).await;
    assert_due(&store, 100, &[1], None, &[(100, 1)]).await;
    let last = committed(&store, closed.change()).await;
    // The only alarms that are left mean nothing, so the moment of the last one is soon enough.
    assert_due(&store, 0, &[], Some(100), &[]).await;
    let spent = [(50, 1), (100, 1)];
    assert_due(&store, 100, &[], None, &spent).await;

    for _ in 0..2 {
        store.sweep(spent.map(alarm).to_vec()).await.unwrap();
        assert_due(&store, 100, &[], None, &[]).await;
    }
    assert_due(&store, 0, &[], None, &[]).await;
    assert_eq!(store.last_event().await.unwrap().unwrap().sequence, last);
}

/// A node read that an alarm was spent. Before it deletes it, the elevation gets the same moment once more.
pub async fn an_alarm_that_counts_again_is_not_swept(backend: impl Backend) {
    let store = backend.open().await;
    let pending = waiting(1, 100);
    let scheduled = pending.then(at(1), [approved_by(SAM), scheduled_by(SAM)]);
    let active = scheduled.then(at(2), [activated_until(at(100))]);
    for step in [&pending, &scheduled] {
        committed(&store, step.change()).await;
    }
    assert_due(&store, 100, &[1], None, &[(100, 1)]).await;
    let read = store.due(at(100), 10).await.unwrap().spent;
    committed(&store, active.change()).await;
    let other = waiting(2, 100);
    committed(&store, other.change()).await;

    store.sweep(read).await.unwrap();
    store
        .sweep(vec![alarm((100, 2)), alarm((7, 9))])
        .await
        .unwrap();
    assert_due(&store, 100, &[1, 2], None, &[(0, 1)]).await;
}

/// More alarms are spent than one read checks, and one elevation after them is due.
pub async fn many_spent_alarms_hide_no_elevation_for_good(backend: impl Backend) {
    let store = backend.open().await;
    let pending: Vec<History> = (1..=520).map(|number| waiting(number, 100)).collect();
    let closed: Vec<History> = pending
        .iter()
        .map(|history| history.then(at(1), [closed_by(JEN)]))
        .collect();
    for histories in [&pending, &closed] {
        committed(&store, all(histories)).await;
    }
    committed(&store, waiting(2_000, 101).change()).await;
    let mut swept = 0;
    for round in 0..3 {
        let due = store.due(at(200), 10).await.unwrap();
        if !due.elevations.is_empty() {
            assert_eq!((round, swept, due.next), (1, 512, None));
            assert_eq!(due.elevations[0].elevation.value.id, elevation_id(2_000));
            assert_eq!(due.spent.len(), 8);
            return;
        }
        assert_eq!(due.next, Some(at(200)), "there is more to do now");
        swept += due.spent.len();
        store.sweep(due.spent).await.unwrap();
    }
    panic!("the elevation is hidden");
}

/// The version moves with each elevation that is added, changed, or ended as the last that has changed. Another end takes
/// an elevation out of the set, which only a decision about that elevation has to notice.
pub async fn the_version_of_what_is_live_moves_with_all_that_a_filing_has_to_notice(
    backend: impl Backend,
) {
    let store = backend.open().await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    let [one, two, three] = [1, 2, 3].map(History::filed);
    let half = three.then(at(1), [moved_by(KIM, 0, 1)]);
    let steps = [
        (one.change(), 2),
        (two.change(), 3),
        (one.then(at(1), [rejected_by(SAM)]).change(), 3),
        (three.change(), 5),
        (half.change(), 6),
        (half.then(at(2), [rejected_by(SAM)]).change(), 3),
        (two.then(at(2), [closed_by(JEN)]).change(), 0),
    ];
    for (number, (change, version)) in steps.into_iter().enumerate() {
        committed(&store, change).await;
        for of in [None, Some(one.elevation.requester.id)] {
            for expected in [version, version + 1] {
                let change = Change {
                    expects: vec![(Key::Live(ROLE, of), Version(expected))],
                    puts: vec![],
                    events: vec![],
                    deadline: None,
                };
                let commit = store.commit(change).await.unwrap();
                let is_right = commit != Commit::Conflict;
                assert_eq!(is_right, expected == version, "{number} {of:?} {expected}");
            }
        }
    }
}

async fn assert_due(
    store: &Arc<dyn Store>,
    now: i64,
    numbers: &[u128],
    next: Option<i64>,
    spent: &[(i64, u128)],
) {
    let due = store.due(at(now), 10).await.unwrap();
    let ids: Vec<_> = due
        .elevations
        .iter()
        .map(|read| read.elevation.value.id.0.as_u128())
        .collect();
    assert_eq!(ids, numbers, "{now}");
    assert_eq!(due.next, next.map(at), "{now}");
    let alarms: Vec<Alarm> = spent.iter().copied().map(alarm).collect();
    assert_eq!(due.spent, alarms, "{now}");
}

fn alarm((due, number): (i64, u128)) -> Alarm {
    Alarm {
        due: at(due),
        id: elevation_id(number),
    }
}

/// The last steps of all as one change.
fn all(histories: &[History]) -> Change {
    let changes: Vec<Change> = histories.iter().map(History::change).collect();
    Change {
        expects: changes
            .iter()
            .flat_map(|change| change.expects.clone())
            .collect(),
        puts: changes
            .iter()
            .flat_map(|change| change.puts.clone())
            .collect(),
        events: changes
            .iter()
            .flat_map(|change| change.events.clone())
            .collect(),
        deadline: None,
    }
}
