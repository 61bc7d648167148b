//! The routes that are neither an operation of the contract nor a resource of the REST API, and the gRPC services.

pub(crate) mod grpc;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod openapi;
pub(crate) mod reflection;
