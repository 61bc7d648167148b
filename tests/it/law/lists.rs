//! Lists: filters, order, pages, and whose approvals are on them.

use std::sync::Arc;

use countersign::domain::account::{Group, Principal};
use countersign::domain::caller::Caller;
use countersign::domain::elevation::Elevation;
use countersign::domain::event::{Filed, Opened};
use countersign::domain::id::RoleId;
use countersign::domain::moment::Moment;
use countersign::domain::query::{Comparison, ElevationField, Operator, Order, Page, Query, Value};
use countersign::domain::role::Role;
use countersign::domain::status::Status;
use countersign::domain::version::Version;
use countersign::store::{Approver, Store};
use uuid::Uuid;

use super::Backend;
use super::history::{
    History, ROLE, account, activated_until, approval_id, approved_by, at, closed_by, committed,
    duration, elevation_id, filing, group, rejected_by, role, role_change, sams_role, ticks,
};
use super::oracle::{FIELDS, OPERATORS, listed, value};
use crate::kit::{EVE, GIL, JEN, KIM, SAM, START};

/// The whole list as of now, counted.
pub fn everything() -> Query<ElevationField> {
    Query {
        filter: vec![],
        order: vec![],
        offset: 0,
        limit: 1_000,
        count: true,
        after: None,
    }
}

pub fn caller(name: &str, groups: &[&str]) -> Caller {
    Caller::new(
        account(name),
        groups
            .iter()
            .map(|name| Group::named(name).unwrap())
            .collect(),
        false,
        String::new(),
    )
}

pub async fn list(
    store: &Arc<dyn Store>,
    caller: &Caller,
    query: Query<ElevationField>,
    now: Moment,
) -> Page<Elevation> {
    let principals = caller.principals().iter().collect();
    let approver = Approver {
        account: caller.account.id,
        principals,
    };
    let page = store.pending_approvals(approver, query, now).await.unwrap();
    Page {
        items: page
            .items
            .into_iter()
            .map(|elevation| elevation.value)
            .collect(),
        more: page.more,
        total: page.total,
        now: page.now,
    }
}

pub async fn null_is_less_than_every_value(backend: impl Backend) {
    let store = backend.open().await;
    file(&store, justified([None, Some("a"), Some("b"), Some("c")])).await;
    let text = |text: &str| Value::Text(text.to_owned());
    let table = [
        (Operator::Eq, Value::Null, &[None][..]),
        (
            Operator::Ne,
            Value::Null,
            &[Some("a"), Some("b"), Some("c")],
        ),
        (Operator::Eq, text("b"), &[Some("b")]),
        (Operator::Eq, text("B"), &[]),
        (Operator::Ne, text("b"), &[None, Some("a"), Some("c")]),
        (Operator::Gt, text(""), &[Some("a"), Some("b"), Some("c")]),
        (Operator::Gt, text("b"), &[Some("c")]),
        (Operator::Ge, text("b"), &[Some("b"), Some("c")]),
        (Operator::Lt, text("b"), &[None, Some("a")]),
        (Operator::Le, text("b"), &[None, Some("a"), Some("b")]),
    ];
    for (operator, value, expected) in table {
        let label = format!("{operator:?} {value:?}");
        let query = filtered(&[(ElevationField::Justification, operator, value)]);
        let page = list(&store, &caller(SAM, &[]), query, START).await;
        assert_eq!(justifications(&page), expected, "{label}");
        assert_eq!(page.total, Some(expected.len() as u64), "{label}");
    }
}

