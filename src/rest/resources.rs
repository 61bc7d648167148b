//! The resources of the REST API: their properties, and the calls of the services that answer for them.

pub mod approvals;
mod create;
pub mod fields;
pub mod requests;
pub mod roles;
pub mod session;

use http::request::Parts;
use tonic::metadata::MetadataMap;

/// Returns the message with everything that the layers in front have found out about the caller.
fn message_of<M>(request: &Parts, message: M) -> tonic::Request<M> {
    tonic::Request::from_parts(MetadataMap::new(), request.extensions.clone(), message)
}

/// The path of the API.
pub const ROOT: &str = "/api/pamresources/";
