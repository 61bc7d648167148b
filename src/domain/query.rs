//! What a list is limited to, its order, and which page of it.

use uuid::Uuid;

use super::bulk::Bulk;
use super::elevation::Status;
use super::error::Error;
use super::event::Channel;
use super::moment::{Moment, Seconds};

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Query<F> {
    /// Comparisons that must all hold.
    pub filter: Vec<Comparison<F>>,
    /// The keys of the order, the first counts most. What they leave open is in the order of the list's own.
    pub order: Vec<Order<F>>,
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

/// A page that takes one row after the other, until it has as many as it may hold, or until they take up 1 MiB. It takes
/// one row in any case.
#[derive(Debug)]
pub struct Filling<T> {
    items: Vec<T>,
    limit: usize,
    octets: usize,
    more: bool,
}

impl<T: Bulk> Filling<T> {
    /// A page of at most `limit` rows.
    pub fn new(limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            items: Vec::new(),
            limit,
            octets: 0,
            more: false,
        }
    }

    /// Takes a row. Returns false if the page is full, so that the row is the first of the next page.
    pub fn take(&mut self, row: T) -> bool {
        self.octets = self.octets.saturating_add(row.octets());
        let fits = self.octets <= LARGEST_PAGE || self.items.is_empty();
        self.more = self.items.len() >= self.limit || !fits;
        if !self.more {
            self.items.push(row);
        }
        !self.more
    }

    /// The page of the rows that were taken.
    pub fn page(self, total: Option<u64>, snapshot: Snapshot) -> Page<T> {
        Page {
            items: self.items,
            more: self.more,
            total,
            snapshot,
        }
    }
}

/// A quarter of what gRPC clients take by default. A single row is always shorter than that.
const LARGEST_PAGE: usize = 1024 * 1024;

/// What a field holds, and so what it compares with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A way by which elevations come.
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
pub trait Field: Copy {
    /// What it holds.
    fn holds(self) -> Type;
}

/// A field of an elevation or of its approval.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ElevationField {
    /// When it became active; null until then.
    ActivateTime,
    /// The id of the approval.
    ApprovalId,
    /// The way by which it came.
    Channel,
    /// The id of the elevation.
    ElevationId,
    /// When it ends; null until it is active.
    ExpireTime,
    /// When it was filed.
    CreateTime,
    /// The id that legacy clients know.
    FimRequestId,
    /// Why it was asked for.
    Justification,
    /// When the approval expires.
    PendingExpireTime,
    /// How long the requester asked to hold the role.
    RequestedDuration,
    /// The start that was asked for.
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
    /// Where it stands at the moment that the list shows.
    Status,
}

impl Field for ElevationField {
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
}

/// A field of a role.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RoleField {
    /// Whether somebody must approve.
    ApprovalRequired,
    /// The time of day from which an elevation may start; empty without a window.
    AvailableFrom,
    /// The time of day until which; empty without a window.
    AvailableTo,
    /// What it is for.
    Description,
    /// What people see.
    DisplayName,
    /// The id of the role.
    Id,
    /// The longest an elevation lives.
    MaxDuration,
}

impl Field for RoleField {
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
}

/// A field compared with a value of its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison<F> {
    field: F,
    operator: Operator,
    value: Value,
}

/// How a field is compared. Null is less than every value, as in an order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Greater or equal.
    Ge,
    /// Greater.
    Gt,
    /// Less or equal.
    Le,
    /// Less.
    Lt,
    /// Not equal.
    Ne,
}

/// What a field is compared with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A way by which elevations come.
    Channel(Channel),
    /// An id.
    Id(Uuid),
    /// A length of time.
    Duration(Seconds),
    /// A moment, of which the millisecond counts.
    Moment(Moment),
    /// No value.
    Null,
    /// A status.
    Status(Status),
    /// A text.
    Text(String),
}

/// One key of an order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Order<F> {
    /// The field.
    pub field: F,
    /// Whether the largest come first.
    pub descending: bool,
}