pub async fn a_status_is_that_of_the_moment_in_a_filter_and_in_an_order(backend: impl Backend) {
    let store = backend.open().await;
    let until = |number, seconds| {
        let approval = Some(Opened {
            id: approval_id(number),
            pending_expire_time: at(seconds),
        });
        History::of(
            number,
            START,
            Filed {
                approval,
                ..filing(number)
            },
        )
    };
    let closed = until(4, 900).then(at(1), [closed_by(JEN)]);
    let active = until(5, 900).then(at(1), [approved_by(SAM), activated_until(at(200))]);
    for history in [
        until(1, 100),
        until(2, 900),
        until(3, 900).then(at(1), [rejected_by(SAM)]),
        closed,
        active,
    ] {
        committed(&store, history.whole()).await;
    }
    let numbers = async |query, now| {
        let page = store.elevations(account(JEN).id, query, now).await.unwrap();
        let numbers = page
            .items
            .iter()
            .map(|elevation| elevation.value.id.0.as_u128());
        numbers.collect::<Vec<_>>()
    };
    for (seconds, status, expected) in [
        (99, Status::PendingApproval, &[1, 2][..]),
        (100, Status::PendingApproval, &[2]),
        (100, Status::Expired, &[1]),
        (199, Status::Active, &[5]),
        (200, Status::Active, &[]),
        (200, Status::Expired, &[1, 5]),
        (200, Status::Rejected, &[3]),
        (200, Status::Closed, &[4]),
        (200, Status::Scheduled, &[]),
    ] {
        let filter =
            |operator| filtered(&[(ElevationField::Status, operator, Value::Status(status))]);
        assert_eq!(
            numbers(filter(Operator::Eq), at(seconds)).await,
            expected,
            "{status:?} at {seconds}"
        );
        let others: Vec<u128> = (1..=5)
            .filter(|number| !expected.contains(number))
            .collect();
        assert_eq!(
            numbers(filter(Operator::Ne), at(seconds)).await,
            others,
            "not {status:?} at {seconds}"
        );
    }
    let ordered = |descending| {
        let order = vec![Order {
            field: ElevationField::Status,
            descending,
        }];
        Query {
            order,
            ..everything()
        }
    };
    // Active, Closed, Expired, PendingApproval, Rejected.
    assert_eq!(numbers(ordered(false), at(100)).await, [5, 4, 1, 2, 3]);
    assert_eq!(numbers(ordered(true), at(100)).await, [3, 2, 1, 4, 5]);
    assert_eq!(numbers(ordered(false), at(200)).await, [4, 1, 5, 2, 3]);
}

pub async fn moments_compare_by_the_millisecond(backend: impl Backend) {
    let store = backend.open().await;
    let starting = [-1, 0, 9_999, 10_000].map(|start| Filed {
        requested_start_time: ticks(start),
        ..filing(0)
    });
    file(&store, in_turn(starting)).await;
    let table = [
        (Operator::Eq, &[0, 9_999][..]),
        (Operator::Ne, &[-1, 10_000]),
        (Operator::Gt, &[10_000]),
        (Operator::Ge, &[0, 9_999, 10_000]),
        (Operator::Lt, &[-1]),
        (Operator::Le, &[-1, 0, 9_999]),
    ];
    for (operator, expected) in table {
        for within in [0, 5_000, 9_999] {
            let query = filtered(&[(
                ElevationField::RequestedStartTime,
                operator,
                Value::Moment(ticks(within)),
            )]);
            let page = list(&store, &caller(SAM, &[]), query, START).await;
            let found = page
                .items
                .iter()
                .map(|elevation| elevation.requested_start_time);
            let expected = expected.iter().map(|start| ticks(*start));
            assert!(
                found.eq(expected),
                "{operator:?} {within}: {:?}",
                page.items
            );
        }
    }
}

pub async fn every_comparison_selects_what_a_naive_one_does(backend: impl Backend) {
    let store = backend.open().await;
    let all = varied(&store).await;
    for field in FIELDS {
        let known = all.iter().map(|elevation| value(field, elevation));
        let values: Vec<Value> = known.chain([Value::Null]).collect();
        for operator in OPERATORS {
            for value in &values {
                let Ok(comparison) = Comparison::new(field, operator, value.clone()) else {
                    continue;
                };
                assert_as_naive(
                    &store,
                    &all,
                    Query {
                        filter: vec![comparison],
                        ..everything()
                    },
                )
                .await;
            }
        }
    }
}

pub async fn all_comparisons_of_a_filter_must_hold(backend: impl Backend) {
    let store = backend.open().await;
    let all = varied(&store).await;
    let comparisons = [
        (
            ElevationField::RequestedDuration,
            Operator::Gt,
            Value::Duration(duration(60)),
        ),
        (
            ElevationField::Justification,
            Operator::Ne,
            Value::Text("beta".to_owned()),
        ),
        (
            ElevationField::RequestedDuration,
            Operator::Lt,
            Value::Duration(duration(300)),
        ),
        (
            ElevationField::RequestedStartTime,
            Operator::Ge,
            Value::Moment(START),
        ),
    ];
    for (length, expected) in (0..=4).zip([7, 5, 4, 4, 3]) {
        let page = assert_as_naive(&store, &all, filtered(&comparisons[..length])).await;
        assert_eq!(page.items.len(), expected);
    }
}

