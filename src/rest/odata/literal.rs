//! Literals of OData v3, as written in `$filter` and in keys (`docs/rest-api.md` 50 to 63).

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use uuid::Uuid;

use crate::domain::moment::Moment;

/// A literal with its value.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `true` or `false`.
    Boolean(bool),
    /// `datetime'..'`; without a zone it is UTC.
    DateTime(Moment),
    /// `datetimeoffset'..'`, which compares with nothing here.
    DateTimeOffset,
    /// A number with a fraction, an exponent or a suffix of its own.
    Double(f64),
    /// `guid'..'`.
    Guid(Uuid),
    /// A number of 32 bits.
    Int32(i32),
    /// A number of 64 bits, or one with the suffix `L`.
    Int64(i64),
    /// `null`.
    Null,
    /// A text in quotes.
    Text(String),
    /// `time'..'`, which compares with nothing here.
    Time,
}

impl Literal {
    /// Returns the name of the type in the framework's messages.
    pub fn edm(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "Edm.Boolean",
            Self::DateTime(_) => "Edm.DateTime",
            Self::DateTimeOffset => "Edm.DateTimeOffset",
            Self::Double(_) => "Edm.Double",
            Self::Guid(_) => "Edm.Guid",
            Self::Int32(_) => "Edm.Int32",
            Self::Int64(_) => "Edm.Int64",
            Self::Null => "<null>",
            Self::Text(_) => "Edm.String",
            Self::Time => "Edm.Time",
        }
    }

    /// Returns the literal with a prefix and a text in quotes; `None` if it is malformed. Prefixes are in any case.
    pub fn prefixed(prefix: &str, text: &str) -> Option<Self> {
        match &*prefix.to_ascii_lowercase() {
            "datetime" => datetime(text).map(Self::DateTime),
            "datetimeoffset" => datetime(text).map(|_| Self::DateTimeOffset),
            "guid" => guid(text).map(Self::Guid),
            "time" => text.parse::<SignedDuration>().ok().map(|_| Self::Time),
            _ => None,
        }
    }

    /// Returns the literal of a number, whose digits may have a fraction, an exponent and a suffix; `None` if it is
    /// malformed.
    pub fn number(text: &str) -> Option<Self> {
        let (digits, suffix) = match text.char_indices().last()? {
            (at, suffix) if suffix.is_ascii_alphabetic() => {
                (&text[..at], Some(suffix.to_ascii_lowercase()))
            }
            _ => (text, None),
        };
        let plain = digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        match suffix {
            _ if !plain => None,
            Some('l') => digits.parse().ok().map(Self::Int64),
            Some('d' | 'f' | 'm') => finite(digits),
            Some(_) => None,
            None => {
                if let Ok(number) = digits.parse() {
                    Some(Self::Int32(number))
                } else if let Ok(number) = digits.parse() {
                    Some(Self::Int64(number))
                } else {
                    finite(digits)
                }
            }
        }
    }
}

/// Reads a GUID with its hyphens, in any case.
pub fn guid(text: &str) -> Option<Uuid> {
    if text.len() == 36 {
        Uuid::try_parse(text).ok()
    } else {
        None
    }
}

fn finite(digits: &str) -> Option<Literal> {
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() => Some(Literal::Double(value)),
        _ => None,
    }
}

/// Reads a date, or a date and a time, with `Z`, an offset or neither. Seconds, and up to seven digits after them, are
/// optional. The `+` of an offset may have become a space (`docs/rest-api.md` trap 26).
fn datetime(text: &str) -> Option<Moment> {
    let text = text.replace(' ', "+");
    let (date, time) = match text.split_once('T') {
        None => (&*text, None),
        Some((date, time)) => (date, Some(time)),
    };
    if date.len() != 10 {
        return None;
    }
    let date: Date = date.parse().ok()?;
    let (time, offset) = match time {
        None => ("00:00", Offset::UTC),
        Some(time) => split_offset(time)?,
    };
    let plain = time
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b":.".contains(&byte));
    let fits = (5..="00:00:00.1234567".len()).contains(&time.len()) && time.as_bytes()[2] == b':';
    if !plain || !fits {
        return None;
    }
    let time: DateTime = format!("{date}T{time}").parse().ok()?;
    Moment::with_offset(time, offset).ok()
}

fn split_offset(time: &str) -> Option<(&str, Offset)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, Offset::UTC));
    }
    let Some(at) = time.rfind(['+', '-']) else {
        return Some((time, Offset::UTC));
    };
    let (time, offset) = time.split_at(at);
    let (hours, minutes) = offset[1..].split_once(':')?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    if minutes >= 60 {
        return None;
    }
    let seconds = i32::from(hours) * 3_600 + i32::from(minutes) * 60;
    let seconds = if offset.starts_with('-') {
        -seconds
    } else {
        seconds
    };
    Some((time, Offset::from_seconds(seconds).ok()?))
}

