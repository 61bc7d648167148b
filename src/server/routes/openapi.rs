//! `GET /openapi.json`: the description of the REST API, for programs.

use axum::Router;
use axum::routing::get;
use http::header::CONTENT_TYPE;

use crate::rest;
use crate::server::pipeline::dialect;

/// Returns the route.
pub(crate) fn route() -> Router {
    let document = get(async || ([(CONTENT_TYPE, "application/json")], rest::document()));
    Router::new().route(
        "/openapi.json",
        document.fallback(dialect::method_not_allowed),
    )
}
