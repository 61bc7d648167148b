//! Events: the facts that the record is made of.

use uuid::Uuid;

use super::account::{Account, Principal};
use super::id::{ApprovalId, CLIENT_REQUESTS, ElevationId, RoleId};
use super::moment::{Moment, Seconds};
use super::role::Role;

/// One fact about a subject.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// When it happened.
    pub time: Moment,
    /// What it is a fact about.
    pub subject: Subject,
    /// Who made it happen; `None` when it was time alone.
    pub by: Option<Actor>,
    /// What happened.
    pub fact: Fact,
}

/// Who made an event happen, and by what right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actor {
    /// The account.
    pub account: Account,
    /// Whom the role names that the account is, or belongs to; `None` where the right is another.
    pub via: Option<Principal>,
    /// The credentials, by a name that gives nothing away.
    pub credential: String,
    /// Where the request came from.
    pub origin: Origin,
}

/// Where a request came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    /// The way by which it came.
    pub channel: Channel,
    /// Its id, which the log has too.
    pub request_id: String,
}

/// The way by which a request came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Channel {
    /// A gRPC call.
    Grpc,
    /// The PAM REST API.
    PamWebApi,
}

/// What an event is a fact about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject {
    /// An elevation.
    Elevation(ElevationId),
    /// A role.
    Role(RoleId),
}

impl Subject {
    /// The id of the subject, whatever it is.
    pub fn id(self) -> Uuid {
        match self {
            Self::Elevation(id) => id.0,
            Self::Role(id) => id.0,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fact {
    /// The elevation became active.
    Activated(Activated),
    /// An approver approved.
    Approved(Decided),
    /// The requester gave the elevation up.
    Closed,
    /// The duration of the elevation has passed, or nobody decided in time.
    Expired,
    /// Somebody asked to hold a role.
    Filed(Box<Filed>),
    /// When it was to start, the elevation was not allowed any more.
    Lapsed(Lapse),
    /// An approver rejected.
    Rejected(Decided),
    /// A role was created.
    RoleCreated(Box<Role>),
    /// A role was deleted.
    RoleDeleted,
    /// A role was replaced.
    RoleUpdated(Box<Role>),
    /// Nothing is missing but the start that was asked for.
    Scheduled,
}

impl Fact {
    /// The fact in one word, for refusals and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Activated(_) => "Activated",
            Self::Approved(_) => "Approved",
            Self::Closed => "Closed",
            Self::Expired => "Expired",
            Self::Filed(_) => "Filed",
            Self::Lapsed(_) => "Lapsed",
            Self::Rejected(_) => "Rejected",
            Self::RoleCreated(_) => "RoleCreated",
            Self::RoleDeleted => "RoleDeleted",
            Self::RoleUpdated(_) => "RoleUpdated",
            Self::Scheduled => "Scheduled",
        }
    }
}

/// The beginning of a duration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Activated {
    /// When it ends by itself.
    pub expire_time: Moment,
    /// The revision of the role that the rights were checked against.
    pub role_revision: u64,
    /// Whom the role names that the requester is, or belongs to.
    pub requester_via: Option<Principal>,
}

/// Why an elevation was not allowed any more when it was to start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lapse {
    /// Too few of those who approved are approvers still.
    Approvals,
    /// The requester is not a candidate of the role any more.
    Candidacy,
    /// The role is no more.
    Role,
}

/// One approver's decision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decided {
    /// Why, where a reason was given.
    pub reason: Option<String>,
    /// The revision of the role that the approver's rights were checked against.
    pub role_revision: u64,
    /// Whom the role names that the requester is, or belongs to; `None` for a rejection, which does not ask.
    pub requester_via: Option<Principal>,
    /// The stage that it counts for, from 0.
    pub stage: usize,
    /// The stage that is open afterwards.
    pub open_stage: usize,
}

/// What somebody asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filed {
    /// The role.
    pub role: RoleId,
    /// The revision of the role that the request was checked against.
    pub role_revision: u64,
    /// The role's display name at that revision.
    pub role_display_name: String,
    /// Why, where it was said.
    pub justification: Option<String>,
    /// How long the requester asked to hold the role.
    pub requested_duration: Seconds,
    /// How long the role is held from activation.
    pub duration: Seconds,
    /// The start that was asked for.
    pub requested_start_time: Moment,
    /// What the elevation waits for; `None` when the role needs no approval.
    pub approval: Option<Opened>,
    /// Whom the role names that the requester is, or belongs to, where that took the place of the approval.
    pub approved_as: Option<Principal>,
    /// The name that the client gave to its request, where it gave one.
    pub client_request: Option<ClientRequest>,
}

