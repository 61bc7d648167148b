//! Pages: each shows the present and continues after the last row of the page before.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign::domain::elevation::Elevation;
use countersign::domain::event::{Event, Fact, Filed, Opened, Subject};
use countersign::domain::id::RoleId;
use countersign::domain::moment::Moment;
use countersign::domain::query::{
    ElevationField, Field, Operator, Order, Page, Position, Query, RoleField, Value,
};
use countersign::domain::role::{Role, Rules};
use countersign::domain::status::Status;
use countersign::domain::version::{Version, Versioned};
use countersign::domain::window::Window;
use countersign::store::{Change, Key, Record, Store};
use uuid::Uuid;

use super::Backend;
use super::history::{
    History, account, activated_until, approval_id, approved_by, at, closed_by, committed,
    duration, filing, rejected_by, role_change, sams_role, ticks,
};
use super::lists::{caller, everything, file, filtered, list, varied};
use super::oracle::{FIELDS, listed};
use crate::kit::{JEN, KIM, SAM, START};

pub async fn pages_in_any_order_put_together_are_the_list(backend: impl Backend) {
    let store = backend.open().await;
    let all = varied(&store).await;
    let sam = caller(SAM, &[]);
    for field in FIELDS {
        for (descending, other) in [
            (false, ElevationField::Justification),
            (true, ElevationField::RequesterId),
            (true, ElevationField::Justification),
        ] {
            let query = Query {
                order: vec![ordered(field, descending), ordered(other, !descending)],
                ..everything()
            };
            let whole = listed(&all, &[sams_role()], &sam, &query, START);
            for limit in [1, 3] {
                let mut pages = Pages::of(&query, limit);
                let mut shown = Vec::new();
                while let Some(query) = pages.next.take() {
                    let page = list(&store, &sam, query, START).await;
                    assert_eq!(page.total, Some(7), "a position does not change the total");
                    pages.go_on(&page);
                    shown.extend(page.items);
                }
                assert_eq!(shown, whole, "{field:?} {descending} {limit}");
            }
        }
    }
}

pub async fn pages_of_roles_in_any_order_put_together_are_the_list(backend: impl Backend) {
    let store = backend.open().await;
    let window = Window::read("08:00", "17:00").unwrap();
    for (number, (name, stages, hours, window)) in (1..).zip([
        ("b", sams_role().stages, 1, None),
        ("a", vec![], 2, window),
        ("a", sams_role().stages, 1, window),
        ("\u{E4}", vec![], 3, None),
    ]) {
        let role = Role {
            id: role_id(number),
            display_name: name.to_owned(),
            description: format!("{}", number % 3),
            max_duration: duration(hours * 3_600),
            stages,
            rules: Rules {
                window,
                ..Rules::default()
            },
            ..sams_role()
        };
        committed(&store, role_change(&role, Version::ABSENT)).await;
    }
    for field in [
        RoleField::ApprovalRequired,
        RoleField::AvailableFrom,
        RoleField::AvailableTo,
        RoleField::Description,
        RoleField::DisplayName,
        RoleField::Id,
        RoleField::MaxDuration,
    ] {
        for descending in [false, true] {
            let query = Query {
                order: vec![ordered(field, descending)],
                ..all_roles()
            };
            let whole = store.roles(None, query.clone(), START).await.unwrap().items;
            assert_eq!(whole.len(), 4);
            for limit in [1, 3] {
                let mut pages = Pages::of(&query, limit);
                let mut shown = Vec::new();
                while let Some(query) = pages.next.take() {
                    let page = store.roles(None, query, START).await.unwrap();
                    pages.go_on(&values(page.clone()));
                    shown.extend(page.items);
                }
                assert_eq!(shown, whole, "{field:?} {descending} {limit}");
            }
        }
    }
}

