//! OData bodies: JSON light with minimal metadata, as the original printed it (`wire.md` 82, B35, B37, 101).

use std::io;

use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, uri::Authority};
use jiff::tz::TimeZone;
use prost_types::{Duration, Timestamp};
use serde::Serialize;
use serde_json::ser::Formatter;

use crate::status::Error;

/// An id of the original's own complex type.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Id {
    /// The GUID.
    pub(super) value: String,
}

/// The address under which the client reaches the API, with what it must begin every link with.
pub(super) fn base_url(uri: &Uri, headers: &HeaderMap) -> Result<String, Error> {
    let mut hosts = headers.get_all(http::header::HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none()).and_then(|host| host.to_str().ok());
    let authority = match (uri.authority(), host) {
        (Some(authority), _) => Some(authority.clone()),
        (None, Some(host)) => host.parse::<Authority>().ok(),
        (None, None) => None,
    };
    match authority.filter(|authority| !authority.as_str().contains('@')) {
        Some(authority) => Ok(format!("http://{authority}/api/pamresources/")),
        None => Err(Error::invalid("The Host header is missing or malformed.")),
    }
}

/// An answer with a body.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut text = Vec::new();
    body.serialize(&mut serde_json::Serializer::with_formatter(&mut text, Ascii))
        .expect("bodies are plain structs, which always print as JSON");
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON_LIGHT));
    // What was decided must be gone from the very next list, also for browsers that like to keep what they got.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(DATA_SERVICE_VERSION, HeaderValue::from_static("3.0"));
    response
}

/// Whole seconds as OData v3 prints an `Edm.Int64`: in quotes.
pub(super) fn seconds(life: Option<Duration>) -> String {
    life.unwrap_or_default().seconds.to_string()
}

/// A moment as lists print it: UTC, milliseconds, trailing zeros left out; year 1 when there is none.
pub(super) fn utc(time: Option<Timestamp>) -> String {
    let Some(time) = readable(time) else { return MIN_VALUE.to_owned() };
    let text = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    match time.subsec_nanosecond() / 1_000_000 {
        0 => text + "Z",
        milliseconds => format!("{text}.{}Z", format!("{milliseconds:03}").trim_end_matches('0')),
    }
}

/// A moment as the answer to a creation prints it: UTC with up to seven digits (`wire.md` B36).
pub(super) fn precise_utc(time: Option<Timestamp>) -> String {
    let Some(time) = readable(time) else { return MIN_VALUE.to_owned() };
    format!("{}{}Z", time.strftime("%Y-%m-%dT%H:%M:%S"), seven_digits(time))
}

/// A moment as the answer to a creation prints the creation itself: local, with the offset (`wire.md` B36).
pub(super) fn local_time(time: Option<Timestamp>, zone: &TimeZone) -> String {
    let Some(time) = readable(time) else { return MIN_VALUE.to_owned() };
    let local = time.to_zoned_datetime(zone.clone());
    format!("{}{}{}", local.strftime("%Y-%m-%dT%H:%M:%S"), seven_digits(time), local.strftime("%:z"))
}

fn readable(time: Option<Timestamp>) -> Option<jiff::Timestamp> {
    time.and_then(|time| jiff::Timestamp::new(time.seconds, time.nanos).ok())
}

/// The fraction of a second, with trailing zeros left out.
fn seven_digits(time: jiff::Timestamp) -> String {
    match time.subsec_nanosecond() / 100 {
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

/// What stands for a time that there is none of; without a zone (`wire.md` B4).
pub(super) const MIN_VALUE: &str = "0001-01-01T00:00:00";
const DATA_SERVICE_VERSION: HeaderName = HeaderName::from_static("dataserviceversion");
const JSON_LIGHT: &str = "application/json; odata=minimalmetadata; streaming=true; charset=utf-8";

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
        ] {
            assert_eq!(utc(Some(Timestamp { seconds, nanos })), text);
        }
        assert_eq!(utc(None), "0001-01-01T00:00:00");
    }

    #[test]
    fn json_is_ascii() {
        let response = |text: &str| {
            let mut bytes = Vec::new();
            text.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Ascii)).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(response("Jürgen's \"💾\"\n"), r#""J\u00fcrgen's \"\ud83d\udcbe\"\n""#);
        assert_eq!(response("éé"), r#""\u00e9\u00e9""#);
        assert_eq!(response(""), r#""""#);
    }

    #[test]
    fn links_follow_the_host_of_the_request() {
        let base = |host: &str| {
            let headers = HeaderMap::from_iter([(http::header::HOST, host.parse().unwrap())]);
            base_url(&"/api".parse().unwrap(), &headers)
        };
        assert_eq!(base("pam.contoso.com:8086").unwrap(), "http://pam.contoso.com:8086/api/pamresources/");
        for bad in ["<script>", "a b", "user@host", ""] {
            assert!(base(bad).is_err(), "{bad}");
        }
    }
}
