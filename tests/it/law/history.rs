//! What the law is tried with: roles, and elevations together with the events that made them.

use std::future::ready;
use std::sync::Arc;

use countersign::domain::account::{Account, Group, Principal};
use countersign::domain::elevation::Elevation;
use countersign::domain::error::Error;
use countersign::domain::event::{
    Activated, Actor, Channel, Decided, Event, Fact, Filed, Opened, Origin, Subject,
};
use countersign::domain::id::{ApprovalId, ElevationId, RoleId};
use countersign::domain::moment::{Moment, Seconds};
use countersign::domain::role::{Role, Rules};
use countersign::domain::stages::Stage;
use countersign::domain::version::Version;
use countersign::record::Envelope;
use countersign::store::{Change, Commit, ElevationKey, ElevationRead, Key, Record, Store};
use uuid::Uuid;

use crate::kit::{ANN, JEN, SAM, START};

/// The role of every elevation that names no other.
pub const ROLE: RoleId = RoleId(Uuid::from_u128(0xA));

pub fn at(seconds: i64) -> Moment {
    ticks(seconds * Moment::TICKS_PER_SECOND)
}

pub fn ticks(ticks: i64) -> Moment {
    Moment::from_ticks(START.ticks() + ticks)
}

pub fn duration(seconds: i64) -> Seconds {
    Seconds::new(seconds).unwrap()
}

pub fn account(name: &str) -> Account {
    Account::named(name).unwrap()
}

pub fn group(name: &str) -> Principal {
    Principal::Group(Group::named(name).unwrap())
}

/// A role whose stage needs two of `approvers`.
pub fn role(id: RoleId, approvers: &[Principal]) -> Role {
    Role {
        id,
        display_name: "SQL File Access".to_owned(),
        description: "Read access to the files of the SQL servers.".to_owned(),
        max_duration: duration(3_600),
        candidates: vec![Principal::Account(account(JEN)), group("SQL Users")],
        stages: vec![Stage {
            approvers: approvers.to_vec(),
            required_approvals: 2,
        }],
        rules: Rules::default(),
    }
}

/// [`ROLE`], which sam approves.
pub fn sams_role() -> Role {
    role(ROLE, &[Principal::Account(account(SAM))])
}

/// Writes the role over what has the version `before`.
pub fn role_change(role: &Role, before: Version) -> Change {
    let fact = Fact::RoleCreated(Box::new(role.clone()));
    Change {
        expects: vec![(Key::Role(role.id), before)],
        puts: vec![Record::Role(Box::new(role.clone()))],
        events: vec![Event {
            time: START,
            subject: Subject::Role(role.id),
            by: Some(actor(ANN)),
            fact,
        }],
        deadline: None,
    }
}

/// An elevation, and the events that made it.
#[derive(Clone, Debug)]
pub struct History {
    pub elevation: Elevation,
    pub events: Vec<Event>,
    /// The version that the last step finds.
    before: Version,
    /// How many of the events belong to the last step.
    step: usize,
}

impl History {
    /// Jen asks for [`ROLE`] at [`START`] and has a week's time to get it.
    pub fn filed(number: u128) -> Self {
        Self::of(number, START, filing(number))
    }

    pub fn of(number: u128, time: Moment, filed: Filed) -> Self {
        Self::by(JEN, number, time, filed)
    }

    pub fn by(requester: &str, number: u128, time: Moment, filed: Filed) -> Self {
        let subject = Subject::Elevation(elevation_id(number));
        let by = Some(actor(requester));
        let event = Event {
            time,
            subject,
            by,
            fact: Fact::Filed(Box::new(filed)),
        };
        let elevation = Elevation::apply(None, &event).unwrap();
        Self {
            elevation,
            events: vec![event],
            before: Version::ABSENT,
            step: 1,
        }
    }

    /// The next step, which is one change.
    pub fn then<const N: usize>(&self, time: Moment, facts: [Told; N]) -> Self {
        let mut next = Self {
            before: self.before.next(),
            step: N,
            ..self.clone()
        };
        for (by, fact) in facts {
            let event = Event {
                time,
                subject: Subject::Elevation(self.elevation.id),
                by,
                fact,
            };
            next.elevation = Elevation::apply(Some(next.elevation), &event).unwrap();
            next.events.push(event);
        }
        next
    }

    /// The change of the last step.
    pub fn change(&self) -> Change {
        self.with(self.before, &self.events[self.events.len() - self.step..])
    }

    /// All steps as one change.
    pub fn whole(&self) -> Change {
        self.with(Version::ABSENT, &self.events)
    }

    pub fn key(&self) -> Key {
        Key::Elevation(self.elevation.id)
    }