/// After every page, elevations are filed on both sides of the position and equal to its row, and one that was shown and
/// one that was not are decided. No key of an elevation that was there at the start changes.
pub async fn a_row_that_stays_is_on_one_page_whatever_happens_to_others(backend: impl Backend) {
    let store = backend.open().await;
    let texts = [None, Some("b"), Some("b"), None, Some("a"), Some("c")];
    let histories: Vec<History> = (0..24)
        .map(|number: u8| {
            let text = texts[usize::from(number) % texts.len()];
            reasoned(number.into(), (number / 8).into(), text)
        })
        .collect();
    let stay = file(&store, histories.clone()).await;
    let orders = [
        vec![],
        vec![ordered(ElevationField::CreateTime, true)],
        vec![ordered(ElevationField::Justification, false)],
        vec![ordered(ElevationField::Justification, true)],
        vec![
            ordered(ElevationField::RoleId, true),
            ordered(ElevationField::Justification, true),
            ordered(ElevationField::ElevationId, true),
        ],
    ];
    let mut undecided = histories.iter();
    let mut number = 1_000;
    for order in orders {
        let query = Query {
            order,
            ..everything()
        };
        let mut pages = Pages::of(&query, 5);
        let mut shown: BTreeMap<u128, usize> = BTreeMap::new();
        while let Some(query) = pages.next.take() {
            let page = own(&store, query, at(60)).await;
            pages.go_on(&page);
            for elevation in &page.items {
                *shown.entry(elevation.id.0.as_u128()).or_default() += 1;
            }
            let last = page.items.last().unwrap();
            for (time, text) in [
                (-1, None),
                (last.create_time.ticks() - START.ticks(), Some("b")),
                (
                    last.create_time.ticks() - START.ticks(),
                    last.justification.as_deref(),
                ),
            ] {
                number += 1;
                // An id from the middle of all ids, so that a tie is broken in either direction.
                let id = if number % 2 == 0 {
                    number
                } else {
                    u128::MAX - number
                };
                committed(&store, reasoned(id, time, text).change()).await;
            }
            if let Some(history) = undecided.next() {
                committed(&store, history.then(at(30), [rejected_by(KIM)]).change()).await;
            }
            assert!(shown.len() < 500, "the list does not end");
        }
        for elevation in &stay {
            let times = shown.get(&elevation.id.0.as_u128()).copied();
            assert_eq!(times, Some(1), "{:?} {elevation:?}", query.order);
        }
    }
}

/// Closing an elevation moves it in an order by its status, and an approval in one by its activation.
pub async fn a_row_that_stays_is_on_one_page_while_others_move_in_the_order(backend: impl Backend) {
    let store = backend.open().await;
    let histories: Vec<History> = (1..=20).map(History::filed).collect();
    file(&store, histories.clone()).await;
    let (moving, staying) = histories.split_at(6);
    let moves = moving.iter().enumerate().map(|(number, history)| {
        let active = [approved_by(SAM), activated_until(at(900))];
        if number % 2 == 0 {
            history.then(at(1), [closed_by(JEN)])
        } else {
            history.then(at(1), active)
        }
    });
    let mut moves = moves.collect::<Vec<_>>().into_iter();
    for (field, descending) in [
        (ElevationField::Status, false),
        (ElevationField::ActivateTime, true),
        (ElevationField::ExpireTime, false),
    ] {
        let query = Query {
            order: vec![ordered(field, descending)],
            ..everything()
        };
        let mut pages = Pages::of(&query, 6);
        let mut shown = Vec::new();
        while let Some(query) = pages.next.take() {
            let page = own(&store, query, at(60)).await;
            pages.go_on(&page);
            shown.extend(page.items.iter().map(|elevation| elevation.id));
            if let Some(moved) = moves.next() {
                committed(&store, moved.change()).await;
            }
        }
        shown.retain(|id| staying.iter().any(|history| history.elevation.id == *id));
        assert!(
            shown
                .iter()
                .eq(staying.iter().map(|history| &history.elevation.id)),
            "{field:?}: {shown:?}"
        );
    }
}

pub async fn a_role_that_stays_is_on_one_page_though_the_last_row_of_a_page_is_deleted(
    backend: impl Backend,
) {
    let store = backend.open().await;
    let named = |number: u128, name: &str| Role {
        id: role_id(number),
        display_name: name.to_owned(),
        ..sams_role()
    };
    for number in 1..=9 {
        let role = named(number, &format!("{}", number / 3));
        committed(&store, role_change(&role, Version::ABSENT)).await;
    }
    let query = all_roles();
    let mut pages = Pages::of(&query, 2);
    let mut shown = Vec::new();
    let mut deleted = Vec::new();
    while let Some(query) = pages.next.take() {
        let page = values(store.roles(None, query, START).await.unwrap());
        pages.go_on(&page);
        shown.extend(page.items.iter().map(|role| role.id));
        let last = page.items.last().unwrap();
        deleted.push(last.id);
        committed(&store, deletion(last.id)).await;
        let earlier = named(100 + shown.len() as u128, "");
        committed(&store, role_change(&earlier, Version::ABSENT)).await;
    }
    assert!(shown.iter().copied().eq((1..=9).map(role_id)), "{shown:?}");
    assert_eq!(deleted.len(), 5);
    let left = store.roles(None, all_roles(), START).await.unwrap();
    assert_eq!(left.total, Some(9 - 5 + 5));
}

