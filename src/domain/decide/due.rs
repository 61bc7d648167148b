//! Changes by time alone: starts and ends that are due.

use super::ruling::begin;
use crate::domain::caller::Principals;
use crate::domain::elevation::Elevation;
use crate::domain::event::{Event, Fact, Lapse, Subject};
use crate::domain::moment::Moment;
use crate::domain::rights;
use crate::domain::role::Role;
use crate::domain::stages::Progress;
use crate::domain::status::Status;
use crate::domain::version::Versioned;

/// The facts that a start or an end relies on.
#[derive(Clone, Copy, Debug)]
pub struct DueFacts<'a> {
    /// The elevation.
    pub elevation: &'a Elevation,
    /// Its role as it is now; `None` if it was deleted. An end does not depend on it.
    pub role: Option<&'a Versioned<Role>>,
    /// The principals of the requester, by the directory, now. An end does not depend on them.
    pub requester: &'a Principals,
    /// The principals of each person who has decided the approval, by the directory, now, in the order of the
    /// decisions. An end does not depend on them.
    pub deciders: &'a [Principals],
}

/// Returns the event that the passing of time until `now` has caused for an elevation; `None` if nothing is due.
///
/// A start checks all rights again. The role must exist, and the requester must be a candidate. The approvals by people
/// who are still approvers must be enough.
pub fn due(facts: &DueFacts<'_>, now: Moment) -> Option<Event> {
    let elevation = facts.elevation;
    if elevation.due()? > now {
        return None;
    }
    let fact = match elevation.status {
        Status::Active | Status::PendingApproval => Fact::Expired,
        Status::Scheduled => start(facts, now).unwrap_or_else(Fact::Lapsed),
        Status::Closed | Status::Expired | Status::Rejected => return None,
    };
    Some(Event {
        time: now,
        subject: Subject::Elevation(elevation.id),
        by: None,
        fact,
    })
}

fn start(facts: &DueFacts<'_>, now: Moment) -> Result<Fact, Lapse> {
    let role = facts.role.ok_or(Lapse::Role)?;
    let Ok(via) = rights::requests(facts.requester, &role.value) else {
        return Err(Lapse::Candidacy);
    };
    if !is_approved(facts, &role.value) {
        return Err(Lapse::Approvals);
    }
    let Elevation {
        requested_start_time: start,
        duration,
        ..
    } = *facts.elevation;
    Ok(begin(start, duration, role, via, now))
}

fn is_approved(facts: &DueFacts<'_>, role: &Role) -> bool {
    let stages = &role.stages;
    match &facts.elevation.approval {
        Some(approval) => {
            let requester = facts.elevation.requester.id;
            let progress = Progress::of(stages, approval, facts.deciders, requester);
            progress.open().is_none()
        }
        None => stages.is_empty() || role.auto_approves(facts.requester).is_some(),
    }
}
