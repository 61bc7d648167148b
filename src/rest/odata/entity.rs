//! OData bodies, as the original printed them (`docs/rest-api.md` 82 to 89, B35, B37, 101).

use prost_types::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::format::Format;
use super::model::{Cell, Column};
use super::moment::{milliseconds, printed_milliseconds, printed_time_of_day, time_of_day, utc};

/// A row, or its selected properties, as printed.
pub struct Entity<'a> {
    /// The full name of its type in `$metadata`.
    pub kind: &'static str,
    /// The address of the row, if it has one.
    pub address: Option<String>,
    /// The id that Atom prints: an address that no other row has, and that need not lead anywhere.
    pub id: String,
    /// The actions on the row, which Atom prints.
    pub actions: &'static [&'static str],
    /// The moment of the last known change, which Atom prints.
    pub updated: Option<Timestamp>,
    /// Its properties, in the documented order.
    pub cells: Vec<(Column, Cell<'a>)>,
    /// The form of the response.
    pub format: Format,
}

impl Entity<'_> {
    /// Prints the properties into an object that is already open.
    pub fn print_into<M: SerializeMap>(&self, object: &mut M) -> Result<(), M::Error> {
        if self.format.is_verbose() {
            let address = self.address.as_deref();
            object.serialize_entry(
                "__metadata",
                &Metadata {
                    id: address,
                    uri: address,
                    kind: self.kind,
                },
            )?;
        }
        for (column, cell) in &self.cells {
            let kind = column.edm.name();
            let format = self.format;
            object.serialize_entry(column.name, &Value { kind, cell, format })?;
        }
        Ok(())
    }
}

impl Serialize for Entity<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        self.print_into(&mut object)?;
        object.end()
    }
}

/// The metadata of a row that the older form prints in addition to its properties.
#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// A value in a form of JSON.
struct Value<'a> {
    /// The full name of its type.
    kind: &'static str,
    cell: &'a Cell<'a>,
    format: Format,
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { kind, cell, format } = *self;
        match cell {
            Cell::Boolean(value) => value.serialize(serializer),
            Cell::Complex(id) => {
                let mut object = serializer.serialize_map(None)?;
                if format.is_verbose() {
                    object.serialize_entry(
                        "__metadata",
                        &Metadata {
                            id: None,
                            uri: None,
                            kind,
                        },
                    )?;
                }
                object.serialize_entry("Value", id)?;
                object.end()
            }
            Cell::Moment(moment) if format.counts_milliseconds() => {
                milliseconds(*moment).serialize(serializer)
            }
            Cell::Moment(moment) => utc(*moment).serialize(serializer),
            Cell::TimeOfDay(text) if format.counts_milliseconds() => {
                printed_milliseconds(time_of_day(text)).serialize(serializer)
            }
            Cell::TimeOfDay(text) => printed_time_of_day(text).serialize(serializer),
            // An `Edm.Int64` is printed in quotes.
            Cell::Number(number) => serializer.collect_str(number),
            Cell::Text(text) => text.serialize(serializer),
        }
    }
}
