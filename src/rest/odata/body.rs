//! The body of a creation: its format according to its headers, and its text.

use axum::body::{Body, Bytes};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::charset::Charset;
use crate::errors::{Error, Kind};

/// The format of a body.
#[derive(Clone, Copy, Debug)]
pub struct BodyFormat {
    /// The media type.
    pub media: Media,
    charset: Option<Charset>,
}

/// The media types that are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Media {
    /// `application/atom+xml`: an entry of Atom.
    Atom,
    /// `application/x-www-form-urlencoded`, also assumed if there is no `Content-Type`.
    Form,
    /// `application/json`, in any form of OData.
    Json,
}

impl BodyFormat {
    /// Reads the format of the body from the headers of its request.
    ///
    /// # Errors
    ///
    /// If the body is compressed, or in a media type or charset that is not read. The message names what is allowed.
    pub fn of(headers: &HeaderMap) -> Result<Self, Error> {
        for coding in only(headers, &CONTENT_ENCODING)?
            .unwrap_or_default()
            .split(',')
        {
            if !["", "identity"].contains(&&*coding.trim().to_ascii_lowercase()) {
                return Err(Error::invalid(COMPRESSED));
            }
        }
        let content_type = only(headers, &CONTENT_TYPE)?.unwrap_or(FORM);
        let mut parts = content_type.split(';').map(str::trim);
        let media = match parts.next() {
            Some(name) if name.eq_ignore_ascii_case(ATOM) => Media::Atom,
            Some(name) if name.eq_ignore_ascii_case(JSON) => Media::Json,
            Some(name) if name.eq_ignore_ascii_case(FORM) => Media::Form,
            _ => return Err(Error::invalid(OTHER_MEDIA)),
        };
        Ok(Self {
            media,
            charset: charset(parts)?,
        })
    }

    /// Returns the names and values of a form.
    ///
    /// # Errors
    ///
    /// If it is malformed in its charset.
    pub fn pairs(self, body: &[u8]) -> Result<Vec<(String, String)>, Error> {
        let charset = self.charset.unwrap_or(Charset::UTF_8);
        super::form::pairs(charset.without_mark(body), charset).ok_or_else(|| self.malformed())
    }

    /// Returns the text of a body that is no form.
    ///
    /// # Errors
    ///
    /// If it is malformed in its charset.
    pub fn text(self, body: &[u8]) -> Result<String, Error> {
        let charset = self.charset.unwrap_or(Charset::UTF_8);
        let text = charset.decode(charset.without_mark(body));
        text.map(String::from).ok_or_else(|| self.malformed())
    }

    fn malformed(self) -> Error {
        Error::invalid(match self.charset {
            Some(_) => "The body has bytes that the charset of its Content-Type does not allow.",
            None => "The body must be UTF-8, or its Content-Type must declare the charset.",
        })
    }
}

/// Refuses a body whose declared length exceeds the bound, before any of it is read.
///
/// # Errors
///
/// If it is longer than the maximum for bodies.
pub fn check_length(body: &Body) -> Result<(), Error> {
    if body.size_hint().lower() > LONGEST_BODY as u64 {
        return Err(too_large());
    }
    Ok(())
}

/// Reads the whole body.
///
/// # Errors
///
/// If it is longer than the maximum for bodies, or ends early.
pub async fn collected(body: Body) -> Result<Bytes, Error> {
    match Limited::new(body, LONGEST_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Error::invalid("The body of the request ended early.").because(error)),
    }
}

fn too_large() -> Error {
    Error::new(Kind::BodyTooLarge, "The body of the request is too long.")
}

/// Returns the value of a header that a request may have only once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Error> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(Error::invalid(
            "Content-Type and Content-Encoding must each be given once, in ASCII.",
        )),
    }
}

