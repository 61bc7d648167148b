//! The sources of the fields of a query.

use crate::domain::query::{ElevationField, Field, RoleField};

/// The source of a field.
pub(in crate::store) enum Source {
    /// A column, or an expression over columns.
    Column(&'static str),
    /// A part of a column, which each backend extracts in its own way.
    RequesterUser,
    /// The state, and the effect of time on it.
    Status,
}

/// A field that statements support.
pub(in crate::store) trait Column: Field {
    /// Returns the source of the field.
    fn source(self) -> Source;

    /// Returns whether the field can be null.
    fn is_nullable(self) -> bool;
}

impl Column for ElevationField {
    fn source(self) -> Source {
        Source::Column(match self {
            Self::ActivateTime => "activate_time",
            Self::ApprovalId => "approval",
            Self::Channel => "channel",
            Self::ElevationId => "id",
            Self::ExpireTime => "expire_time",
            Self::CreateTime => "create_time",
            Self::FimRequestId => "fim_request_id",
            Self::Justification => "justification",
            Self::PendingExpireTime => "pending_expire_time",
            Self::RequestedDuration => "requested_duration",
            Self::RequestedStartTime => "requested_start_time",
            Self::RequesterId => "requester_id",
            Self::RequesterName => "requester_name",
            Self::RequesterUser => return Source::RequesterUser,
            Self::RoleDisplayName => "role_display_name",
            Self::RoleId => "role",
            Self::Status => return Source::Status,
        })
    }

    fn is_nullable(self) -> bool {
        let nullable = [
            Self::ActivateTime,
            Self::ApprovalId,
            Self::ExpireTime,
            Self::Justification,
            Self::PendingExpireTime,
        ];
        nullable.contains(&self)
    }
}

impl Column for RoleField {
    fn source(self) -> Source {
        Source::Column(match self {
            Self::ApprovalRequired => "(CAST(stages AS text) <> '[]')",
            Self::AvailableFrom => "available_from",
            Self::AvailableTo => "available_to",
            Self::Description => "description",
            Self::DisplayName => "display_name",
            Self::Id => "id",
            Self::MaxDuration => "max_duration",
        })
    }

    fn is_nullable(self) -> bool {
        false
    }
}
