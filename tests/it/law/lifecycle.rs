//! What time, stages, rules and names of requests leave in the store.

use std::sync::Arc;

use countersign::domain::account::Principal;
use countersign::domain::event::{ClientRequest, Filed, Opened};
use countersign::domain::id::RoleId;
use countersign::domain::moment::Moment;
use countersign::domain::query::Query;
use countersign::domain::reason::{Pattern, ReasonRule};
use countersign::domain::role::{Role, Rules};
use countersign::domain::stages::Stage;
use countersign::domain::version::{Version, Versioned};
use countersign::domain::window::Window;
use countersign::store::{Change, Commit, FilingKey, FilingRead, Key, Store};
use uuid::Uuid;

use super::Backend;
use super::history::{
    History, ROLE, account, activated_until, approval_id, approved_by, at, closed_by, committed,
    duration, elevation_id, expired, filing, group, moved_by, read, record, rejected_by, role,
    role_change, sams_role, scheduled_by,
};
use super::lists::{caller, everything, list};
use crate::kit::{ANN, EVE, GIL, JEN, KIM, SAM, START};

pub async fn what_is_due_is_read_in_the_order_of_its_moments(backend: impl Backend) {
    let store = backend.open().await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    let roleless = RoleId(Uuid::from_u128(0xB));
    let scheduled = Filed {
        approval: None,
        requested_start_time: at(200),
        role: roleless,
        ..filing(3)
    };
    let overdue = waiting(2, 100);
    let ended = [
        waiting(5, 10).then(at(1), [closed_by(JEN)]),
        waiting(6, 10).then(at(1), [rejected_by(SAM)]),
        waiting(7, 10).then(at(10), [expired()]),
    ];
    let active = waiting(4, 10).then(at(1), [approved_by(SAM), activated_until(at(100))]);
    let waits = waiting(8, 10).then(at(1), [approved_by(SAM), scheduled_by(SAM)]);
    let others = [
        waiting(1, 300),
        overdue.clone(),
        History::of(3, START, scheduled),
        active,
        waits,
    ];
    for history in others.iter().chain(&ended) {
        committed(&store, history.whole()).await;
    }
    // An elevation that starts now and was never activated is due from its start.
    let table = [
        (-1, 10, &[][..], Some(0)),
        (0, 10, &[8][..], Some(100)),
        (99, 10, &[8], Some(100)),
        (100, 10, &[8, 2, 4], Some(200)),
        (250, 10, &[8, 2, 4, 3], Some(300)),
        (250, 2, &[8, 2], Some(300)),
        (300, 10, &[8, 2, 4, 3, 1], None),
        (300, 0, &[], None),
    ];
    for (now, limit, numbers, next) in table {
        let due = store.due(at(now), limit).await.unwrap();
        let ids: Vec<_> = due
            .elevations
            .iter()
            .map(|read| read.elevation.value.id.0.as_u128())
            .collect();
        assert_eq!((&*ids, due.next), (numbers, next.map(at)), "{now} {limit}");
        for read in due.elevations {
            let known = others
                .iter()
                .find(|known| known.elevation.id == read.elevation.value.id)
                .unwrap();
            assert_eq!(read.elevation.value, known.elevation);
            let role = (known.elevation.role == ROLE).then(sams_role);
            assert_eq!(read.role.map(|role| role.value.clone()), role);
        }
    }
    committed(&store, overdue.then(at(100), [expired()]).change()).await;
    let due = store.due(at(100), 10).await.unwrap();
    assert!(
        due.elevations
            .iter()
            .all(|read| read.elevation.value.id != overdue.elevation.id)
    );
}

pub async fn the_events_of_an_elevation_are_its_own_in_order(backend: impl Backend) {
    let store = backend.open().await;
    assert!(store.last_event().await.unwrap().is_none());
    let [one, other] = [1, 2].map(History::filed);
    let half = one.then(at(60), [approved_by(SAM)]);
    let whole = half.then(at(61), [approved_by(KIM), activated_until(at(3_661))]);
    let over = whole.then(at(3_661), [expired()]);
    let changes = [
        role_change(&sams_role(), Version::ABSENT),
        one.change(),
        other.change(),
        half.change(),
        other.then(at(60), [rejected_by(SAM)]).change(),
        whole.change(),
        over.change(),
    ];
    for change in changes {
        let sequence = committed(&store, change).await;
        assert_eq!(
            store.last_event().await.unwrap().unwrap().sequence,
            sequence
        );
    }
    let events = store.events_of(over.elevation.id).await.unwrap();
    let sequences: Vec<_> = events.iter().map(|envelope| envelope.sequence).collect();
    assert_eq!(sequences, [2, 4, 6, 7, 8]);
    let record = record(&store).await;
    assert!(events.iter().all(|envelope| record.contains(envelope)));
    let told: Vec<_> = events
        .iter()
        .map(|envelope| envelope.event().unwrap())
        .collect();
    assert_eq!(told, over.events);
    assert_eq!(store.last_event().await.unwrap(), record.last().cloned());
    assert!(store.events_of(elevation_id(9)).await.unwrap().is_empty());
}

