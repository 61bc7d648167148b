//! Who may do what: the only place that knows.
//!
//! Each function answers `AccessDenied` for what is forbidden and for what is not there, so that no answer tells the two
//! apart.

use super::account::Principal;
use super::caller::{Caller, Principals};
use super::elevation::Elevation;
use super::refusal::Refusal;
use super::role::Role;
use super::version::Versioned;

/// Administrators create roles.
pub fn administers(caller: &Caller) -> Result<(), Refusal> {
    if caller.administrator { Ok(()) } else { Err(Refusal::AccessDenied) }
}

/// Administrators and monitors read the metrics.
pub fn monitors(caller: &Caller) -> Result<(), Refusal> {
    if caller.administrator || caller.monitor { Ok(()) } else { Err(Refusal::AccessDenied) }
}

/// Candidates ask to hold a role; answers as whom.
pub fn requests<'a>(principals: &Principals, role: Option<&'a Role>) -> Result<&'a Principal, Refusal> {
    role.and_then(|role| role.candidate(principals)).ok_or(Refusal::AccessDenied)
}

/// The requester, and nobody else, gives an elevation up.
pub fn closes<'a>(caller: &Caller, elevation: Option<&'a Elevation>) -> Result<&'a Elevation, Refusal> {
    elevation.filter(|elevation| elevation.requester.id == caller.account.id).ok_or(Refusal::AccessDenied)
}

/// Approvers of the role, of whichever stage, decide an elevation of it, unless they asked for it themselves; answers the
/// role. Being an administrator never helps.
pub fn decides<'a>(
    caller: &Caller,
    elevation: &Elevation,
    role: Option<&'a Versioned<Role>>,
) -> Result<&'a Versioned<Role>, Refusal> {
    let names = |role: &&Versioned<Role>| role.value.approver(caller.principals()).is_some();
    role.filter(names).filter(|_| caller.account.id != elevation.requester.id).ok_or(Refusal::AccessDenied)
}

/// The requester, the approvers of the role and administrators read an elevation and its approval.
pub fn reads_elevation(
    caller: &Caller,
    elevation: &Elevation,
    role: Option<&Versioned<Role>>,
) -> Result<(), Refusal> {
    if caller.account.id == elevation.requester.id || caller.administrator {
        return Ok(());
    }
    decides(caller, elevation, role).map(|_| ())
}

/// The candidates, the approvers and administrators read a role.
pub fn reads_role(caller: &Caller, role: &Role) -> Result<(), Refusal> {
    let named = role.candidate(caller.principals()).or_else(|| role.approver(caller.principals()));
    if named.is_some() || caller.administrator { Ok(()) } else { Err(Refusal::AccessDenied) }
}
