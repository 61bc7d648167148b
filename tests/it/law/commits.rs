//! Commits: durable, whole, and only when everything expected still holds.

use std::collections::BTreeSet;
use std::future::ready;
use std::time::Duration;

use countersign::domain::error::Kind;
use countersign::domain::event::Event;
use countersign::domain::version::Version;
use countersign::store::{Change, Commit, ElevationKey, Key};
use countersign::time::Deadline;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::Backend;
use super::history::{
    History, ROLE, abandon, approval_id, approved_by, at, both, committed, filing, read, record,
    rejected_by, role_change, sams_role, together, was_committed, was_conflict,
};
use crate::kit::{ANN, KIM, SAM, START};

pub async fn what_is_acknowledged_is_there_after_reopening(backend: impl Backend) {
    let store = backend.open().await;
    let rejected = History::filed(1).then(at(60), [rejected_by(SAM)]);
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    committed(&store, rejected.whole()).await;
    let events = record(&store).await;
    drop(store);

    let store = backend.open().await;
    let found = store
        .elevation(ElevationKey::Approval(approval_id(1)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.elevation.value, rejected.elevation);
    assert_eq!(found.role.unwrap().value, sams_role());
    assert_eq!(store.role(ROLE).await.unwrap().unwrap().value, sams_role());
    assert_eq!(events.len(), 3);
    assert_eq!(record(&store).await, events);
}

pub async fn a_change_whose_caller_is_gone_is_written_before_the_store_opens_again(
    backend: impl Backend,
) {
    let store = backend.open().await;
    for number in 1..=500 {
        abandon(&store, History::filed(number).change()).await;
    }
    drop(store);

    let store = backend.open().await;
    let sequence = committed(&store, History::filed(501).change()).await;
    assert_eq!(sequence, 501);
    assert_eq!(record(&store).await.len(), 501);
}

pub async fn one_unmet_expectation_leaves_nothing_of_the_change(backend: impl Backend) {
    let store = backend.open().await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    let filed = History::filed(1);
    let stale = role_change(&sams_role(), Version::ABSENT);
    for change in [
        both(filed.change(), stale.clone()),
        both(stale, filed.change()),
    ] {
        assert_eq!(store.commit(change).await.unwrap(), Commit::Conflict);
        assert!(read(&store, &filed).await.is_none());
        assert_eq!(store.role(ROLE).await.unwrap().unwrap().version, Version(1));
        assert_eq!(record(&store).await.len(), 1);
    }
    let sequence = committed(
        &store,
        both(filed.change(), role_change(&sams_role(), Version(1))),
    )
    .await;
    assert_eq!(sequence, 3);
    assert_eq!(
        read(&store, &filed).await.unwrap().role.unwrap().version,
        Version(2)
    );
}

pub async fn a_record_that_is_not_expected_is_not_written(backend: impl Backend) {
    let store = backend.open().await;
    let filed = History::filed(1);
    let change = Change {
        expects: vec![(Key::Role(ROLE), Version::ABSENT)],
        ..filed.change()
    };
    assert_eq!(store.commit(change).await.unwrap_err().kind, Kind::Internal);
    assert!(read(&store, &filed).await.is_none());
    assert!(record(&store).await.is_empty());
}

pub async fn a_record_is_never_written_without_an_event(backend: impl Backend) {
    let store = backend.open().await;
    let filed = History::filed(1);
    let change = Change {
        events: vec![],
        ..filed.change()
    };
    assert_eq!(store.commit(change).await.unwrap_err().kind, Kind::Internal);
    assert!(read(&store, &filed).await.is_none());
}

/// The approval of the one that cannot be written belongs to another elevation, which no expectation rules out.
pub async fn a_change_that_cannot_be_written_takes_no_other_with_it(backend: impl Backend) {
    let store = backend.open().await;
    committed(&store, History::filed(1).change()).await;
    let taken = History::of(51, START, filing(1));
    let mut histories: Vec<History> = (2..=100).map(History::filed).collect();
    histories[49] = taken.clone();
    let mut answers = together(&store, histories.iter().map(History::change)).await;

    assert!(answers.remove(49).is_err());
    assert!(answers.iter().all(was_committed), "{answers:?}");
    assert!(read(&store, &taken).await.is_none());
    for history in histories
        .iter()
        .filter(|history| history.key() != taken.key())
    {
        assert_eq!(
            read(&store, history).await.unwrap().elevation.value,
            history.elevation
        );
    }
    assert_eq!(record(&store).await.len(), 99);
}

pub async fn only_one_of_two_creates_a_record(backend: impl Backend) {
    let store = backend.open().await;
    let filed = History::filed(1);
    let answers = together(&store, [filed.change(), filed.change()]).await;
    assert_eq!(
        answers
            .iter()
            .filter(|answer| was_committed(answer))
            .count(),
        1
    );
    assert_eq!(
        answers.iter().filter(|answer| was_conflict(answer)).count(),
        1
    );
    assert_eq!(record(&store).await.len(), 1);
}

pub async fn a_stale_version_is_a_conflict(backend: impl Backend) {
    let store = backend.open().await;
    let filed = History::filed(1);
    let rejected = filed.then(at(60), [rejected_by(SAM)]);
    let approved = filed.then(at(61), [approved_by(SAM)]);
    committed(&store, filed.change()).await;
    committed(&store, rejected.change()).await;
    for stale in [filed.change(), approved.change()] {
        assert_eq!(store.commit(stale).await.unwrap(), Commit::Conflict);
    }
    let ahead = approved.then(at(62), [approved_by(KIM)]);
    let ahead = ahead.then(at(63), [rejected_by(ANN)]);
    assert_eq!(
        store.commit(ahead.change()).await.unwrap(),
        Commit::Conflict
    );
    assert_eq!(
        read(&store, &filed).await.unwrap().elevation.value,
        rejected.elevation
    );
    assert_eq!(record(&store).await.len(), 2);
}

pub async fn what_was_only_relied_on_must_still_hold(backend: impl Backend) {
    let store = backend.open().await;
    let relying = |number, version| {
        let change = History::filed(number).change();
        Change {
            expects: [change.expects, vec![(Key::Role(ROLE), version)]].concat(),
            ..change
        }
    };
    committed(&store, relying(1, Version::ABSENT)).await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    assert_eq!(
        store.commit(relying(2, Version::ABSENT)).await.unwrap(),
        Commit::Conflict
    );
    committed(&store, relying(2, Version(1))).await;
    committed(&store, role_change(&sams_role(), Version(1))).await;
    assert_eq!(
        store.commit(relying(3, Version(1))).await.unwrap(),
        Commit::Conflict
    );
    assert!(read(&store, &History::filed(3)).await.is_none());
    assert_eq!(record(&store).await.len(), 4);
    assert_eq!(store.role(ROLE).await.unwrap().unwrap().version, Version(2));
}

/// Each writes what the other relied on, so that both together would break a rule that spans the two.
pub async fn two_changes_that_rely_on_each_other_never_both_happen(backend: impl Backend) {
    let store = backend.open().await;
    for number in 1..=20 {
        let [one, other] = [number, number + 100].map(History::filed);
        let rely = |mine: &History, on: &History| {
            let change = mine.change();
            Change {
                expects: [change.expects, vec![(on.key(), Version::ABSENT)]].concat(),
                ..change
            }
        };
        let answers = together(&store, [rely(&one, &other), rely(&other, &one)]).await;
        assert_eq!(
            answers
                .iter()
                .filter(|answer| was_committed(answer))
                .count(),
            1
        );
        assert_eq!(
            answers.iter().filter(|answer| was_conflict(answer)).count(),
            1
        );
    }
}

/// All are queued before the first is answered, so that most of them are in one group.
pub async fn changes_that_arrive_together_see_what_those_before_them_did(backend: impl Backend) {
    let store = backend.open().await;
    let [one, two, three, four, five] = [1, 2, 3, 4, 5].map(History::filed);
    let half = five.then(at(60), [approved_by(KIM)]);
    let whole = half.then(at(61), [rejected_by(SAM)]);
    let live = |version| {
        (
            Key::Live(ROLE, Some(one.elevation.requester.id)),
            Version(version),
        )
    };
    let live_of_all = |version| (Key::Live(ROLE, None), Version(version));
    let relying = |history: &History, more: (Key, Version)| {
        let change = history.change();
        Change {
            expects: [change.expects, vec![more]].concat(),
            ..change
        }
    };
    let rejected = |history: &History| history.then(at(60), [rejected_by(SAM)]).change();
    let changes = [
        (relying(&one, live(0)), Some(1)),
        (relying(&two, live(0)), None),
        (relying(&two, live(1)), Some(2)),
        (rejected(&one), Some(3)),
        (rejected(&one), None),
        (relying(&three, live(2)), Some(4)),
        (rejected(&three), Some(5)),
        (relying(&four, live_of_all(4)), None),
        (relying(&four, live_of_all(2)), Some(6)),
        (rejected(&two), Some(7)),
        (rejected(&four), Some(8)),
        (relying(&five, live(6)), None),
        (relying(&five, live(0)), Some(9)),
        (half.change(), Some(10)),
        (whole.change(), Some(11)),
    ];
    let mut commits: Vec<_> = changes
        .iter()
        .map(|(change, _)| store.commit(change.clone()))
        .collect();
    let mut answers = Vec::new();
    for commit in &mut commits {
        answers.push(tokio::select! {
            biased;
            answer = commit => Some(answer),
            () = ready(()) => None,
        });
    }
    for (number, (commit, answer)) in commits.into_iter().zip(answers).enumerate() {
        let answer = match answer {
            Some(answer) => answer,
            None => commit.await,
        };
        let expected = changes[number]
            .1
            .map_or(Commit::Conflict, |sequence| Commit::Committed { sequence });
        assert_eq!(answer.unwrap(), expected, "{number}");
    }
    let found = read(&store, &five).await.unwrap().elevation;
    assert_eq!((found.version, found.value), (Version(3), whole.elevation));
}

pub async fn changes_of_distinct_records_all_happen_in_one_order_without_a_gap(
    backend: impl Backend,
) {
    let store = backend.open().await;
    let changes: Vec<Change> = (1..=300)
        .map(|number| {
            let filed = History::filed(number);
            let (approved, rejected) = (approved_by(SAM), rejected_by(SAM));
            match number % 3 {
                0 => filed.whole(),
                1 => filed.then(at(60), [rejected]).whole(),
                _ => filed.then(at(60), [approved, rejected]).whole(),
            }
        })
        .collect();
    let answers = together(&store, changes.clone()).await;

    let events: Vec<Event> = record(&store)
        .await
        .iter()
        .map(|envelope| envelope.event().unwrap())
        .collect();
    let sequences: Vec<u64> = record(&store)
        .await
        .iter()
        .map(|envelope| envelope.sequence)
        .collect();
    assert_eq!(sequences, (1..=600).collect::<Vec<u64>>());
    let mut ends = BTreeSet::new();
    for (change, answer) in changes.iter().zip(answers) {
        let Ok(Commit::Committed { sequence }) = answer else {
            panic!("nothing stood in the way: {answer:?}")
        };
        let end = usize::try_from(sequence).unwrap();
        assert_eq!(events[end - change.events.len()..end], change.events);
        assert!(ends.insert(end));
    }
}

pub async fn of_all_changes_of_one_version_exactly_one_wins(backend: impl Backend) {
    let store = backend.open().await;
    let mut history = History::filed(1);
    committed(&store, history.change()).await;
    for round in 2..=6 {
        let rivals: Vec<History> = (0..40)
            .map(|rival| history.then(at(round), [approved_by(&format!("PRIV\\{round}-{rival}"))]))
            .collect();
        let answers = together(&store, rivals.iter().map(History::change)).await;
        let winners: Vec<&History> = rivals
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| was_committed(answer))
            .map(|(won, _)| won)
            .collect();
        let [winner] = winners[..] else {
            panic!("{} won", winners.len())
        };
        assert_eq!(
            answers.iter().filter(|answer| was_conflict(answer)).count(),
            39
        );

        history = winner.clone();
        let found = read(&store, &history).await.unwrap().elevation;
        assert_eq!(found.value, history.elevation);
        assert_eq!(found.version.0, round.cast_unsigned());
    }
    assert_eq!(record(&store).await.len(), 6);
}