pub async fn the_last_filing_under_a_name_is_found_by_who_gave_it(backend: impl Backend) {
    let store = backend.open().await;
    let named = |requester, number, seconds, name, fingerprint| {
        let client_request = Some(ClientRequest {
            id: Uuid::from_u128(name),
            fingerprint: Uuid::from_u128(fingerprint),
        });
        History::by(
            requester,
            number,
            at(seconds),
            Filed {
                client_request,
                ..filing(number)
            },
        )
    };
    let again = named(JEN, 2, 10, 77, 2).then(at(11), [closed_by(JEN)]);
    let histories = [
        named(JEN, 1, 0, 77, 1),
        again.clone(),
        named(JEN, 3, 5, 77, 3),
        named(JEN, 4, 20, 88, 4),
        named(GIL, 5, 30, 77, 5),
        History::of(6, at(40), filing(6)),
    ];
    for history in &histories {
        committed(&store, history.whole()).await;
    }
    let table = [
        (JEN, Some(77), Some(1)),
        (JEN, Some(88), Some(3)),
        (GIL, Some(77), Some(4)),
        (GIL, Some(88), None),
        (JEN, None, None),
    ];
    for (requester, name, found) in table {
        let before = filing_of(&store, requester, name).await.filed_before;
        let expected = found.map(|index: usize| &histories[index].elevation);
        assert_eq!(
            before.map(|before| before.value).as_ref(),
            expected,
            "{requester} {name:?}"
        );
    }
    drop(store);
    let store = backend.open().await;
    let before = filing_of(&store, JEN, Some(77)).await.filed_before;
    assert_eq!(
        before,
        Some(Versioned {
            version: Version(1),
            value: again.elevation
        })
    );
}

pub async fn the_stage_and_the_name_of_a_request_are_kept(backend: impl Backend) {
    let store = backend.open().await;
    let client_request = Some(ClientRequest {
        id: Uuid::from_u128(77),
        fingerprint: Uuid::from_u128(7),
    });
    let filed = History::of(
        1,
        START,
        Filed {
            client_request,
            ..filing(1)
        },
    );
    let moved = filed.then(at(60), [moved_by(SAM, 0, 2)]);
    let again = moved.then(at(61), [moved_by(KIM, 2, 3)]);
    for history in [&filed, &moved] {
        committed(&store, history.change()).await;
    }
    committed(&store, again.change()).await;
    assert_eq!(again.elevation.approval.as_ref().unwrap().stage, 3);
    drop(store);
    let store = backend.open().await;
    assert_eq!(
        read(&store, &again).await.unwrap().elevation.value,
        again.elevation
    );
    let page = store
        .elevations(account(JEN).id, everything(), at(62))
        .await
        .unwrap();
    assert_eq!(page.items[0].value, again.elevation);
}

pub async fn what_a_role_asks_for_is_kept(backend: impl Backend) {
    let store = backend.open().await;
    let strict = strict();
    let lax = Role {
        stages: vec![],
        rules: Rules::default(),
        ..strict.clone()
    };
    for (version, role) in [(0, &strict), (1, &lax), (2, &strict)] {
        committed(&store, role_change(role, Version(version))).await;
        let stored = Versioned {
            version: Version(version + 1),
            value: role.clone(),
        };
        assert_eq!(store.role(ROLE).await.unwrap(), Some(stored.clone()));
        assert_eq!(
            store.role_use(ROLE, START).await.unwrap().role,
            Some(stored.clone())
        );
        assert_eq!(
            filing_of(&store, JEN, None).await.role,
            Some(stored.clone())
        );
        let query = Query {
            filter: vec![],
            order: vec![],
            after: None,
            offset: 0,
            limit: 9,
            count: true,
        };
        assert_eq!(
            store.roles(None, query, START).await.unwrap().items,
            std::slice::from_ref(&stored)
        );
    }
    committed(&store, History::filed(1).change()).await;
    drop(store);
    let read = read(&backend.open().await, &History::filed(1))
        .await
        .unwrap();
    assert_eq!(read.role.unwrap().value, strict);
}

