//! Events: the facts that the record is made of.

use uuid::Uuid;

use super::account::{Account, Principal};
use super::id::{ApprovalId, ElevationId, RoleId};
use super::moment::{Life, Moment};
use super::role::Role;

/// One fact about a subject.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// When it happened.
    pub time: Moment,
    /// What it is a fact about.
    pub subject: Subject,
    /// Who made it happen.
    pub by: Actor,
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
    /// The elevation became active, until `expires_at`.
    Activated {
        /// When it ends by itself.
        expires_at: Moment,
    },
    /// An approver approved.
    Approved(Decided),
    /// The requester gave the elevation up.
    Closed,
    /// Somebody asked to hold a role.
    Filed(Box<Filed>),
    /// An approver rejected.
    Rejected(Decided),
    /// A role was created.
    RoleCreated(Box<Role>),
    /// A role was deleted.
    RoleDeleted,
    /// A role was replaced.
    RoleUpdated(Box<Role>),
}

impl Fact {
    /// The fact in one word, for refusals and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Activated { .. } => "Activated",
            Self::Approved(_) => "Approved",
            Self::Closed => "Closed",
            Self::Filed(_) => "Filed",
            Self::Rejected(_) => "Rejected",
            Self::RoleCreated(_) => "RoleCreated",
            Self::RoleDeleted => "RoleDeleted",
            Self::RoleUpdated(_) => "RoleUpdated",
        }
    }
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
    pub requested_life: Life,
    /// How long the role is held from activation.
    pub life: Life,
    /// The start that was asked for.
    pub requested_start: Moment,
    /// What the elevation waits for; `None` when the role needs no approval.
    pub approval: Option<Opened>,
}

/// The approval that comes with an elevation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opened {
    /// The id of the approval.
    pub id: ApprovalId,
    /// When it expires unless it is decided before.
    pub pending_until: Moment,
}
