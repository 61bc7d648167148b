//! Where the fields of a query come from.

use crate::domain::query::{ElevationField, Field, RoleField};

/// Where a field comes from.
pub(in crate::store) enum Source {
    /// A column, or an expression over columns.
    Column(&'static str),
    /// A part of a column, which the backends take out each in their own way.
    RequesterUser,
    /// The state and what time does to it.
    Status,
}

/// A field that statements know.
pub(in crate::store) trait Column: Field {
    /// Where it comes from.
    fn source(self) -> Source;

    /// Whether it can be null.
    fn is_nullable(self) -> bool;
}

impl Column for ElevationField {
    fn source(self) -> Source {
        Source::Column(match self {
            Self::ActivatedAt => "activated_at",
            Self::ApprovalId => "approval",
            Self::Channel => "channel",
            Self::ElevationId => "id",
            Self::ExpiresAt => "expires_at",
            Self::FiledAt => "filed_at",
            Self::FimRequestId => "fim_request_id",
            Self::Justification => "justification",
            Self::PendingUntil => "pending_until",
            Self::RequestedLife => "requested_life",
            Self::RequestedStart => "requested_start",
            Self::RequesterId => "requester_id",
            Self::RequesterName => "requester_name",
            Self::RequesterUser => return Source::RequesterUser,
            Self::RoleDisplayName => "role_display_name",
            Self::RoleId => "role",
            Self::Status => return Source::Status,
        })
    }

    fn is_nullable(self) -> bool {
        let nullable =
            [Self::ActivatedAt, Self::ApprovalId, Self::ExpiresAt, Self::Justification, Self::PendingUntil];
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
            Self::LongestLife => "longest_life",
        })
    }

    fn is_nullable(self) -> bool {
        false
    }
}