pub async fn null_comes_first_and_in_a_descending_order_last(backend: impl Backend) {
    let store = backend.open().await;
    file(&store, justified([Some("b"), None, Some("a"), Some("B")])).await;
    let table = [
        (false, [None, Some("B"), Some("a"), Some("b")]),
        (true, [Some("b"), Some("a"), Some("B"), None]),
    ];
    for (descending, expected) in table {
        let order = vec![Order {
            field: ElevationField::Justification,
            descending,
        }];
        let page = list(
            &store,
            &caller(SAM, &[]),
            Query {
                order,
                ..everything()
            },
            START,
        )
        .await;
        assert_eq!(justifications(&page), expected);
    }
}

pub async fn what_the_order_leaves_open_is_ordered_by_filing_then_id(backend: impl Backend) {
    let store = backend.open().await;
    let filed = [(3, 2), (1, 2), (2, 1)]
        .map(|(number, time)| History::of(number, ticks(time), filing(number)));
    file(&store, filed).await;
    let oldest_first = [2, 1, 3].map(elevation_id);
    let keys = [true, false].map(|descending| {
        vec![Order {
            field: ElevationField::RoleId,
            descending,
        }]
    });
    for order in [vec![]].into_iter().chain(keys) {
        let page = list(
            &store,
            &caller(SAM, &[]),
            Query {
                order,
                ..everything()
            },
            START,
        )
        .await;
        assert!(
            page.items
                .iter()
                .map(|elevation| elevation.id)
                .eq(oldest_first)
        );
    }
}

pub async fn every_order_is_the_naive_one(backend: impl Backend) {
    let store = backend.open().await;
    let all = varied(&store).await;
    for first in FIELDS {
        for second in FIELDS {
            for descending in [false, true] {
                let one = Order {
                    field: first,
                    descending,
                };
                let other = Order {
                    field: second,
                    descending: !descending,
                };
                assert_as_naive(
                    &store,
                    &all,
                    Query {
                        order: vec![one, other],
                        ..everything()
                    },
                )
                .await;
            }
        }
    }
}

pub async fn the_total_counts_what_is_skipped_and_what_comes_after_the_page(backend: impl Backend) {
    let store = backend.open().await;
    let all = varied(&store).await;
    let query = Query {
        order: vec![Order {
            field: ElevationField::Justification,
            descending: true,
        }],
        ..everything()
    };
    let whole = assert_as_naive(&store, &all, query.clone()).await.items;
    for (limit, offset) in (1..=8).flat_map(|limit| (0..=8).map(move |offset| (limit, offset))) {
        let query = Query {
            offset,
            limit,
            ..query.clone()
        };
        let page = list(&store, &caller(SAM, &[]), query, START).await;
        let [offset, limit] = [offset, limit.into()].map(|number| usize::try_from(number).unwrap());
        let rest = whole.get(offset..).unwrap_or_default();
        assert_eq!(page.items, rest[..limit.min(rest.len())]);
        assert_eq!(page.more, limit < rest.len());
        assert_eq!(page.total, Some(7));
    }
    let uncounted = list(
        &store,
        &caller(SAM, &[]),
        Query {
            count: false,
            ..query
        },
        START,
    )
    .await;
    assert_eq!(uncounted.total, None);
}

pub async fn only_what_the_approver_may_still_decide_is_listed(backend: impl Backend) {
    let store = backend.open().await;
    let [others, gone] = [0xB, 0xC].map(|id| RoleId(Uuid::from_u128(id)));
    let kims_role = role(others, &[Principal::Account(account(KIM))]);
    committed(&store, role_change(&kims_role, Version::ABSENT)).await;
    let of = |number, requester, role| {
        History::by(
            requester,
            number,
            START,
            Filed {
                role,
                ..filing(number)
            },
        )
    };
    let approved = |by| [approved_by(by)];
    let all = [
        of(1, SAM, ROLE),
        of(2, JEN, others),
        of(3, JEN, gone),
        of(4, JEN, ROLE).then(START, approved(SAM)),
        of(5, JEN, ROLE).then(START, approved(KIM)),
        of(6, JEN, ROLE).then(START, [rejected_by(KIM)]),
        of(7, JEN, ROLE),
    ];
    file(&store, all).await;
    for (name, expected) in [(SAM, &[5, 7][..]), (KIM, &[2]), (JEN, &[])] {
        let page = list(&store, &caller(name, &[]), everything(), START).await;
        let expected = expected.iter().copied().map(elevation_id);
        assert!(
            page.items.iter().map(|elevation| elevation.id).eq(expected),
            "{name}: {:?}",
            page.items
        );
    }
}