pub async fn an_approval_is_listed_for_the_approvers_of_the_stage_that_is_open(
    backend: impl Backend,
) {
    let store = backend.open().await;
    let stage = |approvers: &[Principal]| Stage {
        approvers: approvers.to_vec(),
        required_approvals: 1,
    };
    let [sam, eve] = [SAM, EVE].map(|name| Principal::Account(account(name)));
    let stages = vec![
        stage(&[sam, eve.clone()]),
        stage(&[group("SQL Owners"), eve]),
    ];
    committed(
        &store,
        role_change(
            &Role {
                stages,
                ..sams_role()
            },
            Version::ABSENT,
        ),
    )
    .await;
    let filed = [1, 2].map(History::filed);
    for history in &filed {
        committed(&store, history.change()).await;
    }
    committed(&store, filed[0].then(at(2), [moved_by(ANN, 0, 1)]).change()).await;
    let people = [
        caller(SAM, &[]),
        caller(KIM, &["SQL Owners"]),
        caller(EVE, &[]),
        caller(KIM, &[]),
    ];
    for (person, expected) in people.iter().zip([&[2][..], &[1], &[1, 2], &[]]) {
        let page = list(&store, person, everything(), at(3)).await;
        let numbers: Vec<_> = page
            .items
            .iter()
            .map(|elevation| elevation.id.0.as_u128())
            .collect();
        assert_eq!(numbers, expected, "{}", person.account.name);
        assert_eq!(page.total, Some(expected.len() as u64));
    }
}

/// An elevation that expired is no longer live after its end is recorded; before that it only does
/// not count.
pub async fn what_is_written_to_have_ended_is_not_live(backend: impl Backend) {
    let store = backend.open().await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    let active = waiting(1, 10).then(at(1), [approved_by(SAM), activated_until(at(100))]);
    let pending = waiting(2, 50);
    committed(&store, active.whole()).await;
    committed(&store, pending.change()).await;
    assert_live(&store, 49, &[1, 2], 5).await;
    assert_live(&store, 50, &[1], 5).await;
    committed(&store, pending.then(at(50), [expired()]).change()).await;
    assert_live(&store, 50, &[1], 4).await;
    assert_live(&store, 100, &[], 4).await;
    for (version, written) in [
        (5, Commit::Conflict),
        (4, Commit::Committed { sequence: 7 }),
    ] {
        let change = active.then(at(100), [expired()]).change();
        let live = vec![
            (Key::Live(ROLE, None), Version(version)),
            (Key::Live(ROLE, Some(account(JEN).id)), Version(version)),
        ];
        // The last step was written as one with those before it.
        let expects = [vec![(active.key(), Version(1))], live].concat();
        assert_eq!(
            store.commit(Change { expects, ..change }).await.unwrap(),
            written
        );
    }
    assert_live(&store, 100, &[], 0).await;
}

async fn assert_live(store: &Arc<dyn Store>, now: i64, numbers: &[u128], version: u64) {
    let filing = filing_at(store, at(now), JEN, None, true).await;
    let mut live: Vec<_> = filing
        .live
        .iter()
        .map(|live| live.value.id.0.as_u128())
        .collect();
    live.sort_unstable();
    assert_eq!(
        (&*live, filing.live_version),
        (numbers, Version(version)),
        "{now}"
    );
    let role = store.role_use(ROLE, at(now)).await.unwrap();
    assert_eq!(
        (role.in_use, role.live),
        (!numbers.is_empty(), Version(version)),
        "{now}"
    );
}

/// An elevation of jen's that stays undecided until some seconds have passed.
pub fn waiting(number: u128, until: i64) -> History {
    let approval = Some(Opened {
        id: approval_id(number),
        pending_expire_time: at(until),
    });
    History::of(
        number,
        START,
        Filed {
            approval,
            ..filing(number)
        },
    )
}

/// [`ROLE`] with everything that a role can ask for.
fn strict() -> Role {
    let pattern = Pattern::new("^(INC|CHG)[0-9]{4} \"'\\\\\u{E4}").unwrap();
    let one = role(
        ROLE,
        &[Principal::Account(account(SAM)), group("SQL Owners")],
    );
    let other = Stage {
        approvers: vec![Principal::Account(account(EVE))],
        required_approvals: 1,
    };
    Role {
        stages: [one.stages.clone(), vec![other]].concat(),
        rules: Rules {
            auto_approve_owners: true,
            pending_timeout: Some(duration(90)),
            window: Window::read("08:05", "24:00").unwrap(),
            justification: ReasonRule {
                required: true,
                min_length: 12,
                pattern: Some(pattern),
            },
            decision_reason: ReasonRule {
                required: false,
                min_length: 3,
                pattern: None,
            },
        },
        ..one
    }
}

async fn filing_of(store: &Arc<dyn Store>, requester: &str, name: Option<u128>) -> FilingRead {
    filing_at(store, at(60), requester, name, false).await
}

async fn filing_at(
    store: &Arc<dyn Store>,
    now: Moment,
    requester: &str,
    name: Option<u128>,
    live: bool,
) -> FilingRead {
    let requester = account(requester).id;
    let client_request = name.map(Uuid::from_u128);
    store
        .filing(FilingKey {
            requester,
            role: ROLE,
            now,
            live,
            load: false,
            client_request,
        })
        .await
        .unwrap()
}
