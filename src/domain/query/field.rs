//! The fields of lists and their values.

use uuid::Uuid;

use crate::domain::elevation::Elevation;
use crate::domain::event::Channel;
use crate::domain::moment::{Moment, Seconds};
use crate::domain::role::Role;
use crate::domain::status::Status;
use crate::domain::window::{TimeOfDay, Window};

/// The type of a field's values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A channel of filing.
    Channel,
    /// An id.
    Id,
    /// A length of time.
    Duration,
    /// A moment.
    Moment,
    /// A status.
    Status,
    /// A text.
    Text,
}

/// A field that a list can be filtered and ordered by.
pub trait Field: Copy + Send + Sync + 'static {
    /// The rows of the list.
    type Row;

    /// The fields that order rows which are equal in every key of a query. No two rows are equal in them, and they are
    /// never null.
    const LAST_KEYS: [Self; 2];

    /// Returns the type of its values.
    fn holds(self) -> Type;

    /// Returns the value of the field in `row` at `now`; [`Value::Null`] if it has none.
    fn value(self, row: &Self::Row, now: Moment) -> Value;
}

/// A field of an elevation or of its approval.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ElevationField {
    /// The time of activation; null before it.
    ActivateTime,
    /// The id of the approval.
    ApprovalId,
    /// The channel of filing.
    Channel,
    /// The id of the elevation.
    ElevationId,
    /// The time at which it expires; null before its activation.
    ExpireTime,
    /// The time of filing.
    CreateTime,
    /// The id for legacy clients.
    FimRequestId,
    /// The justification.
    Justification,
    /// The time at which the pending approval expires; null if none was required.
    PendingExpireTime,
    /// The requested duration.
    RequestedDuration,
    /// The requested start.
    RequestedStartTime,
    /// The id of the requester.
    RequesterId,
    /// The name of the requester.
    RequesterName,
    /// The name of the requester without its domain.
    RequesterUser,
    /// The role's display name at filing.
    RoleDisplayName,
    /// The id of the role.
    RoleId,
    /// Its status at the moment of the page.
    Status,
}

impl Field for ElevationField {
    type Row = Elevation;

    const LAST_KEYS: [Self; 2] = [Self::CreateTime, Self::ElevationId];

    fn holds(self) -> Type {
        match self {
            Self::ActivateTime
            | Self::ExpireTime
            | Self::CreateTime
            | Self::PendingExpireTime
            | Self::RequestedStartTime => Type::Moment,
            Self::ApprovalId
            | Self::ElevationId
            | Self::FimRequestId
            | Self::RequesterId
            | Self::RoleId => Type::Id,
            Self::Channel => Type::Channel,
            Self::Justification
            | Self::RequesterName
            | Self::RequesterUser
            | Self::RoleDisplayName => Type::Text,
            Self::RequestedDuration => Type::Duration,
            Self::Status => Type::Status,
        }
    }

    fn value(self, row: &Elevation, now: Moment) -> Value {
        let approval = row.approval.as_ref();
        let value = match self {
            Self::ActivateTime => row.activate_time.map(Value::Moment),
            Self::ApprovalId => approval.map(|approval| Value::Id(approval.id.0)),
            Self::Channel => Some(Value::Channel(row.channel)),
            Self::CreateTime => Some(Value::Moment(row.create_time)),
            Self::ElevationId => Some(Value::Id(row.id.0)),
            Self::ExpireTime => row.expire_time.map(Value::Moment),
            Self::FimRequestId => Some(Value::Id(row.id.fim_request_id())),
            Self::Justification => row.justification.clone().map(Value::Text),
            Self::PendingExpireTime => {
                approval.map(|approval| Value::Moment(approval.pending_expire_time))
            }
            Self::RequestedDuration => Some(Value::Duration(row.requested_duration)),
            Self::RequestedStartTime => Some(Value::Moment(row.requested_start_time)),
            Self::RequesterId => Some(Value::Id(row.requester.id.0)),
            Self::RequesterName => Some(Value::Text(row.requester.name.clone())),
            Self::RequesterUser => Some(Value::Text(row.requester.user().to_owned())),
            Self::RoleDisplayName => Some(Value::Text(row.role_display_name.clone())),
            Self::RoleId => Some(Value::Id(row.role.0)),
            Self::Status => Some(Value::Status(row.status_at(now))),
        };
        value.unwrap_or(Value::Null)
    }
}

/// A field of a role.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RoleField {
    /// Whether it requires an approval.
    ApprovalRequired,
    /// The time of day from which an elevation may start; empty without a window.
    AvailableFrom,
    /// The time of day before which an elevation may start; empty without a window.
    AvailableTo,
    /// The description.
    Description,
    /// The display name.
    DisplayName,
    /// The id of the role.
    Id,
    /// The maximum duration of an elevation.
    MaxDuration,
}

impl Field for RoleField {
    type Row = Role;

    const LAST_KEYS: [Self; 2] = [Self::DisplayName, Self::Id];

    fn holds(self) -> Type {
        match self {
            Self::ApprovalRequired => Type::Bool,
            Self::AvailableFrom | Self::AvailableTo | Self::Description | Self::DisplayName => {
                Type::Text
            }
            Self::Id => Type::Id,
            Self::MaxDuration => Type::Duration,
        }
    }

    fn value(self, row: &Role, _: Moment) -> Value {
        let window = row.rules.window;
        match self {
            Self::ApprovalRequired => Value::Bool(!row.stages.is_empty()),
            Self::AvailableFrom => time_of_day(window.map(Window::from)),
            Self::AvailableTo => time_of_day(window.map(Window::to)),
            Self::Description => Value::Text(row.description.clone()),
            Self::DisplayName => Value::Text(row.display_name.clone()),
            Self::Id => Value::Id(row.id.0),
            Self::MaxDuration => Value::Duration(row.max_duration),
        }
    }
}

/// A value of a field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A channel of filing.
    Channel(Channel),
    /// An id.
    Id(Uuid),
    /// A length of time.
    Duration(Seconds),
    /// A moment. Filters compare whole milliseconds.
    Moment(Moment),
    /// No value.
    Null,
    /// A status.
    Status(Status),
    /// A text.
    Text(String),
}

/// Returns a time of day as a text; empty if there is none.
fn time_of_day(time: Option<TimeOfDay>) -> Value {
    Value::Text(time.map(|time| time.to_string()).unwrap_or_default())
}
