//! Events as payload bytes, and back.

use prost::Message;
use uuid::Uuid;

use super::principal::{all, uuid};
use crate::domain::account;
use crate::domain::error::Error;
use crate::domain::event::{self, ClientRequest, Event, Fact, Opened, Origin, Subject};
use crate::domain::id::{AccountId, ApprovalId, ElevationId, RoleId};
use crate::domain::moment::{Moment, Seconds};
use crate::domain::reason::{self, Pattern};
use crate::domain::role::{Role, Rules};
use crate::domain::stages;
use crate::domain::window::Window;
use crate::proto::record::v1::{
    Account, Activated, Actor, ApprovalOpened, Channel, Closed, Decided, EventKind, Expired, Filed,
    Header, Lapse, Lapsed, Principal, ReasonRule, RoleDeleted, RoleSet, Scheduled, Stage,
    SubjectKind,
};

/// Returns the kind of an event, and the bytes of its payload.
pub(super) fn encode(event: &Event) -> (EventKind, Vec<u8>) {
    let by = event.by.as_ref().map(Actor::from);
    match &event.fact {
        Fact::Activated(fact) => (EventKind::Activated, activated(by, fact).encode_to_vec()),
        Fact::Approved(fact) => (EventKind::Approved, decided(by, fact).encode_to_vec()),
        Fact::Closed => (EventKind::Closed, Closed { by }.encode_to_vec()),
        Fact::Expired => (EventKind::Expired, Expired {}.encode_to_vec()),
        Fact::Filed(fact) => (EventKind::Filed, filed(by, fact).encode_to_vec()),
        Fact::Lapsed(why) => (
            EventKind::Lapsed,
            Lapsed {
                why: Lapse::from(*why).into(),
            }
            .encode_to_vec(),
        ),
        Fact::Rejected(fact) => (EventKind::Rejected, decided(by, fact).encode_to_vec()),
        Fact::RoleCreated(role) => (EventKind::RoleCreated, role_set(by, role).encode_to_vec()),
        Fact::RoleDeleted => (EventKind::RoleDeleted, RoleDeleted { by }.encode_to_vec()),
        Fact::RoleUpdated(role) => (EventKind::RoleUpdated, role_set(by, role).encode_to_vec()),
        Fact::Scheduled => (EventKind::Scheduled, Scheduled { by }.encode_to_vec()),
    }
}

/// Decodes the event of a header and its payload.
pub(super) fn decode(header: &Header, payload: &[u8]) -> Result<Event, Error> {
    let subject = match header.subject_kind() {
        SubjectKind::Elevation => Subject::Elevation(ElevationId(uuid(&header.subject)?)),
        SubjectKind::Role => Subject::Role(RoleId(uuid(&header.subject)?)),
        SubjectKind::Unspecified => return Err(malformed()),
    };
    let (by, fact) = match header.kind() {
        EventKind::Activated => read_activated(payload)?,
        EventKind::Approved => read_decided(payload, Fact::Approved)?,
        EventKind::Closed => (read::<Closed>(payload)?.by, Fact::Closed),
        EventKind::Expired => (None, Fact::Expired),
        EventKind::Filed => read_filed(payload)?,
        EventKind::Lapsed => (
            None,
            Fact::Lapsed(read::<Lapsed>(payload)?.why().try_into()?),
        ),
        EventKind::Rejected => read_decided(payload, Fact::Rejected)?,
        EventKind::RoleCreated => read_role_set(subject, payload, Fact::RoleCreated)?,
        EventKind::RoleDeleted => (read::<RoleDeleted>(payload)?.by, Fact::RoleDeleted),
        EventKind::RoleUpdated => read_role_set(subject, payload, Fact::RoleUpdated)?,
        EventKind::Scheduled => (read::<Scheduled>(payload)?.by, Fact::Scheduled),
        EventKind::Unspecified => return Err(malformed()),
    };
    let by = by.map(event::Actor::try_from).transpose()?;
    Ok(Event {
        time: Moment::from_ticks(header.time),
        subject,
        by,
        fact,
    })
}

