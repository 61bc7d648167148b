//! Closing an elevation.

use super::call::Call;
use super::ruling::Ruling;
use crate::domain::elevation::Elevation;
use crate::domain::event::Fact;
use crate::domain::moment::Moment;
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::status::Status;

/// The facts that the closing of an elevation relies on.
#[derive(Clone, Copy, Debug)]
pub struct ClosingFacts<'a> {
    /// The call.
    pub call: Call<'a>,
    /// The elevation to close.
    pub elevation: &'a Elevation,
}

/// Decides whether the caller closes an elevation at `now`.
///
/// # Errors
///
/// `AccessDenied` if the caller is not the requester. `ElevationEnded` if it has expired or was rejected.
pub fn closing(facts: &ClosingFacts<'_>, now: Moment) -> Result<Ruling, Refusal> {
    let ClosingFacts { call, elevation } = facts;
    rights::closes(call.caller, elevation)?;
    match elevation.status_at(now) {
        Status::Closed => Ok(Ruling::AlreadySo),
        ended @ (Status::Expired | Status::Rejected) => Err(Refusal::ElevationEnded(ended)),
        Status::Active | Status::PendingApproval | Status::Scheduled => {
            let closed = call.event(elevation.id, None, now, Fact::Closed);
            Ok(Ruling::Happened(vec![closed]))
        }
    }
}
