//! The properties of the parser of a creation's fields, and of its moment, that must always be true.

use std::borrow::Cow;

use axum::body::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use jiff::tz::{Offset, TimeZone};

use crate::domain::moment::Moment;
use crate::errors::{Error, Kind};
use crate::rest::odata::date::parse_moment;
use crate::rest::resources::fields::{Fields, NAMES, REQUESTED_TIME};

/// Checks the fields of a creation. Each field is given once, by the query or the body, and has no replacement
/// character for undecodable bytes. Errors repeat nothing of the text. The lines of the text are a query, a content
/// type, and a body.
///
/// # Panics
///
/// If a check fails.
pub fn creation(text: &str) {
    let mut lines = text.splitn(3, '\n');
    let (query, content_type, body) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let Some(read) = read(query, content_type, body) else {
        return;
    };
    let mut fields = match read {
        Ok(fields) => fields,
        Err(error) => return has_our_words(&error),
    };
    for name in NAMES {
        let again = format!("{}=&{query}", name.to_ascii_lowercase());
        let twice = self::read(&again, content_type, body).map(|read| read.is_err());
        assert!(
            twice.is_none_or(|twice| twice == fields.gives(name)),
            "{name} is given twice"
        );
    }
    let is_replaced = [
        "fffd",
        "65533",
        "%ef%bf%bd",
        "\u{fffd}",
        "gb",
        "chinese",
        "iso-ir-58",
    ];
    let is_replaced = is_replaced
        .iter()
        .any(|written| text.to_ascii_lowercase().contains(written));
    for name in NAMES {
        let value = fields.take(name).unwrap_or_default();
        assert!(
            is_replaced || !value.contains('\u{fffd}'),
            "{name} is not as it was sent"
        );
        if name == REQUESTED_TIME {
            time(&value);
        }
    }
}

/// Returns the fields of a request; `None` if it is no request.
fn read(query: &str, content_type: &str, body: &str) -> Option<Result<Fields, Error>> {
    let request = http::Request::post(format!("/?{query}")).header(CONTENT_TYPE, content_type);
    let (parts, ()): (Parts, ()) = request.body(()).ok()?.into_parts();
    Some(Fields::read(
        &parts,
        &Bytes::copy_from_slice(body.as_bytes()),
    ))
}

/// Checks a moment. It is read the same in any letter case, with spaces around it, and as printed. An assumed zone
/// moves it by the difference of the zones, or not at all.
///
/// # Panics
///
/// If a check fails.
pub fn time(text: &str) {
    let moment = match parse_moment(text, &TimeZone::UTC) {
        Ok(moment) => moment,
        Err(error) => return has_our_words(&error),
    };
    assert_eq!(
        parse_moment(&moment.to_string(), &TimeZone::UTC).ok(),
        Some(moment)
    );
    assert_eq!(
        parse_moment(&format!(" {text} "), &TimeZone::UTC).ok(),
        Some(moment)
    );
    if !text.trim().starts_with('/') {
        assert_eq!(
            parse_moment(&text.to_ascii_uppercase(), &TimeZone::UTC).ok(),
            Some(moment)
        );
        assert_eq!(
            parse_moment(&text.to_ascii_lowercase(), &TimeZone::UTC).ok(),
            Some(moment)
        );
    }
    let east = TimeZone::fixed(Offset::constant(5));
    if let Ok(moved) = parse_moment(text, &east) {
        let hours = (moment.ticks() - moved.ticks()) / Moment::TICKS_PER_SECOND / 3_600;
        assert!(moved == moment || hours == 5, "moved by {hours} h");
    }
}

/// Checks that the message consists of our words and names.
fn has_our_words(error: &Error) {
    assert_eq!(error.kind, Kind::InvalidArgument);
    let ours = NAMES.iter().any(|name| {
        let message = error.message.strip_prefix(name);
        message.is_some_and(|message| ENDS.contains(&message) || message.starts_with(": A moment"))
    });
    assert!(
        ours || matches!(error.message, Cow::Borrowed(_)),
        "{}",
        error.message
    );
}

/// The ends of messages that begin with the name of a field.
const ENDS: [&str; 4] = [
    " must be given only once, in the query or in the body.",
    " must be a string, a number or null.",
    " must be a simple property.",
    ": The offset of a time must be at most 14:00 in either direction.",
];
