//! The one rule of expiry, in Rust and in the language of the backend.

use countersign::domain::census::Census;
use countersign::domain::elevation::Elevation;
use countersign::domain::event::{Filed, Opened};
use countersign::domain::id::RoleId;
use countersign::domain::moment::Moment;
use countersign::domain::status::Status;
use countersign::domain::version::Version;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use uuid::Uuid;

use super::Backend;
use super::history::{
    History, ROLE, activated_until, approval_id, approved_by, filing, group, rejected_by, role,
    role_change, ticks, together, was_committed,
};
use super::lists::{caller, everything, list};
use super::oracle::listed;
use crate::kit::{JEN, KIM, SAM};

/// Holds `Elevation::status` and the predicate of the backend together.
pub async fn pending_in_a_list_is_pending_by_the_rule<B: Backend>(_: B) {
    let kim = caller(KIM, &["SQL Owners"]);
    let roles = [
        role(ROLE, &[group("SQL Owners")]),
        role(OTHER_ROLE, &[group("Auditors")]),
    ];
    let cases = (prop::collection::vec(drawn(), 1..16), MOMENTS);
    let config = Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&cases, |(drawn, now)| {
        let histories: Vec<History> = (1..)
            .zip(drawn)
            .map(|(number, drawn)| drawn.history(number))
            .collect();
        let all: Vec<Elevation> = histories
            .iter()
            .map(|history| history.elevation.clone())
            .collect();
        let (page, census) = block_in_place(|| {
            Handle::current().block_on(async {
                let backend = B::empty().await;
                let store = backend.open().await;
                let roles = roles.iter().map(|role| role_change(role, Version::ABSENT));
                let answers =
                    together(&store, histories.iter().map(History::whole).chain(roles)).await;
                assert!(answers.iter().all(was_committed));
                let census = store.census(ticks(now)).await.unwrap();
                (list(&store, &kim, everything(), ticks(now)).await, census)
            })
        });
        prop_assert_eq!(
            page.items,
            listed(&all, &roles, &kim, &everything(), ticks(now))
        );
        prop_assert_eq!(census, counted(&all, ticks(now)));
        Ok(())
    });
    outcome.unwrap();
}

/// The naive census.
fn counted(all: &[Elevation], now: Moment) -> Census {
    let with = |status| {
        all.iter()
            .filter(move |elevation| elevation.status_at(now) == status)
    };
    Census {
        at: now,
        pending: with(Status::PendingApproval).count() as u64,
        oldest_pending: with(Status::PendingApproval)
            .map(|elevation| elevation.create_time)
            .min(),
        active: with(Status::Active).count() as u64,
        overdue: all
            .iter()
            .filter_map(Elevation::due)
            .filter(|due| *due <= now)
            .min(),
    }
}

/// What chance decides about an elevation. Its deadlines are a few ticks around the moment of the list.
#[derive(Clone, Debug)]
struct Drawn {
    fate: Fate,
    requester: &'static str,
    role: RoleId,
    pending_expire_time: i64,
    expire_time: i64,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Activated,
    ActivatedAtOnce,
    Approved(&'static str),
    Pending,
    Rejected,
    Scheduled,
}

impl Drawn {
    fn history(&self, number: u128) -> History {
        let opened = Opened {
            id: approval_id(number),
            pending_expire_time: ticks(self.pending_expire_time),
        };
        let approval = match self.fate {
            Fate::ActivatedAtOnce | Fate::Scheduled => None,
            _ => Some(opened),
        };
        let filed = Filed {
            approval,
            role: self.role,
            ..filing(number)
        };
        let filed = History::by(self.requester, number, ticks(-9), filed);
        let activated = activated_until(ticks(self.expire_time));
        match self.fate {
            Fate::Activated => filed.then(ticks(-8), [approved_by(SAM), activated]),
            Fate::ActivatedAtOnce => filed.then(ticks(-8), [activated]),
            Fate::Approved(by) => filed.then(ticks(-8), [approved_by(by)]),
            Fate::Pending | Fate::Scheduled => filed,
            Fate::Rejected => filed.then(ticks(-8), [rejected_by(SAM)]),
        }
    }
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let fate = prop_oneof![
        1 => Just(Fate::Activated),
        1 => Just(Fate::ActivatedAtOnce),
        1 => Just(Fate::Approved(KIM)),
        1 => Just(Fate::Approved(SAM)),
        4 => Just(Fate::Pending),
        1 => Just(Fate::Rejected),
        1 => Just(Fate::Scheduled),
    ];
    let requester = prop_oneof![4 => Just(JEN), 1 => Just(KIM)];
    let role = prop_oneof![4 => Just(ROLE), 1 => Just(OTHER_ROLE)];
    (fate, requester, role, MOMENTS, MOMENTS).prop_map(
        |(fate, requester, role, pending_expire_time, expire_time)| Drawn {
            fate,
            requester,
            role,
            pending_expire_time,
            expire_time,
        },
    )
}

const MOMENTS: std::ops::Range<i64> = 0..6;
const OTHER_ROLE: RoleId = RoleId(Uuid::from_u128(0xB));
