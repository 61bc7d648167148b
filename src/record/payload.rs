//! Facts as bytes, and back.

use prost::Message;
use uuid::Uuid;

use crate::domain::account::{self, Group};
use crate::domain::error::Error;
use crate::domain::event::{self, Event, Fact, Opened, Subject};
use crate::domain::id::{AccountId, ApprovalId, ElevationId, PrincipalId, RoleId};
use crate::domain::moment::{Life, Moment};
use crate::domain::role::{self, Role};
use crate::proto::record::v1::{
    Account, Activated, ApprovalOpened, Decided, EventKind, Filed, Header, Principal, RoleCreated, Stage,
    SubjectKind,
};

/// The kind of the fact, and its bytes.
pub(super) fn encode(fact: &Fact) -> (EventKind, Vec<u8>) {
    match fact {
        Fact::Activated { expires_at } => {
            (EventKind::Activated, Activated { expires_at: expires_at.ticks() }.encode_to_vec())
        }
        Fact::Approved(decided) => (EventKind::Approved, Decided::from(decided).encode_to_vec()),
        Fact::Filed(filed) => (EventKind::Filed, Filed::from(&**filed).encode_to_vec()),
        Fact::Rejected(decided) => (EventKind::Rejected, Decided::from(decided).encode_to_vec()),
        Fact::RoleCreated { by, role } => (EventKind::RoleCreated, role_created(by, role).encode_to_vec()),
    }
}

/// The event that a header and its payload tell of.
pub(super) fn decode(header: &Header, payload: &[u8]) -> Result<Event, Error> {
    let subject = match header.subject_kind() {
        SubjectKind::Elevation => Subject::Elevation(ElevationId(uuid(&header.subject)?)),
        SubjectKind::Role => Subject::Role(RoleId(uuid(&header.subject)?)),
        SubjectKind::Unspecified => return Err(malformed()),
    };
    let fact = match header.kind() {
        EventKind::Activated => {
            Fact::Activated { expires_at: Moment::from_ticks(read::<Activated>(payload)?.expires_at) }
        }
        EventKind::Approved => Fact::Approved(read::<Decided>(payload)?.try_into()?),
        EventKind::Filed => Fact::Filed(Box::new(read::<Filed>(payload)?.try_into()?)),
        EventKind::Rejected => Fact::Rejected(read::<Decided>(payload)?.try_into()?),
        EventKind::RoleCreated => read_role_created(subject, read(payload)?)?,
        EventKind::Unspecified => return Err(malformed()),
    };
    Ok(Event { time: Moment::from_ticks(header.time), subject, fact })
}

fn role_created(by: &account::Account, role: &Role) -> RoleCreated {
    RoleCreated {
        by: Some(by.into()),
        display_name: role.display_name.clone(),
        description: role.description.clone(),
        longest_life: role.longest_life.seconds(),
        candidates: role.candidates.iter().map(Principal::from).collect(),
        stages: role.stage.iter().map(Stage::from).collect(),
    }
}

fn read_role_created(subject: Subject, created: RoleCreated) -> Result<Fact, Error> {
    let stage = created.stages.into_iter().next().map(role::Stage::try_from).transpose()?;
    let role = Role {
        id: RoleId(subject.id()),
        display_name: created.display_name,
        description: created.description,
        longest_life: Life::from_seconds(created.longest_life)?,
        candidates: all(created.candidates)?,
        stage,
    };
    Ok(Fact::RoleCreated { by: created.by.ok_or_else(malformed)?.try_into()?, role: Box::new(role) })
}

impl From<&account::Account> for Account {
    fn from(account: &account::Account) -> Self {
        Self { id: account.id.0.into_bytes().to_vec(), name: account.name.clone() }
    }
}

impl TryFrom<Account> for account::Account {
    type Error = Error;

    fn try_from(account: Account) -> Result<Self, Error> {
        Ok(Self { id: AccountId(uuid(&account.id)?), name: account.name })
    }
}