impl<F: Field> Comparison<F> {
    /// The comparison, when the types fit: everything compares with its own kind; what has no order only by equality. A text
    /// has no NUL, which PostgreSQL does not even compare with.
    pub fn new(field: F, operator: Operator, value: Value) -> Result<Self, Error> {
        let equality = matches!(operator, Operator::Eq | Operator::Ne);
        let fits = match &value {
            Value::Bool(_) => field.holds() == Type::Bool,
            Value::Channel(_) => equality && field.holds() == Type::Channel,
            Value::Id(_) => field.holds() == Type::Id,
            Value::Duration(_) => field.holds() == Type::Duration,
            Value::Moment(_) => field.holds() == Type::Moment,
            Value::Null => equality,
            Value::Status(_) => equality && field.holds() == Type::Status,
            Value::Text(text) => field.holds() == Type::Text && !text.contains('\0'),
        };
        if fits {
            Ok(Self {
                field,
                operator,
                value,
            })
        } else {
            Err(Error::invalid(
                "A comparison needs a value of the field's type, without NUL; null and enums are only EQ or NE.",
            ))
        }
    }

    /// The field.
    pub fn field(&self) -> F {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_compares_with_its_own_kind() {
        use Operator::{Eq, Ge, Gt, Le, Lt, Ne};
        let [all, equality, none]: [&[Operator]; 3] = [&[Eq, Ge, Gt, Le, Lt, Ne], &[Eq, Ne], &[]];
        let table = [
            (
                Value::Channel(Channel::Grpc),
                ElevationField::Channel,
                equality,
            ),
            (Value::Id(Uuid::nil()), ElevationField::RoleId, all),
            (
                Value::Duration(Seconds::HOUR),
                ElevationField::RequestedDuration,
                all,
            ),
            (
                Value::Moment(Moment::from_ticks(0)),
                ElevationField::CreateTime,
                all,
            ),
            (
                Value::Status(Status::Active),
                ElevationField::Status,
                equality,
            ),
            (Value::Text("x".into()), ElevationField::RequesterUser, all),
            (
                Value::Text("a\0b".into()),
                ElevationField::RequesterUser,
                none,
            ),
            (Value::Null, ElevationField::ExpireTime, equality),
            (Value::Bool(true), ElevationField::Status, none),
        ];
        for (value, field, fitting) in table {
            for operator in [Eq, Ge, Gt, Le, Lt, Ne] {
                let comparison = Comparison::new(field, operator, value.clone());
                assert_eq!(
                    comparison.is_ok(),
                    fitting.contains(&operator),
                    "{field:?} {operator:?} {value:?}"
                );
            }
            let wrong = if field == ElevationField::RoleId {
                ElevationField::Status
            } else {
                ElevationField::RoleId
            };
            assert_eq!(
                Comparison::new(wrong, Eq, value.clone()).is_ok(),
                value == Value::Null,
                "{value:?}"
            );
        }
        assert!(Comparison::new(RoleField::ApprovalRequired, Ge, Value::Bool(true)).is_ok());
        assert!(Comparison::new(RoleField::Id, Eq, Value::Bool(true)).is_err());
    }

    #[test]
    fn a_comparison_is_what_it_was_made_of() {
        let comparison = Comparison::new(
            RoleField::Description,
            Operator::Lt,
            Value::Text("x".into()),
        )
        .unwrap();
        assert_eq!(comparison.field(), RoleField::Description);
        assert_eq!(comparison.operator(), Operator::Lt);
        assert_eq!(*comparison.value(), Value::Text("x".into()));
    }

    impl Bulk for usize {
        fn octets(&self) -> usize {
            *self
        }
    }

    #[test]
    fn a_page_ends_where_it_is_full() {
        const MIB: usize = 1_048_576;
        let snapshot = Snapshot {
            now: Moment::from_ticks(0),
            sequence: 1,
        };
        for (rows, kept, more) in [
            (vec![], 0, false),
            (vec![1, 2], 2, false),
            (vec![1, 2, 3], 2, true),
            (vec![MIB - 2, 2], 2, false),
            (vec![MIB - 2, 3], 1, true),
            (vec![MIB, 0], 2, false),
            (vec![4 * MIB], 1, false),
            (vec![4 * MIB, 1], 1, true),
            (vec![usize::MAX, 1], 1, true),
        ] {
            let mut page = Filling::new(2);
            let taken = rows.iter().filter(|row| page.take(**row)).count();
            let page = page.page(Some(9), snapshot);
            assert_eq!(
                (taken, page.items.len(), page.more),
                (kept, kept, more),
                "{rows:?}"
            );
            assert_eq!((page.items, page.total), (rows[..kept].to_vec(), Some(9)));
        }
        assert_eq!(Snapshot::LIFE, 60 * 60 * 10_000_000);
    }
}
