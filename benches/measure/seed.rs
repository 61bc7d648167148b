//! Elevations by the million, without the network but with the rules: every change is the result of `decide`, and is
//! committed by the project's own store.

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
use futures_util::stream::{self, StreamExt};
use jiff::tz::TimeZone;

/// The approver.
pub const APPROVER: &str = "PRIV\\sam";

/// Returns the name of a requester, by a number from 1 to `REQUESTERS`.
pub fn requester(number: usize) -> String {
    format!("PRIV\\user{number}")
}

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
        let names = (1..=REQUESTERS).map(requester);
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

    /// Files `count` elevations. Returns them in the order of filing, all pending.
    pub async fn file_pending(&self, count: usize) -> Vec<Elevation> {
        let mut filed = Vec::with_capacity(count);
        let mut commits = stream::iter(0..count)
            .map(|number| {
                let (elevation, event) = self.filing(number);
                let change = self.creation(elevation.clone(), vec![event]);
                async move {
                    self.commit(change).await;
                    elevation
                }
            })
            .buffered(MAX_WAITING);
        while let Some(elevation) = commits.next().await {
            filed.push(elevation);
        }
        filed
    }

    /// Files `count` elevations, and returns the ids of `sample` approvals that are spread evenly over them.
    pub async fn file(&self, count: usize, sample: usize) -> Vec<String> {
        let mut ids = Vec::with_capacity(sample);
        let mut commits = stream::iter(0..count)
            .map(|number| {
                let (elevation, event) = self.filing(number);
                let id = elevation.approval.as_ref().unwrap().id;
                let change = self.creation(elevation, vec![event]);
                async move {
                    self.commit(change).await;
                    (number, id)
                }
            })
            .buffered(MAX_WAITING);
        while let Some((number, id)) = commits.next().await {
            if number * sample / count == ids.len() {
                ids.push(id.to_string());
            }
        }
        ids.truncate(sample);
        ids
    }

    /// Files `count` elevations and rejects each of them in the same commit.
    pub async fn end(&self, count: usize) {
        let mut commits = stream::iter(0..count)
            .map(|number| {
                let (elevation, filed) = self.filing(number);
                let rejected = self.verdict(&elevation, Verdict::Reject);
                let after = rejected.iter().fold(elevation, |before, event| {
                    Elevation::apply(Some(before), event).unwrap()
                });
                let events = [filed].into_iter().chain(rejected).collect();
                self.commit(self.creation(after, events))
            })
            .buffered(MAX_WAITING);
        while commits.next().await.is_some() {}
    }

    /// Approves pending elevations, each in a commit of its own.
    pub async fn approve(&self, elevations: &[Elevation]) {
        let mut commits = stream::iter(elevations)
            .map(|elevation| self.commit(self.approval(elevation.clone())))
            .buffered(MAX_WAITING);
        while commits.next().await.is_some() {}
    }

    /// Returns the change that writes a new elevation.
    fn creation(&self, elevation: Elevation, events: Vec<Event>) -> Change {
        Change {
            expects: vec![
                (Key::Elevation(elevation.id), Version::ABSENT),
                self.role_key(),
            ],
            puts: vec![Record::Elevation(Box::new(elevation))],
            events,
            deadline: None,
        }
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

    /// Returns the change that approves a pending elevation.
    pub fn approval(&self, elevation: Elevation) -> Change {
        let events = self.verdict(&elevation, Verdict::Approve);
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

    /// Returns the events of the approver's decision.
    fn verdict(&self, elevation: &Elevation, verdict: Verdict) -> Vec<Event> {
        let facts = ApprovalFacts {
            call: self.call(&self.approver),
            elevation,
            role: Some(&self.role),
            requester: &Principals::new(&elevation.requester, &[]),
            deciders: &[],
        };
        happened(decide::approval(&facts, verdict, None, SystemClock.now()).unwrap())
    }

    /// Commits a change without conflicts.
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

/// Number of commits in flight. Enough for full groups in the store's queue.
const MAX_WAITING: usize = 1_024;
/// Number of requesters.
pub const REQUESTERS: usize = 8;