    fn with(&self, before: Version, events: &[Event]) -> Change {
        Change {
            expects: vec![(self.key(), before)],
            puts: vec![Record::Elevation(Box::new(self.elevation.clone()))],
            events: events.to_vec(),
            deadline: None,
        }
    }
}

pub fn filing(number: u128) -> Filed {
    Filed {
        role: ROLE,
        role_revision: 1,
        role_display_name: "SQL File Access".to_owned(),
        justification: Some("Ticket 4711".to_owned()),
        requested_duration: duration(7_200),
        duration: duration(3_600),
        requested_start_time: START,
        approval: Some(Opened {
            id: approval_id(number),
            pending_expire_time: at(7 * 86_400),
        }),
        approved_as: None,
        client_request: None,
    }
}

pub fn elevation_id(number: u128) -> ElevationId {
    ElevationId(Uuid::from_u128(number))
}

pub fn approval_id(number: u128) -> ApprovalId {
    ApprovalId(Uuid::from_u128(number | 0xA << 64))
}

/// A fact and its actor.
pub type Told = (Option<Actor>, Fact);

pub fn approved_by(name: &str) -> Told {
    let requester_via = Some(group("SQL Users"));
    (
        Some(actor(name)),
        Fact::Approved(Decided {
            requester_via,
            ..decided()
        }),
    )
}

pub fn rejected_by(name: &str) -> Told {
    (Some(actor(name)), Fact::Rejected(decided()))
}

pub fn closed_by(name: &str) -> Told {
    (Some(actor(name)), Fact::Closed)
}

pub fn activated_until(expire_time: Moment) -> Told {
    (
        Some(actor(SAM)),
        Fact::Activated(Activated {
            expire_time,
            role_revision: 1,
            requester_via: None,
        }),
    )
}

/// An approval for one stage, after which another stage is open.
pub fn moved_by(name: &str, stage: usize, open_stage: usize) -> Told {
    (
        Some(actor(name)),
        Fact::Approved(Decided {
            stage,
            open_stage,
            ..decided()
        }),
    )
}

pub fn scheduled_by(name: &str) -> Told {
    (Some(actor(name)), Fact::Scheduled)
}

/// It has no actor.
pub fn expired() -> Told {
    (None, Fact::Expired)
}

fn decided() -> Decided {
    let reason = Some("Seen it.".to_owned());
    Decided {
        reason,
        role_revision: 1,
        requester_via: None,
        stage: 0,
        open_stage: 0,
    }
}

fn actor(name: &str) -> Actor {
    Actor {
        account: account(name),
        via: Some(Principal::Account(account(name))),
        credential: "bearer:0123456789abcdef".to_owned(),
        origin: Origin {
            channel: Channel::PamWebApi,
            request_id: "request-1".to_owned(),
        },
    }
}

/// Several changes as one.
pub fn both(one: Change, other: Change) -> Change {
    Change {
        expects: [one.expects, other.expects].concat(),
        puts: [one.puts, other.puts].concat(),
        events: [one.events, other.events].concat(),
        deadline: None,
    }
}

/// Commits what must go through; answers the sequence of its last event.
pub async fn committed(store: &Arc<dyn Store>, change: Change) -> u64 {
    match store.commit(change).await.unwrap() {
        Commit::Committed { sequence } => sequence,
        Commit::Conflict => panic!("nobody else was there"),
    }
}

/// Commits all at the same time; answers in the order of the changes.
pub async fn together(
    store: &Arc<dyn Store>,
    changes: impl IntoIterator<Item = Change>,
) -> Vec<Result<Commit, Error>> {
    let commit = |change| {
        let store = store.clone();
        tokio::spawn(async move { store.commit(change).await })
    };
    let running: Vec<_> = changes.into_iter().map(commit).collect();
    let mut answers = Vec::new();
    for commit in running {
        answers.push(commit.await.unwrap());
    }
    answers
}

/// Hands a change over and goes away before it is answered.
pub async fn abandon(store: &Arc<dyn Store>, change: Change) {
    tokio::select! {
        biased;
        _ = store.commit(change) => {}
        () = ready(()) => {}
    }
}

pub async fn read(store: &Arc<dyn Store>, history: &History) -> Option<ElevationRead> {
    store
        .elevation(ElevationKey::Elevation(history.elevation.id))
        .await
        .unwrap()
}

pub async fn record(store: &Arc<dyn Store>) -> Vec<Envelope> {
    store.events(0, u32::MAX).await.unwrap()
}

pub fn was_committed(answer: &Result<Commit, Error>) -> bool {
    matches!(answer, Ok(Commit::Committed { .. }))
}

pub fn was_conflict(answer: &Result<Commit, Error>) -> bool {
    matches!(answer, Ok(Commit::Conflict))
}
