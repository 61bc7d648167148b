//! What the sets of the API hold: properties with a type that OData knows, and where filters and orders find them.

use std::borrow::Cow;

use prost_types::{Duration, Timestamp};

use super::literal::Literal;

/// A property of the rows of a set.
pub struct Property<T> {
    /// What filters and orders know of it.
    pub column: Column,
    /// What a row has of it.
    pub value: for<'a> fn(&'a T) -> Cell<'a>,
}

/// What is known of a property without a row.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name, as clients write it.
    pub name: &'static str,
    /// The type.
    pub edm: Edm,
    /// Whether a row may have none.
    pub nullable: bool,
    /// Whether JSON light leaves it out unless `$select` names it: the documentation does not know it.
    pub unlisted: bool,
    /// Where its values come from.
    pub source: Source,
}

impl<T> Property<T> {
    /// A property that no row lacks.
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

    /// A property that a row may have none of.
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

    /// The key of rows whose documented properties have none: a GUID that no row lacks.
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
    /// A moment; year 1 stands for none.
    DateTime,
    /// A GUID.
    Guid,
    /// The original's complex type around a GUID.
    Identifier,
    /// A whole number, printed in quotes.
    Int64,
    /// A text.
    String,
}

impl Edm {
    /// Whether its values are greater or less than each other.
    pub fn has_an_order(self) -> bool {
        matches!(self, Self::DateTime | Self::Int64 | Self::String)
    }

    /// The name of the type in `$metadata` and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "Edm.Boolean",
            Self::DateTime => "Edm.DateTime",
            Self::Guid => "Edm.Guid",
            Self::Identifier => "PAM.UniqueIdentifier",
            Self::Int64 => "Edm.Int64",
            Self::String => "Edm.String",
        }
    }
}

/// Where the values of a property come from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// A text field of the listed message, of which nothing is left when it is empty.
    EmptyIsNull(&'static str),
    /// A field of the listed message.
    Field(&'static str),
    /// A field of the listed message that is one of a few values, each with the text that clients know it by.
    Named(&'static str, &'static [(&'static str, &'static str)]),
    /// Whether a text field of the listed message is not empty.
    IsSet(&'static str),
    /// A text field of the listed message that is a time of day such as `08:00`, or empty, which clients know as midnight.
    TimeOfDay(&'static str),
    /// False in every row.
    False,
}

/// The value of a property in a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// `true` or `false`.
    Boolean(bool),
    /// The GUID inside the original's complex type.
    Identifier(Cow<'a, str>),
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
    /// The seconds of a length of time.
    pub fn seconds(duration: Option<Duration>) -> Self {
        Self::Number(duration.map_or(0, |duration| duration.seconds))
    }

    /// The GUID inside the original's complex type.
    pub fn identifier(id: &'a str) -> Self {
        Self::Identifier(Cow::Borrowed(id))
    }

    /// A text that is there.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Some(Cow::Borrowed(text)))
    }

    /// A text that may be missing.
    pub fn optional(text: Option<&'a str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }
}

/// Finds the column that a path leads to; one inside the original's complex type too.
pub fn column(columns: impl Iterator<Item = Column>, path: &str) -> Option<Column> {
    let (name, inner) = path
        .split_once('/')
        .map_or((path, None), |(name, inner)| (name, Some(inner)));
    let found = columns.into_iter().find(|column| column.name == name)?;
    match (found.edm, inner) {
        (_, None) => Some(found),
        (Edm::Identifier, Some("Value")) => Some(Column {
            edm: Edm::Guid,
            ..found
        }),
        _ => None,
    }
}

/// Whether a literal of that type compares with a property of this one.
pub fn compares(edm: Edm, literal: &Literal) -> bool {
    match literal {
        Literal::Null => edm != Edm::Identifier,
        Literal::Boolean(_) => edm == Edm::Boolean,
        Literal::DateTime(_) => edm == Edm::DateTime,
        Literal::Double(_) | Literal::Int32(_) | Literal::Int64(_) => edm == Edm::Int64,
        Literal::Guid(_) => edm == Edm::Guid,
        Literal::Text(_) => edm == Edm::String,
        Literal::DateTimeOffset | Literal::Time => false,
    }
}