fn role_set(by: Option<Actor>, role: &Role) -> RoleSet {
    let rules = &role.rules;
    RoleSet {
        by,
        display_name: role.display_name.clone(),
        description: role.description.clone(),
        max_duration: role.max_duration.seconds(),
        candidates: role.candidates.iter().map(Principal::from).collect(),
        stages: role.stages.iter().map(Stage::from).collect(),
        auto_approve_owners: rules.auto_approve_owners,
        pending_timeout: rules.pending_timeout.map(Seconds::seconds),
        available_from: rules
            .window
            .map(|window| window.from().to_string())
            .unwrap_or_default(),
        available_to: rules
            .window
            .map(|window| window.to().to_string())
            .unwrap_or_default(),
        justification_rule: reason_rule(&rules.justification),
        decision_reason_rule: reason_rule(&rules.decision_reason),
    }
}

/// Returns the message of a rule. A rule without requirements is not written, as in records from before there were
/// rules.
fn reason_rule(rule: &reason::ReasonRule) -> Option<ReasonRule> {
    let pattern = rule
        .pattern
        .as_ref()
        .map_or("", |pattern| pattern.as_str())
        .to_owned();
    (*rule != reason::ReasonRule::default()).then_some(ReasonRule {
        required: rule.required,
        min_length: rule.min_length,
        pattern,
    })
}

fn read_reason_rule(rule: Option<ReasonRule>) -> reason::ReasonRule {
    let ReasonRule {
        required,
        min_length,
        pattern,
    } = rule.unwrap_or_default();
    reason::ReasonRule {
        required,
        min_length,
        pattern: Pattern::stored(pattern),
    }
}

fn read_role_set(
    subject: Subject,
    payload: &[u8],
    fact: fn(Box<Role>) -> Fact,
) -> Result<(Option<Actor>, Fact), Error> {
    let set: RoleSet = read(payload)?;
    let role = Role {
        id: RoleId(subject.id()),
        display_name: set.display_name,
        description: set.description,
        max_duration: Seconds::new(set.max_duration)?,
        candidates: all(set.candidates)?,
        stages: set
            .stages
            .into_iter()
            .map(stages::Stage::try_from)
            .collect::<Result<_, _>>()?,
        rules: Rules {
            auto_approve_owners: set.auto_approve_owners,
            pending_timeout: set.pending_timeout.map(Seconds::new).transpose()?,
            window: Window::read(&set.available_from, &set.available_to)?,
            justification: read_reason_rule(set.justification_rule),
            decision_reason: read_reason_rule(set.decision_reason_rule),
        },
    };
    Ok((set.by, fact(Box::new(role))))
}

fn activated(by: Option<Actor>, activated: &event::Activated) -> Activated {
    Activated {
        by,
        expire_time: activated.expire_time.ticks(),
        role_revision: activated.role_revision,
        requester_via: activated.requester_via.as_ref().map(Principal::from),
    }
}

fn read_activated(payload: &[u8]) -> Result<(Option<Actor>, Fact), Error> {
    let activated: Activated = read(payload)?;
    let read = event::Activated {
        expire_time: Moment::from_ticks(activated.expire_time),
        role_revision: activated.role_revision,
        requester_via: activated
            .requester_via
            .map(account::Principal::try_from)
            .transpose()?,
    };
    Ok((activated.by, Fact::Activated(read)))
}

fn decided(by: Option<Actor>, decided: &event::Decided) -> Decided {
    Decided {
        by,
        reason: decided.reason.clone(),
        role_revision: decided.role_revision,
        requester_via: decided.requester_via.as_ref().map(Principal::from),
        stage: number(decided.stage),
        open_stage: number(decided.open_stage),
    }
}

/// Returns the written number of a stage. The number always fits, since a role has few stages.
fn number(stage: usize) -> u32 {
    u32::try_from(stage).unwrap_or(u32::MAX)
}

fn read_decided(
    payload: &[u8],
    fact: fn(event::Decided) -> Fact,
) -> Result<(Option<Actor>, Fact), Error> {
    let decided: Decided = read(payload)?;
    let read = event::Decided {
        reason: decided.reason,
        role_revision: decided.role_revision,
        requester_via: decided
            .requester_via
            .map(account::Principal::try_from)
            .transpose()?,
        stage: usize::try_from(decided.stage).map_err(Error::internal)?,
        open_stage: usize::try_from(decided.open_stage).map_err(Error::internal)?,
    };
    Ok((decided.by, fact(read)))
}

