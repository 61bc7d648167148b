//! The dialect of a request, by its content type.

use axum::extract::Request;
use http::Method;
use http::header::CONTENT_TYPE;

/// Returns whether the request is a gRPC call.
pub(crate) fn is_grpc(request: &Request) -> bool {
    let Some(content_type) = request.headers().get(CONTENT_TYPE) else {
        return false;
    };
    let rest = content_type.as_bytes().strip_prefix(b"application/grpc");
    request.method() == Method::POST && matches!(rest, Some([] | [b'+' | b';' | b' ', ..]))
}