impl From<&account::Principal> for Principal {
    fn from(principal: &account::Principal) -> Self {
        let (name, group) = match principal {
            account::Principal::Account(account) => (account.name.clone(), false),
            account::Principal::Group(group) => (group.name.clone(), true),
        };
        Self { id: principal.id().0.into_bytes().to_vec(), name, group }
    }
}

impl TryFrom<Principal> for account::Principal {
    type Error = Error;

    fn try_from(principal: Principal) -> Result<Self, Error> {
        let (id, name) = (uuid(&principal.id)?, principal.name);
        Ok(if principal.group {
            Self::Group(Group { id: PrincipalId(id), name })
        } else {
            Self::Account(account::Account { id: AccountId(id), name })
        })
    }
}

impl From<&role::Stage> for Stage {
    fn from(stage: &role::Stage) -> Self {
        Self { approvers: stage.approvers.iter().map(Principal::from).collect(), needed: stage.needed }
    }
}

impl TryFrom<Stage> for role::Stage {
    type Error = Error;

    fn try_from(stage: Stage) -> Result<Self, Error> {
        Ok(Self { approvers: all(stage.approvers)?, needed: stage.needed })
    }
}

impl From<&event::Decided> for Decided {
    fn from(decided: &event::Decided) -> Self {
        Self {
            approver: Some((&decided.approver).into()),
            reason: decided.reason.clone(),
            role_revision: decided.role_revision,
        }
    }
}

impl TryFrom<Decided> for event::Decided {
    type Error = Error;

    fn try_from(decided: Decided) -> Result<Self, Error> {
        Ok(Self {
            approver: decided.approver.ok_or_else(malformed)?.try_into()?,
            reason: decided.reason,
            role_revision: decided.role_revision,
        })
    }
}

impl From<&event::Filed> for Filed {
    fn from(filed: &event::Filed) -> Self {
        Self {
            requester: Some((&filed.requester).into()),
            role: filed.role.0.into_bytes().to_vec(),
            role_revision: filed.role_revision,
            role_display_name: filed.role_display_name.clone(),
            justification: filed.justification.clone(),
            requested_life: filed.requested_life.seconds(),
            life: filed.life.seconds(),
            requested_start: filed.requested_start.ticks(),
            approval: filed.approval.map(|opened| ApprovalOpened {
                id: opened.id.0.into_bytes().to_vec(),
                pending_until: opened.pending_until.ticks(),
            }),
        }
    }
}

impl TryFrom<Filed> for event::Filed {
    type Error = Error;

    fn try_from(filed: Filed) -> Result<Self, Error> {
        let opened = |opened: ApprovalOpened| {
            let pending_until = Moment::from_ticks(opened.pending_until);
            Ok::<_, Error>(Opened { id: ApprovalId(uuid(&opened.id)?), pending_until })
        };
        Ok(Self {
            requester: filed.requester.ok_or_else(malformed)?.try_into()?,
            role: RoleId(uuid(&filed.role)?),
            role_revision: filed.role_revision,
            role_display_name: filed.role_display_name,
            justification: filed.justification,
            requested_life: Life::from_seconds(filed.requested_life)?,
            life: Life::from_seconds(filed.life)?,
            requested_start: Moment::from_ticks(filed.requested_start),
            approval: filed.approval.map(opened).transpose()?,
        })
    }
}

fn all(principals: Vec<Principal>) -> Result<Vec<account::Principal>, Error> {
    principals.into_iter().map(account::Principal::try_from).collect()
}

fn read<M: Message + Default>(payload: &[u8]) -> Result<M, Error> {
    M::decode(payload).map_err(Error::internal)
}

fn uuid(bytes: &[u8]) -> Result<Uuid, Error> {
    Uuid::from_slice(bytes).map_err(Error::internal)
}

fn malformed() -> Error {
    Error::internal("an event in the record is malformed")
}
