//! The fields of a creation, from its query and its body.

use std::fmt;

use axum::body::Bytes;
use http::request::Parts;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::errors::Error;
use crate::rest::odata::atom;
use crate::rest::odata::body::{BodyFormat, Media};
use crate::rest::odata::form;
use crate::rest::odata::moment::MIN_VALUE;

/// The fields of a creation, with their values; a value may be null. Their names are read in any case, like by the
/// original's model binder.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Fields(Vec<(&'static str, Option<String>)>);

impl Fields {
    /// Reads the fields from the query and the body. Other fields are ignored.
    ///
    /// # Errors
    ///
    /// If a field is given twice, in one place or in two, since it is not clear which one counts. If the format of the
    /// body differs from its headers, or is not supported.
    pub fn read(request: &Parts, body: &Bytes) -> Result<Self, Error> {
        let mut fields = Self::default();
        fields.set_all(form::query(request.uri.query())?)?;
        if body.is_empty() {
            return Ok(fields);
        }
        let format = BodyFormat::of(&request.headers)?;
        match format.media {
            Media::Atom => fields.set_entry(&format.text(body)?)?,
            Media::Form => fields.set_form(format.pairs(body)?)?,
            Media::Json => fields.set_json(&format.text(body)?)?,
        }
        Ok(fields)
    }

    /// Removes the value of a field; `None` if it is missing or null.
    pub fn take(&mut self, name: &'static str) -> Option<String> {
        for (given, value) in &mut self.0 {
            if *given == name {
                return value.take();
            }
        }
        None
    }

    /// Returns whether a field is given, even as null.
    pub fn gives(&self, name: &'static str) -> bool {
        self.0.iter().any(|(given, _)| *given == name)
    }

    fn set_all(&mut self, pairs: Vec<(String, String)>) -> Result<(), Error> {
        for (name, value) in pairs {
            if let Some(name) = known(&name) {
                self.set(name, Some(value))?;
            }
        }
        Ok(())
    }

    fn set_form(&mut self, pairs: Vec<(String, String)>) -> Result<(), Error> {
        match pairs.first() {
            Some((name, _)) if name.trim_start().starts_with('{') => {
                Err(Error::invalid(JSON_AS_A_FORM))
            }
            _ => self.set_all(pairs),
        }
    }

    fn set_json(&mut self, text: &str) -> Result<(), Error> {
        let Ok(Members(members)) = serde_json::from_str(text) else {
            return Err(Error::invalid("The body is not a JSON object."));
        };
        for (name, value) in members {
            if let Some(name) = known(&name) {
                self.set(name, json_text(name, value.get())?)?;
            }
        }
        Ok(())
    }

    /// Sets the properties of an Atom entry. Clients with types send every property of a row, and year 1 for a missing
    /// time.
    fn set_entry(&mut self, text: &str) -> Result<(), Error> {
        for (name, value) in atom::properties(text)? {
            let Some(name) = known(&name) else { continue };
            match value {
                atom::Value::Text(text) if name == REQUESTED_TIME && text == MIN_VALUE => {
                    self.set(name, None)?
                }
                atom::Value::Text(text) => self.set(name, Some(text))?,
                atom::Value::Null => self.set(name, None)?,
                atom::Value::Complex => {
                    return Err(
                        Error::invalid(format!("{name} must be a simple property.")).in_field(name)
                    );
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &'static str, value: Option<String>) -> Result<(), Error> {
        if self.gives(name) {
            let message = format!("{name} must be given only once, in the query or in the body.");
            return Err(Error::invalid(message).in_field(name));
        }
        self.0.push((name, value));
        Ok(())
    }
}

/// Returns the known name that equals a name in any case.
fn known(name: &str) -> Option<&'static str> {
    NAMES
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name))
}