fn filed(by: Option<Actor>, filed: &event::Filed) -> Filed {
    Filed {
        by,
        role: filed.role.0.into_bytes().to_vec(),
        role_revision: filed.role_revision,
        role_display_name: filed.role_display_name.clone(),
        justification: filed.justification.clone(),
        requested_duration: filed.requested_duration.seconds(),
        duration: filed.duration.seconds(),
        requested_start_time: filed.requested_start_time.ticks(),
        approval: filed.approval.map(|opened| ApprovalOpened {
            id: opened.id.0.into_bytes().to_vec(),
            pending_expire_time: opened.pending_expire_time.ticks(),
        }),
        approved_as: filed.approved_as.as_ref().map(Principal::from),
        client_request: bytes(filed.client_request.map(|request| request.id)),
        fingerprint: bytes(filed.client_request.map(|request| request.fingerprint)),
    }
}

fn read_filed(payload: &[u8]) -> Result<(Option<Actor>, Fact), Error> {
    let filed: Filed = read(payload)?;
    let approval = match filed.approval {
        Some(opened) => Some(Opened {
            id: ApprovalId(uuid(&opened.id)?),
            pending_expire_time: Moment::from_ticks(opened.pending_expire_time),
        }),
        None => None,
    };
    let read = event::Filed {
        role: RoleId(uuid(&filed.role)?),
        role_revision: filed.role_revision,
        role_display_name: filed.role_display_name,
        justification: filed.justification,
        requested_duration: Seconds::new(filed.requested_duration)?,
        duration: Seconds::new(filed.duration)?,
        requested_start_time: Moment::from_ticks(filed.requested_start_time),
        approval,
        approved_as: filed
            .approved_as
            .map(account::Principal::try_from)
            .transpose()?,
        client_request: read_client_request(&filed.client_request, &filed.fingerprint)?,
    };
    Ok((filed.by, Fact::Filed(Box::new(read))))
}

fn bytes(id: Option<Uuid>) -> Vec<u8> {
    id.map(|id| id.into_bytes().to_vec()).unwrap_or_default()
}

fn read_client_request(id: &[u8], fingerprint: &[u8]) -> Result<Option<ClientRequest>, Error> {
    if id.is_empty() {
        return Ok(None);
    }
    Ok(Some(ClientRequest {
        id: uuid(id)?,
        fingerprint: uuid(fingerprint)?,
    }))
}

impl From<event::Lapse> for Lapse {
    fn from(lapse: event::Lapse) -> Self {
        match lapse {
            event::Lapse::Approvals => Self::Approvals,
            event::Lapse::Candidacy => Self::Candidacy,
            event::Lapse::Role => Self::Role,
        }
    }
}

impl TryFrom<Lapse> for event::Lapse {
    type Error = Error;

    fn try_from(lapse: Lapse) -> Result<Self, Error> {
        match lapse {
            Lapse::Unspecified => Err(malformed()),
            Lapse::Approvals => Ok(Self::Approvals),
            Lapse::Candidacy => Ok(Self::Candidacy),
            Lapse::Role => Ok(Self::Role),
        }
    }
}

impl From<&event::Actor> for Actor {
    fn from(actor: &event::Actor) -> Self {
        let channel = match actor.origin.channel {
            event::Channel::Grpc => Channel::Grpc,
            event::Channel::PamWebApi => Channel::PamWebApi,
        };
        let account = &actor.account;
        Self {
            account: Some(Account {
                id: account.id.0.into_bytes().to_vec(),
                name: account.name.clone(),
            }),
            via: actor.via.as_ref().map(Principal::from),
            credential: actor.credential.clone(),
            channel: channel.into(),
            request_id: actor.origin.request_id.clone(),
        }
    }
}

impl TryFrom<Actor> for event::Actor {
    type Error = Error;

    fn try_from(actor: Actor) -> Result<Self, Error> {
        let channel = match actor.channel() {
            Channel::Grpc => event::Channel::Grpc,
            Channel::PamWebApi => event::Channel::PamWebApi,
            Channel::Unspecified => return Err(malformed()),
        };
        let account = actor.account.ok_or_else(malformed)?;
        Ok(Self {
            account: account::Account {
                id: AccountId(uuid(&account.id)?),
                name: account.name,
            },
            via: actor.via.map(account::Principal::try_from).transpose()?,
            credential: actor.credential,
            origin: Origin {
                channel,
                request_id: actor.request_id,
            },
        })
    }
}

fn read<M: Message + Default>(payload: &[u8]) -> Result<M, Error> {
    M::decode(payload).map_err(Error::internal)
}

fn malformed() -> Error {
    Error::internal("an event in the record is malformed")
}