pub async fn a_change_that_is_too_late_writes_nothing(backend: impl Backend) {
    let store = backend.open().await;
    let filed = History::filed(1);
    let within = |wait| Change {
        deadline: Some(Deadline::after(wait)),
        ..filed.change()
    };
    let late = store.commit(within(Duration::ZERO)).await.unwrap_err();
    assert_eq!(late.kind, Kind::DeadlineExceeded);
    assert!(read(&store, &filed).await.is_none());
    assert!(record(&store).await.is_empty());
    assert_eq!(
        committed(&store, within(Duration::from_secs(3_600))).await,
        1
    );
}

pub async fn a_change_without_records_confirms_what_it_expects(backend: impl Backend) {
    let store = backend.open().await;
    let filed = History::filed(1);
    let confirming = |expects| Change {
        expects,
        puts: vec![],
        events: vec![],
        deadline: None,
    };
    let elevation = |version| confirming(vec![(filed.key(), Version(version))]);
    committed(&store, filed.change()).await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    for stale in [
        elevation(0),
        elevation(2),
        confirming(vec![
            (filed.key(), Version(1)),
            (Key::Role(ROLE), Version(2)),
        ]),
    ] {
        assert_eq!(store.commit(stale).await.unwrap(), Commit::Conflict);
    }
    let both = confirming(vec![
        (filed.key(), Version(1)),
        (Key::Role(ROLE), Version(1)),
    ]);
    assert_eq!(committed(&store, both.clone()).await, 2);
    let late = Change {
        deadline: Some(Deadline::after(Duration::ZERO)),
        ..both
    };
    assert_eq!(
        store.commit(late).await.unwrap_err().kind,
        Kind::DeadlineExceeded
    );
    let rejected = filed.then(at(60), [rejected_by(SAM)]);
    let changes = [elevation(1), rejected.change(), elevation(1), elevation(2)];
    // Queued in this order.
    let answers = join_all(changes.map(|change| store.commit(change))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let at = |sequence| Commit::Committed { sequence };
    assert_eq!(answers, [at(2), at(3), Commit::Conflict, at(3)]);
    assert_eq!(record(&store).await.len(), 3);
    assert_eq!(
        read(&store, &filed).await.unwrap().elevation.value,
        rejected.elevation
    );
}

pub async fn the_last_commit_says_whether_the_store_is_ready(backend: impl Backend) {
    let store = backend.open().await;
    let ready = store.ready();
    let is_ready = || *ready.borrow();
    assert!(is_ready());
    committed(&store, History::filed(1).change()).await;
    assert!(is_ready());
    assert!(
        store
            .commit(History::of(2, START, filing(1)).change())
            .await
            .is_err()
    );
    assert!(!is_ready());
    committed(&store, History::filed(2).change()).await;
    assert!(is_ready());
}

pub async fn a_refused_change_does_not_keep_an_idle_store_from_being_ready(backend: impl Backend) {
    let store = backend.open().await;
    committed(&store, History::filed(1).change()).await;
    let again = History::of(2, START, filing(1)).change();
    store.commit(again).await.unwrap_err();
    let mut ready = store.ready();
    assert!(!*ready.borrow());
    timeout(Duration::from_secs(30), ready.wait_for(|ready| *ready))
        .await
        .expect("the store is ready although nothing else is committed")
        .unwrap();
    assert_eq!(record(&store).await.len(), 1);
}
