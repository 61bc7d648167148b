//! The result of a command that is not refused.

use crate::domain::account::Principal;
use crate::domain::event::{Activated, Event, Fact};
use crate::domain::moment::{Moment, Seconds};
use crate::domain::reason::ReasonRule;
use crate::domain::refusal::Refusal;
use crate::domain::role::Role;
use crate::domain::version::Versioned;

/// The result of a command that is not refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ruling {
    /// Nothing happens: the command repeats the current state.
    AlreadySo,
    /// These events happen, in this order. There is at least one.
    Happened(Vec<Event>),
}

/// Checks a reason by a rule of the role. Only callers who may read the role give a reason, so the refusal may include
/// the rule.
pub(super) fn check_reason(rule: &ReasonRule, reason: Option<&str>) -> Result<(), Refusal> {
    match rule.fault(reason) {
        Some(fault) => {
            let requirement = Box::new(rule.requirement());
            Err(Refusal::ReasonNotAccepted(fault, requirement))
        }
        None => Ok(()),
    }
}

/// Returns the event that follows if only the start is missing: the activation, or the wait for the start.
pub(super) fn begin(
    start: Moment,
    duration: Seconds,
    role: &Versioned<Role>,
    via: &Principal,
    now: Moment,
) -> Fact {
    if start > now {
        return Fact::Scheduled;
    }
    Fact::Activated(Activated {
        expire_time: now.after(duration.min(role.value.max_duration)),
        role_revision: role.version.0,
        requester_via: Some(via.clone()),
    })
}
