//! The statuses of elevations and approvals.

use strum::{EnumString, IntoStaticStr, VariantArray};

/// The status of an elevation: after its last event, or at a moment.
#[derive(Clone, Copy, Debug, EnumString, Eq, IntoStaticStr, PartialEq, VariantArray)]
pub enum Status {
    /// The requester holds the role.
    Active,
    /// The requester has closed it.
    Closed,
    /// Its duration has passed, or its approval was not decided in time.
    Expired,
    /// Waits for approval.
    PendingApproval,
    /// Rejected, or no longer allowed at its start.
    Rejected,
    /// Waits for its start. If the start is now, the activation is in the same commit.
    Scheduled,
}

/// The status of an approval at a moment.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum ApprovalStatus {
    /// Approved by all approvers that the role requires.
    Approved,
    /// The requester closed the elevation before the decision.
    Closed,
    /// Not decided in time.
    Expired,
    /// Waits for decisions.
    Pending,
    /// Rejected.
    Rejected,
}

/// A stored time at which a status turns into [`Status::Expired`] by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expiry {
    /// The `expire_time` of the elevation.
    ExpireTime,
    /// The `pending_expire_time` of the approval.
    PendingExpireTime,
}

impl Status {
    /// Every status.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the name of the status, which the store keeps too.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns whether the status never changes.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Closed | Self::Expired | Self::Rejected)
    }

    /// Returns the time at which the status after the last event turns into `Expired`; `None` if it never does.
    ///
    /// This is the one rule of expiry. [`Elevation::status_at`](super::elevation::Elevation::status_at) follows it for
    /// one elevation, and the condition of a store for many.
    pub const fn expiry(self) -> Option<Expiry> {
        match self {
            Self::Active => Some(Expiry::ExpireTime),
            Self::PendingApproval => Some(Expiry::PendingExpireTime),
            Self::Closed | Self::Expired | Self::Rejected | Self::Scheduled => None,
        }
    }
}

impl ApprovalStatus {
    /// Every status.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the name of the status in errors.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