/// A client's own name of a request, so that it can be repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientRequest {
    /// The name.
    pub id: Uuid,
    /// Stands for what was asked: another request never has it.
    pub fingerprint: Uuid,
}

/// The approval that comes with an elevation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opened {
    /// The id of the approval.
    pub id: ApprovalId,
    /// When it expires unless it is decided before.
    pub pending_expire_time: Moment,
}

impl ClientRequest {
    /// What was asked under the name `id`.
    pub fn of(
        id: Uuid,
        role: RoleId,
        duration: Option<Seconds>,
        justification: Option<&str>,
        requested_start_time: Option<Moment>,
    ) -> Self {
        let number = |number: Option<i64>| {
            [
                &[u8::from(number.is_some())],
                &number.unwrap_or_default().to_be_bytes()[..],
            ]
            .concat()
        };
        let asked = [
            role.0.as_bytes(),
            &*number(duration.map(Seconds::seconds)),
            &*number(requested_start_time.map(Moment::ticks)),
            &[u8::from(justification.is_some())],
            justification.unwrap_or_default().as_bytes(),
        ]
        .concat();
        Self {
            id,
            fingerprint: Uuid::new_v5(&CLIENT_REQUESTS, &asked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_anything_is_another_request() {
        let duration = Seconds::new(60).ok();
        let (role, other) = (RoleId(Uuid::from_u128(1)), RoleId(Uuid::from_u128(2)));
        let start = Some(Moment::from_ticks(60));
        let asked = [
            ClientRequest::of(Uuid::nil(), role, None, None, None),
            ClientRequest::of(Uuid::nil(), other, None, None, None),
            ClientRequest::of(Uuid::nil(), role, duration, None, None),
            ClientRequest::of(Uuid::nil(), role, Some(Seconds::ZERO), None, None),
            ClientRequest::of(Uuid::nil(), role, None, Some(""), None),
            ClientRequest::of(Uuid::nil(), role, None, Some("x"), None),
            ClientRequest::of(Uuid::nil(), role, None, None, start),
            ClientRequest::of(Uuid::nil(), role, None, None, Some(Moment::from_ticks(0))),
            ClientRequest::of(Uuid::max(), role, None, None, None),
        ];
        for (index, one) in asked.iter().enumerate() {
            assert!(asked[..index].iter().all(|other| other != one), "{index}");
        }
        assert_eq!(
            ClientRequest::of(Uuid::nil(), role, None, None, None),
            asked[0]
        );
        assert_eq!(
            asked[8].fingerprint, asked[0].fingerprint,
            "the name stands beside what was asked"
        );
    }

    #[test]
    fn a_fact_has_the_name_that_timelines_show() {
        let decided = Decided {
            reason: None,
            role_revision: 1,
            requester_via: None,
            stage: 0,
            open_stage: 0,
        };
        let activated = Activated {
            expire_time: Moment::from_ticks(0),
            role_revision: 1,
            requester_via: None,
        };
        let table = [
            (Fact::Activated(activated), "Activated"),
            (Fact::Approved(decided.clone()), "Approved"),
            (Fact::Closed, "Closed"),
            (Fact::Expired, "Expired"),
            (Fact::Lapsed(Lapse::Role), "Lapsed"),
            (Fact::Rejected(decided), "Rejected"),
            (Fact::RoleDeleted, "RoleDeleted"),
            (Fact::Scheduled, "Scheduled"),
        ];
        for (fact, name) in table {
            assert_eq!(fact.name(), name);
        }
    }

    #[test]
    fn a_subject_has_the_id_of_what_it_is() {
        let [elevation, role] = [1, 2].map(Uuid::from_u128);
        assert_eq!(Subject::Elevation(ElevationId(elevation)).id(), elevation);
        assert_eq!(Subject::Role(RoleId(role)).id(), role);
    }
}