pub async fn an_approver_is_named_by_account_or_by_group_as_the_role_stands_now(
    backend: impl Backend,
) {
    let store = backend.open().await;
    let named = |approvers: &[Principal]| role(ROLE, approvers);
    let before = named(&[
        Principal::Account(account(SAM)),
        group("SQL Owners"),
        group("Auditors"),
    ]);
    let after = named(&[group("Auditors")]);
    let unapproved = Role {
        stages: vec![],
        ..sams_role()
    };
    let table = [
        (SAM, &[][..], [1, 0, 0]),
        (KIM, &["sql owners"], [1, 0, 0]),
        (KIM, &["Auditors", "SQL Owners"], [1, 1, 0]),
        (KIM, &[], [0, 0, 0]),
        (GIL, &["SQL Users"], [0, 0, 0]),
        (JEN, &["SQL Owners", "Auditors"], [0, 0, 0]),
    ];
    committed(&store, History::filed(1).change()).await;
    for (moment, role) in [before, after, unapproved].iter().enumerate() {
        committed(&store, role_change(role, Version(moment as u64))).await;
        for (name, groups, expected) in table {
            let page = list(&store, &caller(name, groups), everything(), START).await;
            assert_eq!(
                page.items.len(),
                expected[moment],
                "{name} {groups:?} {moment}"
            );
        }
    }
}

/// Eight elevations of various contents, of which the last is sam's own.
pub async fn varied(store: &Arc<dyn Store>) -> Vec<Elevation> {
    let contents = [
        (JEN, None, 60, 0, "SQL File Access"),
        (GIL, Some("beta"), 300, 1, "SQL File Access"),
        (JEN, Some("alpha"), 61, 9_999, "Backup"),
        (EVE, Some("Beta"), 60, -1, "backup"),
        (GIL, Some("\u{E4}"), 299, 10_000, "\u{1F511}"),
        (EVE, Some("\u{10000}"), 61, -10_001, "\u{FFFD}"),
        (JEN, None, 120, 20_000, "Backup"),
        (SAM, Some("alpha"), 60, 0, "Backup"),
    ];
    let histories =
        (1..)
            .zip(contents)
            .map(|(number, (name, justification, seconds, start, role))| {
                let filed = Filed {
                    justification: justification.map(str::to_owned),
                    requested_duration: duration(seconds),
                    requested_start_time: ticks(start),
                    role_display_name: role.to_owned(),
                    approval: Some(Opened {
                        id: approval_id(9 - number),
                        pending_expire_time: ticks(30_000 - start),
                    }),
                    ..filing(number)
                };
                History::by(name, number ^ 1, ticks(-start / 2), filed)
            });
    file(store, histories).await
}

pub fn justified<const N: usize>(texts: [Option<&str>; N]) -> Vec<History> {
    in_turn(texts.map(|text| Filed {
        justification: text.map(str::to_owned),
        ..filing(0)
    }))
}

/// Files each a tick after the one before.
fn in_turn<const N: usize>(filings: [Filed; N]) -> Vec<History> {
    let file = |(number, filed): (u32, Filed)| {
        let (number, time) = (u128::from(number), ticks(number.into()));
        History::of(
            number,
            time,
            Filed {
                approval: filing(number).approval,
                ..filed
            },
        )
    };
    (1..).zip(filings).map(file).collect()
}

/// Commits sam's role and the histories; answers the elevations.
pub async fn file(
    store: &Arc<dyn Store>,
    histories: impl IntoIterator<Item = History>,
) -> Vec<Elevation> {
    committed(store, role_change(&sams_role(), Version::ABSENT)).await;
    let mut elevations = Vec::new();
    for history in histories {
        committed(store, history.whole()).await;
        elevations.push(history.elevation);
    }
    elevations
}

pub fn filtered(comparisons: &[(ElevationField, Operator, Value)]) -> Query<ElevationField> {
    let comparison = |(field, operator, value): &(ElevationField, Operator, Value)| {
        Comparison::new(*field, *operator, value.clone()).unwrap()
    };
    Query {
        filter: comparisons.iter().map(comparison).collect(),
        ..everything()
    }
}

fn justifications(page: &Page<Elevation>) -> Vec<Option<&str>> {
    page.items
        .iter()
        .map(|elevation| elevation.justification.as_deref())
        .collect()
}

/// Compares what sam is listed with the oracle.
async fn assert_as_naive(
    store: &Arc<dyn Store>,
    all: &[Elevation],
    query: Query<ElevationField>,
) -> Page<Elevation> {
    let sam = caller(SAM, &[]);
    let expected = listed(all, &[sams_role()], &sam, &query, START);
    let page = list(store, &sam, query.clone(), START).await;
    assert_eq!(page.items, expected, "{query:?}");
    assert_eq!(page.total, Some(expected.len() as u64), "{query:?}");
    assert!(!page.more);
    page
}