/// Returns the charset among the parameters of a media type.
fn charset<'a>(parameters: impl Iterator<Item = &'a str>) -> Result<Option<Charset>, Error> {
    let mut charset = None;
    for parameter in parameters {
        let Some((name, label)) = parameter.split_once('=') else {
            continue;
        };
        if !name.trim().eq_ignore_ascii_case("charset") {
            continue;
        }
        if charset.is_some() {
            return Err(Error::invalid("The Content-Type must declare one charset."));
        }
        match Charset::of(label.trim().trim_matches('"')) {
            Some(found) => charset = Some(found),
            None => return Err(Error::invalid(OTHER_CHARSET)),
        }
    }
    Ok(charset)
}

const LONGEST_BODY: usize = 64 * 1024;
const ATOM: &str = "application/atom+xml";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const OTHER_MEDIA: &str = "The Content-Type of the body must be application/json, application/x-www-form-urlencoded or \
                           application/atom+xml.";
const COMPRESSED: &str = "The body must not be compressed: no Content-Encoding except identity, and a Content-Type of \
                          application/json, application/x-www-form-urlencoded or application/atom+xml.";
const OTHER_CHARSET: &str = "The charset of the Content-Type must be utf-8, or another one that contains ASCII, such as \
                             windows-1252.";

#[cfg(test)]
mod tests {
    use super::*;

    fn format_of(lines: &[(HeaderName, &str)]) -> Result<BodyFormat, Error> {
        BodyFormat::of(
            &lines
                .iter()
                .map(|(name, value)| (name.clone(), value.parse().unwrap()))
                .collect(),
        )
    }

    #[test]
    fn bodies_are_json_or_forms() {
        for (content_type, media) in [
            (FORM, Media::Form),
            (
                "application/x-www-form-urlencoded; charset=UTF-8",
                Media::Form,
            ),
            (
                "Application/X-WWW-Form-URLEncoded;charset=\"iso-8859-1\"",
                Media::Form,
            ),
            ("application/atom+xml;type=entry", Media::Atom),
            (JSON, Media::Json),
            ("application/json;odata=verbose;charset=utf-8", Media::Json),
            ("APPLICATION/JSON ; Charset = Windows-1252;", Media::Json),
        ] {
            assert_eq!(
                format_of(&[(CONTENT_TYPE, content_type)]).unwrap().media,
                media,
                "{content_type}"
            );
        }
        assert_eq!(format_of(&[]).unwrap().media, Media::Form);
        let identity = [(CONTENT_TYPE, JSON), (CONTENT_ENCODING, "Identity")];
        assert_eq!(format_of(&identity).unwrap().media, Media::Json);
    }

    #[test]
    fn other_bodies_are_refused_with_what_is_allowed() {
        for (lines, words) in [
            (&[(CONTENT_TYPE, "text/plain; charset=utf-8")][..], JSON),
            (&[(CONTENT_TYPE, "multipart/form-data; boundary=x")], FORM),
            (&[(CONTENT_TYPE, "application/jsonp")], JSON),
            (&[(CONTENT_TYPE, "")], FORM),
            (
                &[(CONTENT_TYPE, JSON), (CONTENT_ENCODING, "gzip")],
                "identity",
            ),
            (
                &[(CONTENT_TYPE, FORM), (CONTENT_ENCODING, "identity, br")],
                FORM,
            ),
            (
                &[(CONTENT_TYPE, "application/json; charset=utf-16")],
                "utf-8",
            ),
            (
                &[(CONTENT_TYPE, "application/json; charset=klingon")],
                "utf-8",
            ),
            (&[(CONTENT_TYPE, "application/json; charset=")], "utf-8"),
            (
                &[(
                    CONTENT_TYPE,
                    "application/json; charset=utf-8; charset=latin1",
                )],
                "one charset",
            ),
            (&[(CONTENT_TYPE, JSON), (CONTENT_TYPE, FORM)], "once"),
            (&[(CONTENT_TYPE, "application/json; charset=é")], "ASCII"),
        ] {
            let error = format_of(lines).unwrap_err();
            assert!(
                error.message.contains(words),
                "{lines:?}: {}",
                error.message
            );
        }
    }
}
