//! The expected reasons for which a command does not happen.

use strum::{EnumDiscriminants, EnumIter};

use super::fault::{ReasonFault, ReasonRequirement};
use super::status::{ApprovalStatus, Status};

/// The reason for which a command does not happen: an expected outcome, which the caller reads.
///
/// [`RefusalKind`] has the same variants without their values.
#[derive(Clone, Debug, EnumDiscriminants, Eq, PartialEq)]
#[strum_discriminants(
    name(RefusalKind),
    derive(EnumIter, Hash),
    doc = "The kind of a [`Refusal`], which has the same variants without their values.",
    allow(missing_docs)
)]
pub enum Refusal {
    /// The caller may not do this, or the object does not exist. The response does not reveal which.
    AccessDenied,
    /// The caller has decided the other way before.
    AlreadyDecided,
    /// The approval is decided, closed or expired.
    ApprovalNotPending(ApprovalStatus),
    /// The elevation was rejected or has expired.
    ElevationEnded(Status),
    /// The start is outside the availability window of the role.
    OutsideWindow,
    /// The reason does not meet the requirement of the role.
    ReasonNotAccepted(ReasonFault, Box<ReasonRequirement>),
    /// The client has given this id to another request.
    RequestIdReused,
    /// The requester is no longer a candidate of the role.
    RequesterNotCandidate,
    /// The role is at another version.
    RoleChanged,
    /// A role has the id, or a deleted role had it.
    RoleExists,
    /// Elevations of the role are pending, scheduled or active.
    RoleInUse,
    /// The approval waits for approvers of another stage.
    StageNotOpen,
    /// The start is too far ahead.
    StartTooLate,
    /// The caller has reached the limit of elevations filed within an hour.
    TooManyFilings(u32),
    /// The caller has reached the limit of elevations that wait for approval.
    TooManyPending(u32),
}

impl Refusal {
    /// Returns whether the refusal reports an existing record: a decision, a filing or a role. The record must be
    /// durable before the caller learns of it.
    pub const fn reports_a_record(&self) -> bool {
        match self {
            Self::AlreadyDecided
            | Self::ApprovalNotPending(_)
            | Self::ElevationEnded(_)
            | Self::RequestIdReused
            | Self::RoleChanged
            | Self::RoleExists => true,
            Self::AccessDenied
            | Self::OutsideWindow
            | Self::ReasonNotAccepted(..)
            | Self::RequesterNotCandidate
            | Self::RoleInUse
            | Self::StageNotOpen
            | Self::StartTooLate
            | Self::TooManyFilings(_)
            | Self::TooManyPending(_) => false,
        }
    }
}
