//! Creating, changing and deleting a role.

use super::call::Call;
use crate::domain::event::{Event, Fact, Subject};
use crate::domain::id::RoleId;
use crate::domain::moment::Moment;
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::role::Role;
use crate::domain::version::{Version, Versioned};

/// The facts that the creation of a role relies on.
#[derive(Clone, Copy, Debug)]
pub struct CreateRoleFacts<'a> {
    /// The call.
    pub call: Call<'a>,
    /// Whether a role has the id, or a deleted role had it.
    pub id_taken: bool,
}

/// The facts that the change of a role relies on.
#[derive(Clone, Copy, Debug)]
pub struct UpdateRoleFacts<'a> {
    /// The call.
    pub call: Call<'a>,
    /// The role as it is now; `None` if there is none.
    pub role: Option<&'a Versioned<Role>>,
}

/// The facts that the deletion of a role relies on.
#[derive(Clone, Copy, Debug)]
pub struct DeleteRoleFacts<'a> {
    /// The call.
    pub call: Call<'a>,
    /// The role as it is now; `None` if there is none.
    pub role: Option<&'a Versioned<Role>>,
    /// Whether elevations of the role are pending, scheduled or active.
    pub in_use: bool,
}

/// Decides whether the caller creates a role at `now`.
///
/// # Errors
///
/// `AccessDenied` if the caller is no administrator. `RoleExists` if the id is taken.
pub fn create_role(
    facts: &CreateRoleFacts<'_>,
    role: &Role,
    now: Moment,
) -> Result<Event, Refusal> {
    rights::administers(facts.call.caller)?;
    if facts.id_taken {
        return Err(Refusal::RoleExists);
    }
    let created = Fact::RoleCreated(Box::new(role.clone()));
    Ok(event(&facts.call, role.id, now, created))
}

/// Decides whether the caller replaces the role that is at `version`, at `now`.
///
/// # Errors
///
/// `AccessDenied` if the caller is no administrator or there is no such role. `RoleChanged` if it is at another version.
pub fn update_role(
    facts: &UpdateRoleFacts<'_>,
    role: &Role,
    version: Version,
    now: Moment,
) -> Result<Event, Refusal> {
    rights::administers(facts.call.caller)?;
    let before = facts.role.ok_or(Refusal::AccessDenied)?;
    if before.version != version {
        return Err(Refusal::RoleChanged);
    }
    let updated = Fact::RoleUpdated(Box::new(role.clone()));
    Ok(event(&facts.call, role.id, now, updated))
}

/// Decides whether the caller deletes a role at `now`.
///
/// # Errors
///
/// `AccessDenied` if the caller is no administrator or there is no such role. `RoleInUse` if it is in use.
pub fn delete_role(facts: &DeleteRoleFacts<'_>, now: Moment) -> Result<Event, Refusal> {
    rights::administers(facts.call.caller)?;
    let role = facts.role.ok_or(Refusal::AccessDenied)?;
    if facts.in_use {
        return Err(Refusal::RoleInUse);
    }
    Ok(event(&facts.call, role.value.id, now, Fact::RoleDeleted))
}

fn event(call: &Call<'_>, role: RoleId, time: Moment, fact: Fact) -> Event {
    Event {
        time,
        subject: Subject::Role(role),
        by: Some(call.actor(None)),
        fact,
    }
}
