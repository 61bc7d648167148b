//! `GET /openapi.json`: the description of the REST API, for programs.

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use crate::rest;

/// Returns the description.
pub(super) fn read() -> Response {
    let mut response = Response::new(Body::from(rest::document()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
