//! The operation name of a request, as used in logs, metrics and traces.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Request;
use http::Method;
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

use super::content_type::is_grpc;
use crate::proto::pam::v1;
use crate::rest;

/// The operation of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether it is a gRPC call in which either side sends any number of messages.
    pub(crate) is_stream: bool,
}

/// Returns the operation of a request. Its name is the path of a gRPC method, a word for a resource of the REST API, or one of [`OTHERS`]. Never a caller's
/// text.
pub(crate) fn of(request: &Request) -> Operation {
    let path = request.uri().path();
    if is_grpc(request) {
        return match METHODS.get_key_value(path) {
            Some((name, &is_stream)) => Operation { name, is_stream },
            None => Operation::unary(UNKNOWN),
        };
    }
    Operation::unary(match path {
        _ if request.method() == Method::OPTIONS => PREFLIGHT,
        "/healthz" => HEALTHZ,
        "/metrics" => METRICS,
        "/openapi.json" => OPENAPI,
        "/readyz" => READYZ,
        _ => rest::operation(request.method(), path).unwrap_or(UNKNOWN),
    })
}

impl Operation {
    fn unary(name: &'static str) -> Self {
        let is_stream = false;
        Self { name, is_stream }
    }
}

/// Returns whether monitoring sends it every few seconds, so that the log omits its successes.
pub(crate) fn is_probe(operation: &str) -> bool {
    matches!(operation, HEALTHZ | METRICS | READYZ)
        || operation.starts_with("/grpc.health.v1.Health/")
}

/// Returns the names of all operations.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    METHODS
        .keys()
        .map(String::as_str)
        .chain(rest::OPERATIONS)
        .chain(OTHERS)
}

/// The paths of all methods of the contract and of the standard services, and whether the method is a stream.
static METHODS: LazyLock<HashMap<String, bool>> = LazyLock::new(|| {
    let sets = [
        v1::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut methods = HashMap::new();
    for set in sets {
        let set = FileDescriptorSet::decode(set).expect("the build has encoded the descriptors");
        for file in &set.file {
            add_methods(&mut methods, file);
        }
    }
    methods
});

fn add_methods(methods: &mut HashMap<String, bool>, file: &FileDescriptorProto) {
    for service in &file.service {
        for method in &service.method {
            let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
            methods.insert(path, method.server_streaming() || method.client_streaming());
        }
    }
}

const OTHERS: [&str; 6] = [HEALTHZ, METRICS, OPENAPI, PREFLIGHT, READYZ, UNKNOWN];
const HEALTHZ: &str = "healthz";
const METRICS: &str = "metrics";
const OPENAPI: &str = "openapi";
const PREFLIGHT: &str = "preflight";
const READYZ: &str = "readyz";
const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::header::CONTENT_TYPE;

    use super::*;

    #[test]
    fn the_contract_says_which_calls_are_streams() {
        let table = [
            (
                "POST",
                "/grpc.health.v1.Health/Watch",
                "application/grpc",
                true,
            ),
            (
                "POST",
                "/grpc.health.v1.Health/Check",
                "application/grpc",
                false,
            ),
            (
                "POST",
                "/grpc.health.v1.Health/Watch",
                "application/json",
                false,
            ),
            (
                "GET",
                "/grpc.health.v1.Health/Watch",
                "application/grpc",
                false,
            ),
            (
                "POST",
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                "application/grpc",
                true,
            ),
            (
                "POST",
                "/pam.v1.ApprovalService/Approve",
                "application/grpc",
                false,
            ),
            (
                "POST",
                "/pam.v1.ApprovalService/Nothing",
                "application/grpc",
                false,
            ),
        ];
        for (method, path, content_type, expected) in table {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(CONTENT_TYPE, content_type)
                .body(Body::empty())
                .unwrap();
            assert_eq!(of(&request).is_stream, expected, "{method} {path}");
        }
    }
}