fn two_digits(text: &str) -> Option<u8> {
    if text.len() == 2 {
        text.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_all_their_forms() {
        for (text, expected) in [
            ("2015-01-09", Some("2015-01-09T00:00:00Z")),
            ("2015-01-09T08:26", Some("2015-01-09T08:26:00Z")),
            ("2015-01-09T08:26Z", Some("2015-01-09T08:26:00Z")),
            ("2015-01-09T08:26:49", Some("2015-01-09T08:26:49Z")),
            ("2015-01-09T08:26:49.721Z", Some("2015-01-09T08:26:49.721Z")),
            (
                "2015-01-09T08:26:49.7212345",
                Some("2015-01-09T08:26:49.7212345Z"),
            ),
            ("2015-01-09T08:26:49+02:00", Some("2015-01-09T06:26:49Z")),
            ("2015-01-09T08:26:49 02:00", Some("2015-01-09T06:26:49Z")),
            (
                "2015-01-09T08:26:49.5-07:00",
                Some("2015-01-09T15:26:49.5Z"),
            ),
            ("0001-01-01T00:00:00", Some("0001-01-01T00:00:00Z")),
            (
                "9999-12-31T23:59:59.9999999",
                Some("9999-12-31T23:59:59.9999999Z"),
            ),
            ("0001-01-01T00:00:00+02:00", None),
            ("9999-12-31T23:59:59-14:00", None),
            ("2015-01-09T08:26:49+14:00", Some("2015-01-08T18:26:49Z")),
            ("2015-01-09T08:26:49+14:01", None),
            ("2015-01-09T08:26:49-25:59", None),
            ("0000-01-01", None),
            ("2015-1-9", None),
            ("2015-02-30", None),
            ("2015-01-09T24:00", None),
            ("2015-01-09T08", None),
            ("2015-01-09T0826", None),
            ("2015-01-09T08:26:49.72123456", None),
            ("2015-01-09T08:26:49+15:00", None),
            ("2015-01-09T08:26:49+2:00", None),
            ("2015-01-09T08:26[UTC]", None),
            ("2015-W02-5", None),
            ("123", None),
            ("", None),
            ("2015-01-09T", None),
            ("é015-01-09T08:26", None),
            ("2015-01-09T08é26", None),
        ] {
            let found = datetime(text).map(|moment| moment.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_as_wide_as_they_must_be() {
        for (text, expected) in [
            ("3600", Some(Literal::Int32(3_600))),
            ("-1", Some(Literal::Int32(-1))),
            ("2147483648", Some(Literal::Int64(2_147_483_648))),
            ("3600L", Some(Literal::Int64(3_600))),
            ("3600l", Some(Literal::Int64(3_600))),
            (
                "9223372036854775808",
                Some(Literal::Double(9_223_372_036_854_775_808.0)),
            ),
            ("1.5", Some(Literal::Double(1.5))),
            ("1e3", Some(Literal::Double(1_000.0))),
            ("1.5M", Some(Literal::Double(1.5))),
            ("1d", Some(Literal::Double(1.0))),
            ("1.5L", None),
            ("1x", None),
            ("1e999", None),
            ("1-2", None),
            ("", None),
            ("inf", None),
        ] {
            assert_eq!(Literal::number(text), expected, "{text}");
        }
    }

    #[test]
    fn prefixes_are_in_any_case() {
        let guid = "5DBD9D0C-0a9d-4f75-8cbd-ff6ffdc00143";
        for prefix in ["guid", "GUID", "Guid"] {
            assert!(
                matches!(Literal::prefixed(prefix, guid), Some(Literal::Guid(_))),
                "{prefix}"
            );
        }
        assert!(matches!(
            Literal::prefixed("DATETIME", "2015-01-09"),
            Some(Literal::DateTime(_))
        ));
        assert_eq!(
            Literal::prefixed("datetimeoffset", "2015-01-09T00:00:00Z"),
            Some(Literal::DateTimeOffset)
        );
        assert_eq!(Literal::prefixed("time", "PT8H"), Some(Literal::Time));
        for (prefix, text) in [
            ("guid", "undefined"),
            ("date", "2015-01-09"),
            ("X", "00"),
            ("", "x"),
        ] {
            assert_eq!(Literal::prefixed(prefix, text), None, "{prefix}'{text}'");
        }
    }
}
