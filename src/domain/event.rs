//! Events: the facts of the record.

use uuid::Uuid;

use super::account::{Account, Principal};
use super::id::{ApprovalId, CLIENT_REQUESTS, ElevationId, RoleId};
use super::moment::{Moment, Seconds};
use super::role::Role;

/// One fact about a subject.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// The time at which it happened.
    pub time: Moment,
    /// The subject of the fact.
    pub subject: Subject,
    /// The actor of the event; `None` if time alone caused it.
    pub by: Option<Actor>,
    /// The fact.
    pub fact: Fact,
}

/// The actor of an event, and the right used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actor {
    /// The account.
    pub account: Account,
    /// The principal named by the role that is the account or a group of it; `None` if the right does not come from a
    /// role.
    pub via: Option<Principal>,
    /// The credentials, by a name that reveals no secret.
    pub credential: String,
    /// The origin of the request.
    pub origin: Origin,
}

/// The origin of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    /// The channel.
    pub channel: Channel,
    /// Its id, which is in the log too.
    pub request_id: String,
}

/// The channel of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Channel {
    /// A gRPC call.
    Grpc,
    /// The PAM REST API.
    PamWebApi,
}

/// The subject of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject {
    /// An elevation.
    Elevation(ElevationId),
    /// A role.
    Role(RoleId),
}

impl Subject {
    /// Returns the id of the subject.
    pub fn id(self) -> Uuid {
        match self {
            Self::Elevation(id) => id.0,
            Self::Role(id) => id.0,
        }
    }
}

/// The kind of an event, with its details.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fact {
    /// The elevation became active.
    Activated(Activated),
    /// An approver approved.
    Approved(Decided),
    /// The requester closed the elevation.
    Closed,
    /// The duration of the elevation has passed, or the approval was not decided in time.
    Expired,
    /// The requester filed the elevation.
    Filed(Box<Filed>),
    /// The elevation was no longer allowed at its start.
    Lapsed(Lapse),
    /// An approver rejected.
    Rejected(Decided),
    /// A role was created.
    RoleCreated(Box<Role>),
    /// A role was deleted.
    RoleDeleted,
    /// A role was replaced.
    RoleUpdated(Box<Role>),
    /// Only the requested start is missing.
    Scheduled,
}

impl Fact {
    /// Returns the fact in one word, for refusals and logs.
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
    /// The time at which it ends by itself.
    pub expire_time: Moment,
    /// The revision of the role that the rights were checked against.
    pub role_revision: u64,
    /// The principal named by the role that is the requester or a group of the requester.
    pub requester_via: Option<Principal>,
}

/// The reason why an elevation was no longer allowed at its start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lapse {
    /// Too few of the people who approved are still approvers.
    Approvals,
    /// The requester is no longer a candidate of the role.
    Candidacy,
    /// The role no longer exists.
    Role,
}

/// One approver's decision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decided {
    /// The reason, if the approver gave one.
    pub reason: Option<String>,
    /// The revision of the role that the approver's rights were checked against.
    pub role_revision: u64,
    /// The principal named by the role that is the requester or a group of the requester; `None` for a rejection, which
    /// does not check it.
    pub requester_via: Option<Principal>,
    /// The index of the stage that it counts for, from 0.
    pub stage: usize,
    /// The index of the stage that is open afterwards.
    pub open_stage: usize,
}

/// The details of a filed request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filed {
    /// The role.
    pub role: RoleId,
    /// The revision of the role that the request was checked against.
    pub role_revision: u64,
    /// The role's display name at that revision.
    pub role_display_name: String,
    /// The justification, if there is one.
    pub justification: Option<String>,
    /// The requested duration.
    pub requested_duration: Seconds,
    /// The duration of the role from activation.
    pub duration: Seconds,
    /// The requested start.
    pub requested_start_time: Moment,
    /// The approval that the elevation waits for; `None` if the role needs none.
    pub approval: Option<Opened>,
    /// The principal named by the role that is the requester or a group of the requester, if that replaced the
    /// approval.
    pub approved_as: Option<Principal>,
    /// The client's own id of the request, if it gave one.
    pub client_request: Option<ClientRequest>,
}

/// A client's own id of a request, so that the request can be repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientRequest {
    /// The id.
    pub id: Uuid,
    /// The fingerprint of the request, which no other request has.
    pub fingerprint: Uuid,
}

/// The approval of an elevation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opened {
    /// The id of the approval.
    pub id: ApprovalId,
    /// The time at which it expires unless it is decided before.
    pub pending_expire_time: Moment,
}

impl ClientRequest {
    /// Returns the client request for the content that was sent under `id`.
    pub fn of(
        id: Uuid,
        role: RoleId,
        duration: Option<Seconds>,
        justification: Option<&str>,
        requested_start_time: Option<Moment>,
    ) -> Self {
        let content = [
            role.0.as_bytes(),
            &optional_number(duration.map(Seconds::seconds))[..],
            &optional_number(requested_start_time.map(Moment::ticks))[..],
            &[u8::from(justification.is_some())],
            justification.unwrap_or_default().as_bytes(),
        ]
        .concat();
        Self {
            id,
            fingerprint: Uuid::new_v5(&CLIENT_REQUESTS, &content),
        }
    }
}

/// Returns the bytes of a number. Those of zero and of no number differ.
fn optional_number(number: Option<i64>) -> [u8; 9] {
    let mut bytes = [0; 9];
    bytes[0] = u8::from(number.is_some());
    bytes[1..].copy_from_slice(&number.unwrap_or_default().to_be_bytes());
    bytes
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
