//! Queries of lists: filter, order and page.

mod field;

use super::bulk::Bulk;
use super::error::Error;
use super::moment::Moment;

pub use field::{ElevationField, Field, RoleField, Type, Value};

/// A page of a list.
///
/// Every page shows the present and continues after the last row of the previous page. So a row that always matches,
/// and whose keys stay the same, is on exactly one page. Changes of other rows do not matter.
#[derive(Clone, Debug)]
pub struct Query<F> {
    /// The comparisons, all of which must be true.
    pub filter: Vec<Comparison<F>>,
    /// The keys of the order; the first counts most. [`Field::LAST_KEYS`] order the rows that are equal in them.
    pub order: Vec<Order<F>>,
    /// The row after which the page begins; `None` on the first page.
    pub after: Option<Position>,
    /// The number of rows to leave out at the start of the page.
    pub offset: u64,
    /// The maximum number of rows of the page.
    pub limit: u32,
    /// Whether to count all matches.
    pub count: bool,
}

/// The place of a row in an order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Position {
    keys: Vec<Value>,
    last_keys: [Value; 2],
}

impl Position {
    /// Returns the place of `row` in `order`, as the row is at `now`.
    pub fn of<F: Field>(row: &F::Row, order: &[Order<F>], now: Moment) -> Self {
        Self {
            keys: order.iter().map(|key| key.field.value(row, now)).collect(),
            last_keys: F::LAST_KEYS.map(|field| field.value(row, now)),
        }
    }

    /// Returns the place of a row with these values, which are those of [`values`](Self::values). Fails if they are not
    /// values of the keys of `order`.
    pub fn new<F: Field>(mut values: Vec<Value>, order: &[Order<F>]) -> Result<Self, Error> {
        let fields = order.iter().map(|key| key.field).chain(F::LAST_KEYS);
        for (field, value) in fields.zip(&values) {
            Comparison::new(field, Operator::Eq, value.clone())?;
        }
        let last_keys = values.split_off(order.len().min(values.len()));
        match <[Value; 2]>::try_from(last_keys) {
            Ok(last_keys) if !last_keys.contains(&Value::Null) => Ok(Self {
                keys: values,
                last_keys,
            }),
            _ => Err(Error::invalid(
                "A position must have a value for every key.",
            )),
        }
    }

    /// Returns the values in the keys of the query.
    pub fn keys(&self) -> &[Value] {
        &self.keys
    }

    /// Returns the values in [`Field::LAST_KEYS`], which are never null.
    pub fn last_keys(&self) -> &[Value; 2] {
        &self.last_keys
    }

    /// Returns the values in all keys.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.keys.iter().chain(&self.last_keys)
    }
}

/// A page from the store.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Whether there are rows after them.
    pub more: bool,
    /// The number of matches over all pages; `None` if the query does not count them.
    pub total: Option<u64>,
    /// The moment at which statuses are computed.
    pub now: Moment,
}

/// A page that takes rows until it has its maximum number of rows, or until they take up 1 MiB. It always takes one.
#[derive(Debug)]
pub struct PageBuilder<T> {
    items: Vec<T>,
    limit: usize,
    octets: usize,
    more: bool,
}

impl<T: Bulk> PageBuilder<T> {
    /// Creates a page of at most `limit` rows.
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

    /// Returns the page of the rows that were taken.
    pub fn page(self, total: Option<u64>, now: Moment) -> Page<T> {
        Page {
            items: self.items,
            more: self.more,
            total,
            now,
        }
    }
}

/// The maximum size of a page in octets: a quarter of the default limit of gRPC clients. A single row is always
/// shorter.
const LARGEST_PAGE: usize = 1024 * 1024;

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

/// One key of an order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Order<F> {
    /// The field.
    pub field: F,
    /// Whether the largest come first.
    pub descending: bool,
}

impl<F: Field> Comparison<F> {
    /// Returns a comparison. Fails if the type of the value is not that of the field. Null, channels and statuses have
    /// no order and support only equality. A text must not contain NUL, which PostgreSQL cannot compare.
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
                "The value must have the field's type and contain no NUL. Null and enum fields support only EQ and NE.",
            ))
        }
    }

    /// Returns the field.
    pub fn field(&self) -> F {
        self.field
    }

    /// Returns the operator.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// Returns the value.
    pub fn value(&self) -> &Value {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::event::Channel;
    use crate::domain::moment::Seconds;
    use crate::domain::status::Status;

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

    #[test]
    fn a_position_has_a_value_of_its_type_for_every_key() {
        let order = [Order {
            field: RoleField::MaxDuration,
            descending: true,
        }];
        let [hour, name] = [Value::Duration(Seconds::HOUR), Value::Text("x".into())];
        let id = Value::Id(Uuid::nil());
        let values = vec![hour.clone(), name.clone(), id.clone()];
        let position = Position::new(values.clone(), &order).unwrap();
        assert!(position.values().eq(&values));
        assert_eq!(
            (position.keys(), position.last_keys()),
            (&values[..1], &[name.clone(), id.clone()])
        );
        for bad in [
            vec![],
            vec![hour.clone()],
            vec![hour.clone(), name.clone()],
            vec![hour.clone(), name.clone(), id.clone(), id.clone()],
            vec![name.clone(), hour.clone(), id.clone()],
            vec![hour.clone(), Value::Text("a\0b".into()), id.clone()],
            vec![hour.clone(), name.clone(), Value::Null],
            vec![hour.clone(), Value::Null, id.clone()],
            vec![name.clone(), name.clone(), id.clone()],
        ] {
            assert!(Position::new(bad.clone(), &order).is_err(), "{bad:?}");
        }
        assert!(Position::new(vec![Value::Null, name, id], &order).is_ok());
    }

    impl Bulk for usize {
        fn octets(&self) -> usize {
            *self
        }
    }

    #[test]
    fn a_page_ends_where_it_is_full() {
        const MIB: usize = 1_048_576;
        let now = Moment::from_ticks(0);
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
            let mut page = PageBuilder::new(2);
            let taken = rows.iter().filter(|row| page.take(**row)).count();
            let page = page.page(Some(9), now);
            assert_eq!(
                (taken, page.items.len(), page.more),
                (kept, kept, more),
                "{rows:?}"
            );
            assert_eq!((page.items, page.total), (rows[..kept].to_vec(), Some(9)));
        }
    }
}