pub async fn later_pages_show_the_present(backend: impl Backend) {
    let store = backend.open().await;
    let filed = [1, 2, 3, 4, 5, 6].map(|number| {
        let ends = at(if number == 5 { 200 } else { 9_000 });
        let approval = Some(Opened {
            id: approval_id(number),
            pending_expire_time: ends,
        });
        History::of(
            number,
            at(60),
            Filed {
                approval,
                ..filing(number)
            },
        )
    });
    file(&store, filed.clone()).await;
    let sam = caller(SAM, &[]);
    let mut pages = Pages::of(&everything(), 2);
    let first = list(&store, &sam, pages.next.take().unwrap(), at(100)).await;
    pages.go_on(&first);
    assert_eq!((numbers(&first), first.total), (vec![1, 2], Some(6)));

    for number in [2, 3] {
        let rejected = filed[number - 1].then(at(101), [rejected_by(KIM)]);
        committed(&store, rejected.change()).await;
    }
    let half = filed[3].then(at(101), [approved_by(KIM)]);
    committed(&store, half.change()).await;
    committed(&store, History::of(7, at(102), filing(7)).change()).await;
    committed(&store, History::of(8, at(59), filing(8)).change()).await;
    let second = list(&store, &sam, pages.next.take().unwrap(), at(300)).await;
    pages.go_on(&second);
    assert_eq!((numbers(&second), second.total), (vec![4, 6], Some(5)));
    assert_eq!((&second.items[0], second.now), (&half.elevation, at(300)));
    let third = list(&store, &sam, pages.next.take().unwrap(), at(300)).await;
    assert_eq!((numbers(&third), third.more), (vec![7], false));
}

pub async fn a_status_in_the_order_is_that_of_each_page(backend: impl Backend) {
    let store = backend.open().await;
    let ends_at = |number, seconds| {
        let active = [approved_by(SAM), activated_until(at(seconds))];
        History::filed(number).then(at(1), active)
    };
    file(
        &store,
        [
            ends_at(1, 900),
            ends_at(2, 900),
            ends_at(3, 100),
            ends_at(4, 900),
        ],
    )
    .await;
    let by_status = |comparisons: &[_]| Query {
        order: vec![ordered(ElevationField::Status, false)],
        ..filtered(comparisons)
    };
    let active = (
        ElevationField::Status,
        Operator::Eq,
        Value::Status(Status::Active),
    );
    for (comparisons, expected) in [(vec![], vec![4, 3]), (vec![active], vec![4])] {
        let query = by_status(&comparisons);
        let mut pages = Pages::of(&query, 2);
        let first = own(&store, pages.next.take().unwrap(), at(99)).await;
        pages.go_on(&first);
        assert_eq!(numbers(&first), [1, 2]);
        // By now the third one has expired, which comes after the active ones.
        let second = own(&store, pages.next.take().unwrap(), at(100)).await;
        assert_eq!(numbers(&second), expected);
        assert!(!second.more);
    }
}

/// A list that is read page by page.
struct Pages<F> {
    /// The query of the next page; `None` after the last one.
    next: Option<Query<F>>,
    query: Query<F>,
    /// Where the last page ended.
    position: Option<Position>,
}

impl<F: Field> Pages<F> {
    fn of(query: &Query<F>, limit: u32) -> Self {
        let query = Query {
            limit,
            ..query.clone()
        };
        Self {
            next: Some(query.clone()),
            query,
            position: None,
        }
    }

    fn go_on(&mut self, page: &Page<F::Row>) {
        let Some(last) = page.items.last().filter(|_| page.more) else {
            self.next = None;
            return;
        };
        let position = Some(Position::of(last, &self.query.order, page.now));
        assert_ne!(position, self.position, "a page that does not go on");
        self.position.clone_from(&position);
        self.next = Some(Query {
            after: position,
            ..self.query.clone()
        });
    }
}

async fn own(store: &Arc<dyn Store>, query: Query<ElevationField>, now: Moment) -> Page<Elevation> {
    let page = store.elevations(account(JEN).id, query, now).await;
    values(page.unwrap())
}

fn values<T>(page: Page<Versioned<T>>) -> Page<T> {
    Page {
        items: page.items.into_iter().map(|item| item.value).collect(),
        more: page.more,
        total: page.total,
        now: page.now,
    }
}

fn numbers(page: &Page<Elevation>) -> Vec<u128> {
    page.items
        .iter()
        .map(|elevation| elevation.id.0.as_u128())
        .collect()
}

fn ordered<F>(field: F, descending: bool) -> Order<F> {
    Order { field, descending }
}

/// An elevation of jen's, filed that many ticks after the start.
fn reasoned(number: u128, time: i64, justification: Option<&str>) -> History {
    let filed = Filed {
        justification: justification.map(str::to_owned),
        ..filing(number)
    };
    History::of(number, ticks(time), filed)
}

fn all_roles() -> Query<RoleField> {
    Query {
        filter: vec![],
        order: vec![],
        after: None,
        offset: 0,
        limit: 100,
        count: true,
    }
}

fn role_id(number: u128) -> RoleId {
    RoleId(Uuid::from_u128(number))
}

/// Deletes a role at its first version.
fn deletion(id: RoleId) -> Change {
    Change {
        expects: vec![(Key::Role(id), Version(1))],
        puts: vec![Record::RoleDeleted(id)],
        events: vec![Event {
            time: START,
            subject: Subject::Role(id),
            by: None,
            fact: Fact::RoleDeleted,
        }],
        deadline: None,
    }
}
