//! The dialect of a request, by its content type.

use axum::extract::Request;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};

/// Returns whether the request is a gRPC call.
pub(crate) fn is_grpc(request: &Request) -> bool {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .map(HeaderValue::as_bytes);
    let rest = content_type.and_then(|content_type| content_type.strip_prefix(b"application/grpc"));
    request.method() == Method::POST && matches!(rest, Some([] | [b'+' | b';' | b' ', ..]))
}
