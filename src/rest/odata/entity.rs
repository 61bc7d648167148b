//! OData bodies, as the original printed them (`docs/rest-api.md` 82 to 89, B35, B37, 101).

use std::io;

use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use jiff::tz::TimeZone;
use prost_types::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

use super::atom::Writer;
use super::format::{DocumentKind, Format};
use super::model::{Cell, Column};

/// A row, or what was selected of it, as it is printed.
pub struct Entity<'a> {
    /// The type that `$metadata` knows it by.
    pub kind: &'static str,
    /// The address of the row, where it has one.
    pub address: Option<String>,
    /// The id that Atom prints: an address that no other row has, and that need not lead anywhere.
    pub id: String,
    /// The actions on the row, which Atom prints.
    pub actions: &'static [&'static str],
    /// The moment of the last known change, which Atom prints.
    pub updated: Option<Timestamp>,
    /// Its properties, in the documented order.
    pub cells: Vec<(Column, Cell<'a>)>,
    /// The form of the answer.
    pub format: Format,
}

impl Entity<'_> {
    /// Prints the properties into an object that is open already.
    pub fn print_into<M: SerializeMap>(&self, object: &mut M) -> Result<(), M::Error> {
        if self.format.is_verbose() {
            let address = self.address.as_deref();
            object.serialize_entry(
                "__metadata",
                &Metadata {
                    id: address,
                    uri: address,
                    kind: Kind(self.kind),
                },
            )?;
        }
        let cells = self.cells.iter();
        cells.into_iter().try_for_each(|(column, cell)| {
            object.serialize_entry(column.name, &Value(cell, self.format))
        })
    }
}

impl Serialize for Entity<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        self.print_into(&mut object)?;
        object.end()
    }
}

/// What the older form says of a row beside its properties.
#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(rename = "type")]
    kind: Kind,
}

/// The name of a type in the namespace of `$metadata`.
struct Kind(&'static str);

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{NAMESPACE}.{}", self.0))
    }
}

/// A value in a form of JSON.
struct Value<'a>(&'a Cell<'a>, Format);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(cell, format) = self;
        match cell {
            Cell::Boolean(value) => value.serialize(serializer),
            Cell::Identifier(id) => {
                let mut object = serializer.serialize_map(None)?;
                if format.is_verbose() {
                    let kind = Kind(IDENTIFIER);
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
            // An `Edm.Int64` stands in quotes.
            Cell::Number(number) => serializer.collect_str(number),
            Cell::Text(text) => text.serialize(serializer),
        }
    }
}

/// A moment as version 2 printed it, in milliseconds; the slashes are escaped, by which clients knew it from a text.
fn milliseconds(moment: Option<Timestamp>) -> Box<RawValue> {
    printed_milliseconds(readable(moment).unwrap_or(FIRST_MOMENT))
}

/// A time of day such as `08:00` on the first day there is; midnight when there is none (`docs/rest-api.md` B19).
fn time_of_day(text: &str) -> jiff::Timestamp {
    let minutes = text.split_once(':').and_then(|(hours, minutes)| {
        Some(hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?)
    });
    let minutes = jiff::SignedDuration::from_mins(minutes.unwrap_or_default());
    FIRST_MOMENT.checked_add(minutes).unwrap_or(FIRST_MOMENT)
}

/// A time of day such as `08:00` as every form but version 2 prints it, without a zone.
pub fn printed_time_of_day(text: &str) -> String {
    time_of_day(text).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn printed_milliseconds(moment: jiff::Timestamp) -> Box<RawValue> {
    let text = format!("\"\\/Date({})\\/\"", moment.as_millisecond());
    RawValue::from_string(text).expect("a number between constant texts is JSON")
}

/// What is printed, in every form of JSON and in Atom.
pub trait Document: Serialize {
    /// The kind of document that it is.
    const KIND: DocumentKind;

    /// Prints it as Atom.
    fn print_atom(&self, atom: &mut Writer);
}

/// An answer with a body.
pub fn answer<D: Document>(status: StatusCode, format: Format, document: &D) -> Response {
    let text = match format {
        Format::Atom(_) => {
            let mut atom = Writer::new();
            document.print_atom(&mut atom);
            atom.finish()
        }
        Format::Light | Format::NoMetadata | Format::Verbose(_) => json(document),
    };
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, format.content_type(D::KIND));
    // What was decided must be gone from the very next list, also for browsers that like to keep what they got.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(DATA_SERVICE_VERSION, format.version().header());
    response
}

fn json(document: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::new();
    document
        .serialize(&mut serde_json::Serializer::with_formatter(
            &mut text, Ascii,
        ))
        .expect("documents are plain structs, which always print as JSON");
    text
}

