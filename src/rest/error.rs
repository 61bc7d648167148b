//! Errors as OData prints them (`docs/rest-api.md` 91 to 96).

use std::borrow::Cow;

use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::odata::atom::{self, Writer};
use super::odata::document::{Document, answer};
use super::odata::format::{DocumentKind, Format, Version};
use super::odata::query::format_for_errors;
use crate::errors::{Error, Problem, RETRY_AFTER_SECONDS, row};

/// The form in which a client expects errors.
#[derive(Clone, Copy, Debug)]
pub struct Form(Format);

impl Form {
    /// Returns the form that a request asks for, by its query or its headers.
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        Self(
            match Format::of(format_for_errors(uri.query()).as_deref(), headers) {
                // Before version 3, there was no other form of JSON. Since then, every client reads light errors.
                Format::Verbose(Version::Three) | Format::NoMetadata => Format::Light,
                format => format,
            },
        )
    }
}

/// Prints a problem. `headers` are added to the response by the layers.
pub fn print(problem: &Problem, headers: HeaderMap, Form(format): Form) -> Response {
    let row = row(problem.kind());
    let message = match problem.error() {
        Some(error) => message(error),
        // The message of a status that tonic created may quote the request.
        None => Cow::from("The request could not be processed."),
    };
    let detail = Detail {
        code: row.reason,
        message: Message {
            lang: "en-US",
            value: &message,
        },
    };
    let mut response = answer(
        row.http,
        format,
        &Body {
            detail,
            is_verbose: format.is_verbose(),
        },
    );
    response.headers_mut().extend(headers);
    if row.http == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(
            RETRY_AFTER,
            HeaderValue::from(u16::from(RETRY_AFTER_SECONDS)),
        );
    }
    response
}

/// Returns the message, with the field under its name in this API.
fn message(error: &Error) -> Cow<'_, str> {
    let Some(field) = error.field.as_deref() else {
        return Cow::from(&*error.message);
    };
    let outer = field.split(['.', '[']).next().unwrap_or(field);
    for (grpc, rest) in FIELDS {
        if [grpc, rest].contains(&outer) {
            return error.about(rest);
        }
    }
    Cow::from(&*error.message)
}

struct Body<'a> {
    detail: Detail<'a>,
    is_verbose: bool,
}

impl Document for Body<'_> {
    const KIND: DocumentKind = DocumentKind::Error;

    fn print_atom(&self, atom: &mut Writer) {
        atom::error(self.detail.code, self.detail.message.value, atom);
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry(
            if self.is_verbose {
                "error"
            } else {
                "odata.error"
            },
            &self.detail,
        )?;
        object.end()
    }
}

#[derive(Serialize)]
struct Detail<'a> {
    code: &'a str,
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    lang: &'a str,
    value: &'a str,
}

/// The fields of gRPC requests that clients of this API send, under both their names.
const FIELDS: [(&str, &str); 9] = [
    ("filter", "$filter"),
    ("justification", "Justification"),
    ("duration", "RequestedTTL"),
    ("order_by", "$orderby"),
    ("page_size", "$top"),
    ("page_token", "$skiptoken"),
    ("requested_start_time", "RequestedTime"),
    ("role_id", "RoleId"),
    ("skip", "$skip"),
];
