//! What is answered, and how something is refused.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::schema::{self, ERROR, Form};
use crate::status::{Kind, RETRY_AFTER_SECONDS, row};

/// A way to be refused, and what it means.
pub(super) type Refusal = (Kind, &'static str);

/// An answer in either form of JSON, or in the media type that Atom has for it.
pub(super) fn entity(about: &str, name: &str, atom: &str) -> Value {
    json!({
        "description": about,
        "headers": named(&["x-request-id", "DataServiceVersion"]),
        "content": content(&schema::reference, name, atom),
    })
}

/// What a schema of both forms of JSON describes, and XML that none describes.
fn content(schema: &dyn Fn(&str) -> Value, name: &str, xml: &str) -> Value {
    let json = Form::ALL.map(|form| {
        (
            form.media_type(),
            json!({ "schema": schema(&form.name(name)) }),
        )
    });
    let all = json.into_iter().chain([(xml, json!({}))]);
    Value::Object(
        all.map(|(media_type, content)| (media_type.to_owned(), content))
            .collect(),
    )
}

/// The headers of answers.
pub(super) fn headers() -> Value {
    let header = |about: &str, schema: Value| json!({ "description": about, "required": true, "schema": schema });
    json!({
        "x-request-id": header(
            "The id of the request in the log: the caller's own when that is short and plain, else one of the server.",
            json!({ "type": "string", "pattern": "^[0-9A-Za-z_.-]{1,64}$" }),
        ),
        "DataServiceVersion": header("The version of OData.", json!({ "enum": ["1.0", "2.0", "3.0"] })),
        "DataServiceId": header(
            "The id of the new request, which is where it is.",
            json!({ "type": "string", "format": "uri" }),
        ),
        "Location": header("Where the new request is.", json!({ "type": "string", "format": "uri" })),
        "Preference-Applied": header("What was preferred.", json!({ "const": "return-no-content" })),
        "WWW-Authenticate": header("How to prove who calls.", json!({ "type": "string", "pattern": "^Bearer " })),
        "Retry-After": header(
            "After how many seconds to try again.",
            json!({ "const": RETRY_AFTER_SECONDS.to_string() }),
        ),
    })
}

/// Headers of [`headers`], by their names.
pub(super) fn named(names: &[&str]) -> Value {
    Value::Object(
        names
            .iter()
            .map(|name| ((*name).to_owned(), header(name)))
            .collect(),
    )
}

/// A header of [`headers`].
pub(super) fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

/// The answers to what every operation may refuse, by what the statuses are called.
pub(super) fn shared() -> Value {
    Value::Object(
        by_status(COMMON.iter())
            .into_iter()
            .map(|(status, of)| (name(of[0].0), refusal(status, &of)))
            .collect(),
    )
}

/// The answers that refuse, by their statuses.
pub(super) fn refused(own: &'static [Refusal]) -> impl Iterator<Item = (String, Value)> {
    by_status(COMMON.iter().chain(own))
        .into_iter()
        .map(move |(status, of)| {
            let is_shared = own
                .iter()
                .all(|(kind, _)| row(*kind).http.as_u16() != status);
            let answer = if is_shared {
                json!({ "$ref": format!("#/components/responses/{}", name(of[0].0)) })
            } else {
                refusal(status, &of)
            };
            (status.to_string(), answer)
        })
}

fn by_status(
    refusals: impl Iterator<Item = &'static Refusal>,
) -> BTreeMap<u16, Vec<&'static Refusal>> {
    let mut all: BTreeMap<u16, Vec<&Refusal>> = BTreeMap::new();
    for refusal in refusals {
        all.entry(row(refusal.0).http.as_u16())
            .or_default()
            .push(refusal);
    }
    all
}

/// What a status is called, in one word.
fn name(kind: Kind) -> String {
    row(kind)
        .http
        .canonical_reason()
        .unwrap_or_default()
        .replace(' ', "")
}

fn refusal(status: u16, of: &[&Refusal]) -> Value {
    let lines: Vec<_> = of
        .iter()
        .map(|(kind, about)| format!("`{}`: {about}", row(*kind).reason))
        .collect();
    let codes: Vec<_> = of.iter().map(|(kind, _)| row(*kind).reason).collect();
    let schema = |name: &str| {
        let member = if name == ERROR {
            Form::Light.error()
        } else {
            Form::Verbose.error()
        };
        let mut schema = schema::reference(name);
        schema["properties"][member]["properties"]["code"]["enum"] = codes.clone().into();
        schema
    };
    let mut headers = named(&["x-request-id", "DataServiceVersion"]);
    match status {
        401 => headers["WWW-Authenticate"] = header("WWW-Authenticate"),
        503 => headers["Retry-After"] = header("Retry-After"),
        _ => {}
    }
    json!({
        "description": lines.join("\n\n"),
        "headers": headers,
        "content": content(&schema, ERROR, "application/xml"),
    })
}

/// How every operation may be refused.
pub(super) const COMMON: &[Refusal] = &[
    (
        Kind::InvalidArgument,
        "The request cannot be understood: its path, an option, or its body. Nothing happened.",
    ),
    (Kind::Unauthenticated, "There are no valid credentials."),
    (
        Kind::DeadlineExceeded,
        "It took too long, and it is not known whether it was carried out.",
    ),
    (Kind::BodyTooLarge, "The body is longer than 64 KiB."),
    (Kind::Internal, "Something went wrong inside the server."),
    (
        Kind::Overloaded,
        "Too much is going on. Nothing happened; repeat it in a moment.",
    ),
    (
        Kind::Unavailable,
        "The server cannot answer right now, and it is not known whether it was carried out.",
    ),
];
