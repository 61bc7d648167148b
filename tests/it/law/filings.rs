//! Filings: what the quota of a requester is counted by.

use std::sync::Arc;

use countersign::domain::event::{Filed, Opened};
use countersign::domain::moment::Moment;
use countersign::domain::quota::Load;
use countersign::domain::version::Version;
use countersign::store::{Change, FilingKey, FilingRead, Key, Record, Store};

use futures_util::future::join_all;

use super::Backend;
use super::history::{
    History, ROLE, account, activated_until, approval_id, approved_by, at, committed, elevation_id,
    filing, rejected_by, ticks, together, was_committed, was_conflict,
};
use crate::kit::{GIL, JEN, SAM};

pub async fn who_files_is_told_how_much_waits_and_was_filed_within_the_hour(backend: impl Backend) {
    let store = backend.open().await;
    assert_eq!(filings(&store, JEN, at(0)).await.load, Load::default());
    let waiting = |number, time, until| {
        let approval = Some(Opened {
            id: approval_id(number),
            pending_expire_time: until,
        });
        History::of(
            number,
            time,
            Filed {
                approval,
                ..filing(number)
            },
        )
    };
    let rejected = waiting(3, at(20), at(7_200)).then(at(30), [rejected_by(SAM)]);
    let active =
        waiting(4, at(20), at(7_200)).then(at(30), [approved_by(SAM), activated_until(at(9_999))]);
    let of_another = History::by(GIL, 5, at(20), filing(5));
    let histories = [
        waiting(1, at(0), at(7_200)),
        waiting(2, at(10), at(100)),
        rejected,
        active,
        of_another,
    ];
    for history in histories {
        committed(&store, history.whole()).await;
    }
    for (now, pending, counted) in [
        (at(30), 2, 4),
        (ticks(100 * Moment::TICKS_PER_SECOND - 1), 2, 4),
        (at(100), 1, 4),
        (ticks(3_600 * Moment::TICKS_PER_SECOND - 1), 1, 4),
        (at(3_600), 1, 3),
        (at(3_610), 1, 2),
        (at(3_620), 1, 0),
        (at(7_200), 0, 0),
    ] {
        let load = filings(&store, JEN, now).await.load;
        assert_eq!(
            load,
            Load {
                pending,
                filings: counted
            },
            "{now}"
        );
    }
    assert_eq!(
        filings(&store, GIL, at(30)).await.load,
        Load {
            pending: 1,
            filings: 1
        }
    );
    assert_eq!(filings(&store, SAM, at(30)).await.load, Load::default());
}

pub async fn of_two_filings_at_once_the_second_counts_the_first(backend: impl Backend) {
    let store = backend.open().await;
    for round in 0..5 {
        let guard = filings(&store, JEN, at(0)).await.guard;
        assert_eq!(guard, Version(round));
        let rivals = (1..=20).map(|rival| guarded(JEN, u128::from(round) * 100 + rival, guard));
        let of_another = guarded(GIL, 10_000 + u128::from(round), Version(round));
        let mut answers = together(&store, rivals.chain([of_another])).await;
        assert!(
            was_committed(&answers.pop().unwrap()),
            "the guard of one is not in the way of another"
        );
        assert_eq!(
            answers
                .iter()
                .filter(|answer| was_committed(answer))
                .count(),
            1
        );
        assert_eq!(
            answers.iter().filter(|answer| was_conflict(answer)).count(),
            19
        );
        assert_eq!(filings(&store, JEN, at(0)).await.load.pending, round + 1);
    }
}

/// One of them cannot be, and with it those that rely on it.
pub async fn filings_that_arrive_together_may_each_rely_on_the_one_before(backend: impl Backend) {
    let store = backend.open().await;
    let filings_of = |round: u128, missing| {
        let number = move |place: u64| round * 100 + u128::from(place);
        (0..20u64)
            .filter(move |place| Some(*place) != missing)
            .map(move |place| {
                let mut change = guarded(
                    JEN,
                    number(place),
                    Version(u64::try_from(round).unwrap() * 20 + place),
                );
                let before = (
                    Key::Elevation(elevation_id(number(place - place.min(1)))),
                    Version(1),
                );
                change.expects.extend((place > 0).then_some(before));
                change
            })
    };
    let answers = join_all(filings_of(0, None).map(|change| store.commit(change))).await;
    assert!(answers.iter().all(was_committed), "{answers:?}");
    let read = filings(&store, JEN, at(0)).await;
    assert_eq!((read.guard, read.load.filings), (Version(20), 20));

    let answers = join_all(filings_of(1, Some(7)).map(|change| store.commit(change))).await;
    assert!(answers[..7].iter().all(was_committed), "{answers:?}");
    assert!(answers[7..].iter().all(was_conflict), "{answers:?}");
    let read = filings(&store, JEN, at(0)).await;
    assert_eq!((read.guard, read.load.filings), (Version(27), 27));
}

fn guarded(requester: &str, number: u128, guard: Version) -> Change {
    let id = account(requester).id;
    let mut change = History::by(requester, number, at(0), filing(number)).change();
    change.expects.push((Key::Guard(id), guard));
    change.puts.push(Record::Guard(id));
    change
}

async fn filings(store: &Arc<dyn Store>, requester: &str, now: Moment) -> FilingRead {
    let requester = account(requester).id;
    store
        .filing(FilingKey {
            requester,
            role: ROLE,
            now,
            live: false,
            load: true,
            client_request: None,
        })
        .await
        .unwrap()
}
