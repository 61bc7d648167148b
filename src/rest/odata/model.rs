//! The model of the sets of the API: properties with an OData type, and their sources for filters and orders.

use std::borrow::Cow;

use prost_types::{Duration, Timestamp};

use super::literal::Literal;

/// A property of the rows of a set.
pub struct Property<T> {
    /// The part that filters and orders use.
    pub column: Column,
    /// Returns the value of the property in a row.
    pub value: for<'a> fn(&'a T) -> Cell<'a>,
}

/// The part of a property that does not depend on a row.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name, as clients write it.
    pub name: &'static str,
    /// The type.
    pub edm: Edm,
    /// Whether a row may lack it.
    pub nullable: bool,
    /// Whether JSON light omits it unless `$select` names it, since the documentation does not list it.
    pub unlisted: bool,
    /// The source of its values.
    pub source: Source,
}

impl<T> Property<T> {
    /// Returns a property that no row lacks.
    pub const fn new(
        name: &'static str,
        edm: Edm,
        source: Source,
        value: for<'a> fn(&'a T) -> Cell<'a>,
    ) -> Self {
        Self {
            column: Column {
                name,
                edm,
                nullable: false,
                unlisted: false,
                source,
            },
            value,
        }
    }

    /// Returns a property that a row may lack.
    pub const fn nullable(
        name: &'static str,
        edm: Edm,
        source: Source,
        value: for<'a> fn(&'a T) -> Cell<'a>,
    ) -> Self {
        Self {
            column: Column {
                name,
                edm,
                nullable: true,
                unlisted: false,
                source,
            },
            value,
        }
    }

    /// Returns the key of rows without a documented key: a GUID that no row lacks.
    pub const fn key(
        name: &'static str,
        source: Source,
        value: for<'a> fn(&'a T) -> Cell<'a>,
    ) -> Self {
        Self {
            column: Column {
                name,
                edm: Edm::Guid,
                nullable: false,
                unlisted: true,
                source,
            },
            value,
        }
    }
}

/// The types of OData that properties have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Edm {
    /// `true` or `false`.
    Boolean,
    /// A moment; year 1 means none.
    DateTime,
    /// A GUID.
    Guid,
    /// A complex type with one property, `Value`, which is a GUID; with its full name.
    Complex(&'static str),
    /// A whole number, printed in quotes.
    Int64,
    /// A text.
    String,
}

impl Edm {
    /// Returns whether its values have an order.
    pub fn has_an_order(self) -> bool {
        matches!(self, Self::DateTime | Self::Int64 | Self::String)
    }

    /// Returns whether its values consist of properties.
    pub fn is_complex(self) -> bool {
        matches!(self, Self::Complex(_))
    }

    /// Returns the name of the type in `$metadata` and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "Edm.Boolean",
            Self::DateTime => "Edm.DateTime",
            Self::Guid => "Edm.Guid",
            Self::Complex(name) => name,
            Self::Int64 => "Edm.Int64",
            Self::String => "Edm.String",
        }
    }
}

/// The source of the values of a property.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// A text field of the listed message; an empty text is null.
    EmptyIsNull(&'static str),
    /// A field of the listed message.
    Field(&'static str),
    /// A field of the listed message with a few values, each with the text that clients know it by.
    Named(&'static str, &'static [(&'static str, &'static str)]),
    /// Whether a text field of the listed message is not empty.
    IsSet(&'static str),
    /// A text field of the listed message with a time of day such as `08:00`. If it is empty, clients see midnight.
    TimeOfDay(&'static str),
    /// False in every row.
    False,
}

/// The value of a property in a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// `true` or `false`.
    Boolean(bool),
    /// The GUID inside a complex type.
    Complex(Cow<'a, str>),
    /// A whole number.
    Number(i64),
    /// A moment, or none.
    Moment(Option<Timestamp>),
    /// A time of day such as `08:00`, or none.
    TimeOfDay(&'a str),
    /// A text or a GUID, or null.
    Text(Option<Cow<'a, str>>),
}

impl<'a> Cell<'a> {
    /// Returns the seconds of a duration.
    pub fn seconds(duration: Option<Duration>) -> Self {
        Self::Number(duration.map_or(0, |duration| duration.seconds))
    }

    /// Returns the GUID inside a complex type.
    pub fn complex(id: &'a str) -> Self {
        Self::Complex(Cow::Borrowed(id))
    }

    /// Returns a text that is present.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Some(Cow::Borrowed(text)))
    }

    /// Returns a text that may be missing.
    pub fn optional(text: Option<&'a str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }
}

/// Returns the name of a type without its namespace.
pub fn short_name(name: &'static str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, short)) => short,
        None => name,
    }
}

/// Finds the column of a path, also of one inside a complex type.
pub fn column(columns: impl Iterator<Item = Column>, path: &str) -> Option<Column> {
    let (name, inner) = match path.split_once('/') {
        Some((name, inner)) => (name, Some(inner)),
        None => (path, None),
    };
    let found = columns.into_iter().find(|column| column.name == name)?;
    match (found.edm, inner) {
        (_, None) => Some(found),
        (Edm::Complex(_), Some("Value")) => Some(Column {
            edm: Edm::Guid,
            ..found
        }),
        _ => None,
    }
}

/// Returns whether a literal can be compared with a property of that type.
pub fn compares(edm: Edm, literal: &Literal) -> bool {
    match literal {
        Literal::Null => !edm.is_complex(),
        Literal::Boolean(_) => edm == Edm::Boolean,
        Literal::DateTime(_) => edm == Edm::DateTime,
        Literal::Double(_) | Literal::Int32(_) | Literal::Int64(_) => edm == Edm::Int64,
        Literal::Guid(_) => edm == Edm::Guid,
        Literal::Text(_) => edm == Edm::String,
        Literal::DateTimeOffset | Literal::Time => false,
    }
}
