//! Errors as OData prints them (`wire.md` 91 to 96).

use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use tonic::Status;

use super::entity;
use super::format::Format;
use crate::status::{RETRY_AFTER_SECONDS, error_of, kind_of, row};

/// Prints a status. `headers` are those of the gRPC response that carried it; what is not gRPC's own stays.
pub fn print(status: &Status, headers: &HeaderMap) -> Response {
    let row = row(kind_of(status));
    // What tonic says by itself may quote the request.
    let message = error_of(status).map_or("The request could not be processed.", |error| &*error.message);
    let body =
        Body { error: Detail { code: row.reason, message: Message { lang: "en-US", value: message } } };
    let mut response = entity::json(row.http, Format::Light, &body);
    for (name, value) in headers {
        if !name.as_str().starts_with("grpc-") && ![CONTENT_TYPE, CONTENT_LENGTH].contains(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    if row.http == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(u16::from(RETRY_AFTER_SECONDS)));
    }
    response
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "odata.error")]
    error: Detail<'a>,
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