/// Returns the text of a JSON value: a string, or a number as written.
fn json_text(name: &'static str, json: &str) -> Result<Option<String>, Error> {
    match json.bytes().next() {
        Some(b'n') => Ok(None),
        Some(b'-' | b'0'..=b'9') => Ok(Some(json.to_owned())),
        Some(b'"') => serde_json::from_str(json).map_err(|_| wrong_type(name)),
        _ => Err(wrong_type(name)),
    }
}

fn wrong_type(name: &'static str) -> Error {
    Error::invalid(format!("{name} must be a string, a number or null.")).in_field(name)
}

/// The members of a JSON object in their order. Names that occur twice are kept.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// The names of the fields.
pub const JUSTIFICATION: &str = "Justification";
pub const REQUESTED_TIME: &str = "RequestedTime";
pub const REQUESTED_TTL: &str = "RequestedTTL";
pub const ROLE_ID: &str = "RoleId";
/// All of them.
pub const NAMES: [&str; 4] = [JUSTIFICATION, REQUESTED_TIME, REQUESTED_TTL, ROLE_ID];
const JSON_AS_A_FORM: &str =
    "The body is JSON, but not its Content-Type, which must be application/json for it to be read.";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, content_type: &str, body: impl AsRef<[u8]>) -> Result<Fields, Error> {
        let request =
            http::Request::post(format!("/x?{query}")).header("content-type", content_type);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Fields::read(&parts, &Bytes::copy_from_slice(body.as_ref()))
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table reads best in one piece")]
    fn a_field_is_given_once_in_whatever_way() {
        const JSON: &str = "application/json";
        const FORM: &str = "application/x-www-form-urlencoded";
        for (query, content_type, body, field) in [
            ("RequestedTTL=900&RequestedTTL=0", FORM, "", REQUESTED_TTL),
            ("RequestedTTL=900&requestedttl=900", FORM, "", REQUESTED_TTL),
            ("RequestedTTL=900&Requested%54TL=", FORM, "", REQUESTED_TTL),
            ("", FORM, "RequestedTTL=900&RequestedTTL=0", REQUESTED_TTL),
            ("", FORM, "RoleId=a&x=1&ROLEID=b", ROLE_ID),
            ("RoleId=a", FORM, "RoleId=a", ROLE_ID),
            ("RoleId=", FORM, "roleid=a", ROLE_ID),
            (
                "Justification=a",
                JSON,
                r#"{"justification":null}"#,
                JUSTIFICATION,
            ),
            (
                "",
                JSON,
                r#"{"RequestedTTL":900,"RequestedTTL":0}"#,
                REQUESTED_TTL,
            ),
            (
                "",
                JSON,
                r#"{"RequestedTTL":900,"requestedTtl":"0"}"#,
                REQUESTED_TTL,
            ),
            (
                "",
                JSON,
                r#"{"RequestedTTL":900,"Requested\u0054TL":0}"#,
                REQUESTED_TTL,
            ),
            (
                "",
                JSON,
                r#"{"RequestedTime":null,"RequestedTime":null}"#,
                REQUESTED_TIME,
            ),
        ] {
            let error = read(query, content_type, body).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{query} {body}");
            assert_eq!(
                error.message,
                format!("{field} must be given only once, in the query or in the body.")
            );
        }
        let mut fields = read(
            "_=1&_=2&RoleId=a",
            JSON,
            r#"{"x":1,"x":2,"RequestedTTL":60}"#,
        )
        .unwrap();
        assert_eq!(
            (
                fields.take(ROLE_ID).as_deref(),
                fields.take(REQUESTED_TTL).as_deref()
            ),
            (Some("a"), Some("60"))
        );
    }

    #[test]
    fn a_member_is_a_text_or_a_number_as_it_is_written() {
        for (json, expected) in [
            (r#""O\u0027Brien""#, Some(Some("O'Brien"))),
            (r#""""#, Some(Some(""))),
            ("1.10", Some(Some("1.10"))),
            ("-0", Some(Some("-0"))),
            (
                "12345678901234567890123",
                Some(Some("12345678901234567890123")),
            ),
            ("null", Some(None)),
            ("true", None),
            ("[1]", None),
            (r#"{"a":1}"#, None),
            (r#""\ud800""#, None),
        ] {
            let body = format!(r#" {{ "Justification" : {json} , "more" : {{"a":[true]}} }} "#);
            let read = read("", "application/json", &body)
                .ok()
                .map(|mut fields| fields.take(JUSTIFICATION));
            assert_eq!(
                read.as_ref().map(|text| text.as_deref()),
                expected,
                "{json}"
            );
        }
        for body in [
            "[]",
            "{",
            "{}{}",
            "\"RoleId\"",
            "null",
            r#"{"RoleId":"a",}"#,
            r#"{"RoleId":01}"#,
            "RoleId=a",
        ] {
            let error = read("", "application/json", body).unwrap_err();
            assert_eq!(error.message, "The body is not a JSON object.", "{body}");
        }
    }

    #[test]
    fn json_that_is_sent_as_a_form_is_noticed() {
        for body in [
            r#"{"RoleId":"a"}"#,
            " {}",
            "%7B%22RoleId%22%3A%22a%22%7D",
            "{\n\"RoleId\":\"a=b&c\"}",
        ] {
            let error = read("", "application/x-www-form-urlencoded", body).unwrap_err();
            assert_eq!(error.message, JSON_AS_A_FORM, "{body}");
        }
        assert!(read("", "application/x-www-form-urlencoded", "RoleId={}").is_ok());
    }

    #[test]
    fn the_charset_is_that_of_the_content_type() {
        #[rustfmt::skip]
        let table: [(&str, &[u8], Result<&str, &str>); 14] = [
            ("application/json", b"{\"Justification\":\"\xc3\xbc\"}", Ok("ü")),
            ("application/json", b"\xef\xbb\xbf{\"Justification\":\"\xc3\xbc\"}", Ok("ü")),
            ("application/json;charset=utf-8", b"{\"Justification\":\"\xfc\"}", Err("does not allow")),
            ("application/json", b"{\"Justification\":\"\xfc\"}", Err("must be UTF-8")),
            ("application/json;charset=iso-8859-1", b"{\"Justification\":\"\xfc\"}", Ok("ü")),
            ("application/json;charset=us-ascii", b"{\"Justification\":\"\xfc\"}", Err("does not allow")),
            ("application/json;charset=utf-16", b"\xff\xfe{\0}\0", Err("must be utf-8")),
            ("application/json", b"\xff\xfe{\0}\0", Err("must be UTF-8")),
            ("application/x-www-form-urlencoded", b"Justification=%C3%BC", Ok("ü")),
            ("application/x-www-form-urlencoded", b"Justification=%FC", Err("must be UTF-8")),
            ("application/x-www-form-urlencoded", b"Justification=\xfc", Err("must be UTF-8")),
            ("application/x-www-form-urlencoded;charset=windows-1252", b"Justification=%80", Ok("€")),
            ("application/x-www-form-urlencoded;charset=windows-1252", b"Justification=\xfc", Ok("ü")),
            ("application/x-www-form-urlencoded;charset=shift_jis", b"Justification=%82", Err("does not allow")),
        ];
        for (content_type, body, expected) in table {
            match (read("", content_type, body), expected) {
                (Ok(mut fields), Ok(text)) => {
                    assert_eq!(fields.take(JUSTIFICATION).as_deref(), Some(text))
                }
                (Err(error), Err(words)) => {
                    assert!(
                        error.message.contains(words),
                        "{body:x?}: {}",
                        error.message
                    )
                }
                (read, _) => panic!("{content_type} {body:x?}: {read:?}"),
            }
        }
    }

    #[test]
    fn the_type_of_no_body_is_ignored() {
        assert_eq!(
            read("x=1", "text/plain; charset=klingon", "").unwrap(),
            Fields::default()
        );
        assert!(read("RoleId=%FC", "text/plain", "").is_err());
    }
}
