//! What time alone does: beginnings and endings whose moment has come.

use super::{begin, events};
use crate::domain::caller::Principals;
use crate::domain::elevation::{Elevation, State};
use crate::domain::event::{Event, Fact, Lapse};
use crate::domain::moment::Moment;
use crate::domain::rights;
use crate::domain::role::Role;
use crate::domain::stages::Progress;
use crate::domain::version::Versioned;

/// What the passing of time may rely on. The scheduler loaded it; the commit expects that it still holds.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    /// The elevation.
    pub elevation: &'a Elevation,
    /// Its role, as it is now; `None` when there is none.
    pub role: Option<&'a Versioned<Role>>,
    /// Everything that the requester counts as, by the directory, now.
    pub requester: &'a Principals,
    /// Everything that those who have decided the approval count as, by the directory, now, in the order of the decisions.
    pub deciders: &'a [Principals],
}

/// What the passing of time until `now` has done to an elevation. No events means nothing yet.
///
/// Rights are checked again at the start: the role must be there, the requester a candidate, and whoever approved an
/// approver, as far as they are needed.
pub fn advance(due: &Due<'_>, now: Moment) -> Vec<Event> {
    let elevation = due.elevation;
    if elevation.due().is_none_or(|moment| moment > now) {
        return Vec::new();
    }
    let fact = match elevation.state {
        State::Active | State::PendingApproval => Some(Fact::Expired),
        State::Scheduled => Some(start(due, now).unwrap_or_else(Fact::Lapsed)),
        State::Closed | State::Expired | State::Rejected => None,
    };
    events(elevation.id, now, None, [fact, None])
}

fn start(due: &Due<'_>, now: Moment) -> Result<Fact, Lapse> {
    let role = due.role.ok_or(Lapse::Role)?;
    let via = rights::requests(due.requester, Some(&role.value)).map_err(|_| Lapse::Candidacy)?;
    let elevation = due.elevation;
    let approved = match &elevation.approval {
        Some(approval) => Progress::of(
            &role.value.stages,
            approval,
            due.deciders,
            elevation.requester.id,
        )
        .open()
        .is_none(),
        None => role.value.stages.is_empty() || role.value.auto_approves(due.requester).is_some(),
    };
    if !approved {
        return Err(Lapse::Approvals);
    }
    Ok(begin(
        elevation.requested_start_time,
        elevation.duration,
        role,
        via,
        now,
    ))
}
