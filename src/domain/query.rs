//! What a list is limited to, its order, and which page of it.

use uuid::Uuid;

use super::error::Error;
use super::moment::{Life, Moment};

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Query {
    /// Comparisons that must all hold.
    pub filter: Vec<Comparison>,
    /// The keys of the order, the first counts most. What they leave open is ordered by filing, then id.
    pub order: Vec<Order>,
    /// How many matches come before the page.
    pub offset: u64,
    /// How many the page holds at most.
    pub limit: u32,
    /// Whether to count all matches.
    pub count: bool,
    /// The moment that all pages show; `None` on the first page, which chooses it.
    pub snapshot: Option<Snapshot>,
}

/// The moment that a list shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Snapshot {
    /// The moment at which expiry is computed.
    pub now: Moment,
    /// The last event that the list knows of.
    pub sequence: u64,
}

impl Snapshot {
    /// How long the pages of a list can be read. The store keeps what changed for as long.
    pub const LIFE: i64 = 3_600 * Moment::TICKS_PER_SECOND;
}

/// A page as the store answers it.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What the page holds.
    pub items: Vec<T>,
    /// Whether there is more after it.
    pub more: bool,
    /// How many match over all pages, where it was asked for.
    pub total: Option<u64>,
    /// The moment that this page and the ones after it show.
    pub snapshot: Snapshot,
}

/// A field of an elevation or of its approval.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    /// The id of the approval.
    ApprovalId,
    /// The id of the elevation.
    ElevationId,
    /// When it was filed.
    FiledAt,
    /// The id that legacy clients know.
    FimRequestId,
    /// Why it was asked for.
    Justification,
    /// When the approval expires.
    PendingUntil,
    /// How long the requester asked to hold the role.
    RequestedLife,
    /// The start that was asked for.
    RequestedStart,
    /// The id of the requester.
    RequesterId,
    /// The name of the requester.
    RequesterName,
    /// The role's display name at filing.
    RoleDisplayName,
    /// The id of the role.
    RoleId,
}

/// A field compared with a value of its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    field: Field,
    operator: Operator,
    value: Value,
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operator {
    /// Equal; null equals null.
    Eq,
    /// Greater or equal.
    Ge,
    /// Greater.
    Gt,
    /// Less or equal.
    Le,
    /// Less.
    Lt,
    /// Not equal; null differs from every value.
    Ne,
}

/// What a field is compared with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// An id.
    Id(Uuid),
    /// A length of time.
    Life(Life),
    /// A moment, of which the millisecond counts.
    Moment(Moment),
    /// No value.
    Null,
    /// A text.
    Text(String),
}

/// One key of an order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Order {
    /// The field.
    pub field: Field,
    /// Whether the largest come first.
    pub descending: bool,
}

impl Comparison {
    /// The comparison, when the types fit: null compares only by equality, everything else with its own kind.
    pub fn new(field: Field, operator: Operator, value: Value) -> Result<Self, Error> {
        let fits = match value {
            Value::Id(_) => matches!(
                field,
                Field::ApprovalId
                    | Field::ElevationId
                    | Field::FimRequestId
                    | Field::RequesterId
                    | Field::RoleId
            ),
            Value::Life(_) => field == Field::RequestedLife,
            Value::Moment(_) => matches!(field, Field::FiledAt | Field::PendingUntil | Field::RequestedStart),
            Value::Null => matches!(operator, Operator::Eq | Operator::Ne),
            Value::Text(_) => {
                matches!(field, Field::Justification | Field::RequesterName | Field::RoleDisplayName)
            }
        };
        if fits {
            Ok(Self { field, operator, value })
        } else {
            Err(Error::invalid("A comparison needs a value of the field's type; null is only EQ or NE."))
        }
    }

    /// The field.
    pub fn field(&self) -> Field {
        self.field
    }

    /// The operator.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The value.
    pub fn value(&self) -> &Value {
        &self.value
    }
}
