//! Elevations by the thousand, past the network but not past the rules: every change is what `decide` returned.

use std::sync::Arc;

use countersign::domain::account::{Account, Principal};
use countersign::domain::approval::Verdict;
use countersign::domain::caller::{Caller, Principals};
use countersign::domain::decide::{
    self, ApprovalFacts, Call, CreateRoleFacts, Filing, FilingFacts, Ruling,
};
use countersign::domain::elevation::Elevation;
use countersign::domain::event::{Channel, Event, Origin};
use countersign::domain::id::{ApprovalId, ElevationId, RoleId};
use countersign::domain::moment::Seconds;
use countersign::domain::policy::Policy;
use countersign::domain::quota::Quota;
use countersign::domain::role::{Role, Rules};
use countersign::domain::stages::Stage;
use countersign::domain::version::{Version, Versioned};
use countersign::ids::{Ids, SystemIds};
use countersign::store::{Change, Commit, Key, Record, Store};
use countersign::time::{Clock, SystemClock};
use jiff::tz::TimeZone;

/// The approver.
pub const APPROVER: &str = "PRIV\\sam";

/// A role in a store, and its requester.
pub struct Seed {
    store: Arc<dyn Store>,
    requesters: Vec<Caller>,
    approver: Caller,
    role: Versioned<Role>,
    origin: Origin,
    policy: Policy,
}

impl Seed {
    /// Creates the role.
    pub async fn new(store: Arc<dyn Store>) -> Self {
        let account = |name: &str| Account::named(name).unwrap();
        let caller = |name: &str, administrator| {
            Caller::new(account(name), Vec::new(), administrator, "seed".to_owned())
        };
        let names = (1..=REQUESTERS).map(|number| format!("PRIV\\user{number}"));
        let requesters: Vec<_> = names.map(|name| caller(&name, false)).collect();
        let of = |caller: &Caller| Principal::Account(caller.account.clone());
        let value = Role {
            id: RoleId(SystemIds.next()),
            display_name: "SQL".to_owned(),
            description: String::new(),
            max_duration: Seconds::HOUR,
            candidates: requesters.iter().map(of).collect(),
            stages: vec![Stage {
                approvers: vec![Principal::Account(account(APPROVER))],
                required_approvals: 1,
            }],
            rules: Rules::default(),
        };
        let origin = Origin {
            channel: Channel::Grpc,
            request_id: "seed".to_owned(),
        };
        let role = Versioned {
            version: Version::ABSENT.next(),
            value,
        };
        // A day, so that nothing expires while it is measured.
        let policy = Policy {
            pending_timeout: Seconds::DAY,
            quota: Quota::default(),
            zone: TimeZone::UTC,
        };
        let seed = Self {
            store,
            requesters,
            approver: caller(APPROVER, false),
            role,
            origin,
            policy,
        };
        seed.create_role(&caller("PRIV\\ann", true)).await;
        seed
    }

    async fn create_role(&self, administrator: &Caller) {
        let role = self.role.value.clone();
        let facts = CreateRoleFacts {
            call: self.call(administrator),
            id_taken: false,
        };
        let events = vec![decide::create_role(&facts, &role, SystemClock.now()).unwrap()];
        let puts = vec![Record::Role(Box::new(role.clone()))];
        let expects = vec![(Key::Role(role.id), Version::ABSENT)];
        self.commit(Change {
            expects,
            puts,
            events,
            deadline: None,
        })
        .await;
    }

    /// Files `count` elevations; returns them in the order of filing, all pending.
    pub async fn file(&self, count: usize) -> Vec<Elevation> {
        let mut filed = Vec::with_capacity(count);
        while filed.len() < count {
            let group: Vec<_> = (filed.len()..count.min(filed.len() + GROUP))
                .map(|number| self.filing(number))
                .collect();
            let (elevations, events): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            let key = |elevation: &Elevation| (Key::Elevation(elevation.id), Version::ABSENT);
            let record = |elevation: &Elevation| Record::Elevation(Box::new(elevation.clone()));
            let expects = elevations
                .iter()
                .map(key)
                .chain([self.role_key()])
                .collect();
            let puts = elevations.iter().map(record).collect();
            self.commit(Change {
                expects,
                puts,
                events,
                deadline: None,
            })
            .await;
            filed.extend(elevations);
        }
        filed
    }

    fn filing(&self, number: usize) -> (Elevation, Event) {
        let filing = Filing {
            elevation: ElevationId(SystemIds.next()),
            approval: ApprovalId(SystemIds.next()),
            duration: None,
            justification: Some("Ticket 4711".to_owned()),
            requested_start_time: None,
            client_request: None,
        };
        let requester = &self.requesters[number % REQUESTERS];
        let facts = FilingFacts {
            call: self.call(requester),
            policy: &self.policy,
            role: Some(&self.role),
            allowance: None,
            filed_before: None,
        };
        let filed = decide::filing(&facts, &filing, SystemClock.now());
        let mut events = happened(filed.unwrap());
        let event = events.remove(0);
        assert!(
            events.is_empty(),
            "a filing that has to be approved is one event"
        );
        (Elevation::apply(None, &event).unwrap(), event)
    }

    /// The change that approves a pending elevation.
    pub fn approval(&self, elevation: Elevation) -> Change {
        let facts = ApprovalFacts {
            call: self.call(&self.approver),
            elevation: &elevation,
            role: Some(&self.role),
            requester: &Principals::new(&elevation.requester, &[]),
            deciders: &[],
        };
        let approved = decide::approval(&facts, Verdict::Approve, None, SystemClock.now());
        let events = happened(approved.unwrap());
        let before = (Key::Elevation(elevation.id), Version::ABSENT.next());
        let after = events.iter().fold(elevation, |before, event| {
            Elevation::apply(Some(before), event).unwrap()
        });
        let puts = vec![Record::Elevation(Box::new(after))];
        Change {
            expects: vec![self.role_key(), before],
            puts,
            events,
            deadline: None,
        }
    }

    /// Commits a change that nothing is in the way of.
    pub async fn commit(&self, change: Change) {
        let commit = self.store.commit(change).await.unwrap();
        assert!(matches!(commit, Commit::Committed { .. }));
    }

    fn call<'a>(&'a self, caller: &'a Caller) -> Call<'a> {
        Call {
            caller,
            origin: &self.origin,
        }
    }

    fn role_key(&self) -> (Key, Version) {
        (Key::Role(self.role.value.id), self.role.version)
    }
}

fn happened(ruling: Ruling) -> Vec<Event> {
    match ruling {
        Ruling::Happened(events) => events,
        Ruling::AlreadySo => panic!("nothing is repeated"),
    }
}

const GROUP: usize = 500;
const REQUESTERS: usize = 8;