/// A moment as lists print it: UTC, milliseconds, trailing zeros left out; year 1 when there is none.
pub fn utc(time: Option<Timestamp>) -> String {
    let Some(time) = readable(time) else {
        return MIN_VALUE.to_owned();
    };
    let text = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    match nanoseconds(time) / 1_000_000 {
        0 => text + "Z",
        milliseconds => format!(
            "{text}.{}Z",
            format!("{milliseconds:03}").trim_end_matches('0')
        ),
    }
}

/// A moment as the answer to a creation prints it: UTC with up to seven digits (`docs/rest-api.md` B36).
pub fn precise_utc(time: Option<Timestamp>) -> String {
    let Some(time) = readable(time) else {
        return MIN_VALUE.to_owned();
    };
    format!(
        "{}{}Z",
        time.strftime("%Y-%m-%dT%H:%M:%S"),
        seven_digits(time)
    )
}

/// A moment as the answer to a creation prints the creation itself: local, with the offset (`docs/rest-api.md` B36).
pub fn local_time(time: Option<Timestamp>, zone: &TimeZone) -> String {
    let Some(time) = readable(time) else {
        return MIN_VALUE.to_owned();
    };
    let local = time.to_zoned_datetime(zone.clone());
    format!(
        "{}{}{}",
        local.strftime("%Y-%m-%dT%H:%M:%S"),
        seven_digits(time),
        local.strftime("%:z")
    )
}

fn readable(time: Option<Timestamp>) -> Option<jiff::Timestamp> {
    time.and_then(|time| jiff::Timestamp::new(time.seconds, time.nanos).ok())
}

/// The nanoseconds since the last whole second; before 1970 the library counts them to the next one.
fn nanoseconds(time: jiff::Timestamp) -> i32 {
    time.subsec_nanosecond().rem_euclid(1_000_000_000)
}

/// The fraction of a second, with trailing zeros left out.
fn seven_digits(time: jiff::Timestamp) -> String {
    match nanoseconds(time) / 100 {
        0 => String::new(),
        ticks => format!(".{}", format!("{ticks:07}").trim_end_matches('0')),
    }
}

/// Prints JSON in ASCII, for clients that misread the charset.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for run in fragment.split_inclusive(|character: char| !character.is_ascii()) {
            let ascii = run.trim_end_matches(|character: char| !character.is_ascii());
            writer.write_all(ascii.as_bytes())?;
            for unit in run[ascii.len()..].encode_utf16() {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

/// The moment that stands for none: 0001-01-01T00:00:00Z.
const FIRST_MOMENT: jiff::Timestamp = jiff::Timestamp::constant(-62_135_596_800, 0);
/// What stands for a time that there is none of; without a zone (`docs/rest-api.md` B4).
pub const MIN_VALUE: &str = "0001-01-01T00:00:00";
pub const DATA_SERVICE_VERSION: HeaderName = HeaderName::from_static("dataserviceversion");
/// The namespace of the types in `$metadata`.
pub const NAMESPACE: &str = "PAM";
/// The original's complex type around a GUID.
pub const IDENTIFIER: &str = "UniqueIdentifier";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_without_trailing_zeros() {
        for (seconds, nanos, text) in [
            (1_434_084_577, 0, "2015-06-12T04:49:37Z"),
            (1_434_084_577, 580_000_000, "2015-06-12T04:49:37.58Z"),
            (1_434_084_577, 431_999_900, "2015-06-12T04:49:37.431Z"),
            (1_434_084_577, 999_900, "2015-06-12T04:49:37Z"),
            (1_434_084_577, 5_000_000, "2015-06-12T04:49:37.005Z"),
            (-1, 750_000_000, "1969-12-31T23:59:59.75Z"),
        ] {
            assert_eq!(utc(Some(Timestamp { seconds, nanos })), text);
        }
        assert_eq!(utc(None), "0001-01-01T00:00:00");
    }

    #[test]
    fn times_before_1970_count_forward_too() {
        let message = Timestamp {
            seconds: -298_945_200,
            nanos: 250_000_100,
        };
        assert_eq!(precise_utc(Some(message)), "1960-07-11T23:40:00.2500001Z");
        let zone = TimeZone::get("America/Los_Angeles").unwrap();
        assert_eq!(
            local_time(Some(message), &zone),
            "1960-07-11T16:40:00.2500001-07:00"
        );
    }

    #[test]
    fn json_is_ascii() {
        let response = |text: &str| {
            let mut bytes = Vec::new();
            text.serialize(&mut serde_json::Serializer::with_formatter(
                &mut bytes, Ascii,
            ))
            .unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(
            response("Jürgen's \"💾\"\n"),
            r#""J\u00fcrgen's \"\ud83d\udcbe\"\n""#
        );
        assert_eq!(response("éé"), r#""\u00e9\u00e9""#);
        assert_eq!(response(""), r#""""#);
    }
}
