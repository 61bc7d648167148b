//! Who may do what: the only place that knows.
//!
//! Each function answers `AccessDenied` for what is forbidden and for what is not there, so that no answer tells the two
//! apart.

use super::caller::{Caller, Principals};
use super::decide::Refusal;
use super::elevation::Elevation;
use super::role::Role;

/// Administrators create roles.
pub fn administers(caller: &Caller) -> Result<(), Refusal> {
    if caller.administrator { Ok(()) } else { Err(Refusal::AccessDenied) }
}

/// Candidates ask to hold a role.
pub fn requests<'a>(principals: &Principals, role: Option<&'a Role>) -> Result<&'a Role, Refusal> {
    role.filter(|role| role.has_candidate(principals)).ok_or(Refusal::AccessDenied)
}

/// Approvers of the role decide an elevation of it, unless they asked for it themselves. Being an administrator never
/// helps.
pub fn decides(caller: &Caller, elevation: &Elevation, role: Option<&Role>) -> Result<(), Refusal> {
    let approver = role.is_some_and(|role| role.has_approver(caller.principals()));
    if approver && caller.account.id != elevation.requester.id { Ok(()) } else { Err(Refusal::AccessDenied) }
}

/// The requester, the approvers of the role and administrators read an elevation and its approval.
pub fn reads_elevation(caller: &Caller, elevation: &Elevation, role: Option<&Role>) -> Result<(), Refusal> {
    if caller.account.id == elevation.requester.id || caller.administrator {
        return Ok(());
    }
    decides(caller, elevation, role)
}

/// The candidates, the approvers and administrators read a role.
pub fn reads_role(caller: &Caller, role: &Role) -> Result<(), Refusal> {
    let named = role.has_candidate(caller.principals()) || role.has_approver(caller.principals());
    if named || caller.administrator { Ok(()) } else { Err(Refusal::AccessDenied) }
}
