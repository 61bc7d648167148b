//! What a request asks for, in one word of ours: what the log, the metrics and the traces call it.

use std::collections::HashSet;
use std::sync::LazyLock;

use axum::extract::Request;
use http::Method;
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};

use super::content_type::is_grpc;
use crate::proto::pam::v1;
use crate::rest;

/// The path of a gRPC method, a word for a resource of the REST API, or one of [`OTHERS`]. Never a caller's text.
pub(super) fn of(request: &Request) -> &'static str {
    let path = request.uri().path();
    if is_grpc(request) {
        return METHODS.get(path).map_or(UNKNOWN, String::as_str);
    }
    match path {
        _ if request.method() == Method::OPTIONS => PREFLIGHT,
        "/healthz" => HEALTHZ,
        "/metrics" => METRICS,
        "/openapi.json" => OPENAPI,
        "/readyz" => READYZ,
        _ => rest::operation(request.method(), path).unwrap_or(UNKNOWN),
    }
}

/// Whether monitoring asks for it every few seconds, so that its successes are of no interest.
pub(super) fn is_probe(operation: &str) -> bool {
    matches!(operation, HEALTHZ | METRICS | READYZ)
        || operation.starts_with("/grpc.health.v1.Health/")
}

/// All that [`of`] answers.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    METHODS
        .iter()
        .map(String::as_str)
        .chain(rest::OPERATIONS)
        .chain(OTHERS)
}

/// The paths of all methods of the contract, and of the services beside it.
static METHODS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let sets = [
        v1::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let files = sets
        .into_iter()
        .filter_map(|set| FileDescriptorSet::decode(set).ok())
        .flat_map(|set| set.file);
    files
        .flat_map(|file| {
            file.service
                .iter()
                .flat_map(|service| methods(&file, service))
                .collect::<Vec<_>>()
        })
        .collect()
});

fn methods(file: &FileDescriptorProto, service: &ServiceDescriptorProto) -> Vec<String> {
    let path = |method: &str| format!("/{}.{}/{method}", file.package(), service.name());
    service
        .method
        .iter()
        .map(|method| path(method.name()))
        .collect()
}

const OTHERS: [&str; 6] = [HEALTHZ, METRICS, OPENAPI, PREFLIGHT, READYZ, UNKNOWN];
const HEALTHZ: &str = "healthz";
const METRICS: &str = "metrics";
const OPENAPI: &str = "openapi";
const PREFLIGHT: &str = "preflight";
const READYZ: &str = "readyz";
const UNKNOWN: &str = "unknown";
