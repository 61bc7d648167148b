//! Commands on roles.

use super::Facts;
use crate::domain::event::{Event, Fact, Subject};
use crate::domain::id::RoleId;
use crate::domain::moment::Moment;
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::role::Role;
use crate::domain::version::Version;

pub(super) fn create(facts: &Facts<'_>, role: Role, now: Moment) -> Result<Vec<Event>, Refusal> {
    rights::administers(facts.caller)?;
    if facts.role_id_taken {
        return Err(Refusal::RoleExists);
    }
    Ok(event(
        facts,
        role.id,
        now,
        Fact::RoleCreated(Box::new(role)),
    ))
}

pub(super) fn update(
    facts: &Facts<'_>,
    role: Role,
    version: Version,
    now: Moment,
) -> Result<Vec<Event>, Refusal> {
    rights::administers(facts.caller)?;
    let before = facts.role.ok_or(Refusal::AccessDenied)?;
    if before.version != version {
        return Err(Refusal::RoleChanged);
    }
    Ok(event(
        facts,
        role.id,
        now,
        Fact::RoleUpdated(Box::new(role)),
    ))
}

pub(super) fn delete(facts: &Facts<'_>, now: Moment) -> Result<Vec<Event>, Refusal> {
    rights::administers(facts.caller)?;
    let role = facts.role.ok_or(Refusal::AccessDenied)?;
    if facts.role_in_use {
        return Err(Refusal::RoleInUse);
    }
    Ok(event(facts, role.value.id, now, Fact::RoleDeleted))
}

fn event(facts: &Facts<'_>, role: RoleId, time: Moment, fact: Fact) -> Vec<Event> {
    vec![Event {
        time,
        subject: Subject::Role(role),
        by: Some(facts.actor(None)),
        fact,
    }]
}
