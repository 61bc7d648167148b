//! Calls of the services in this process.

use http::request::Parts;
use tonic::metadata::MetadataMap;

use crate::proto::OutcomeOnly;
use crate::rest::odata::model::Edm;

/// Returns the message with everything that the server knows about the caller.
pub fn message_of<M>(request: &Parts, message: M) -> tonic::Request<M> {
    tonic::Request::from_parts(MetadataMap::new(), request.extensions.clone(), message)
}

/// Returns the message of an action, whose response the adapter does not read.
pub fn action_of<M>(mut request: Parts, message: M) -> tonic::Request<M> {
    request.extensions.insert(OutcomeOnly);
    tonic::Request::from_parts(MetadataMap::new(), request.extensions, message)
}

/// The path of the API.
pub const ROOT: &str = "/api/pamresources/";
/// The complex type of the original around a GUID.
pub const IDENTIFIER: Edm = Edm::Complex("PAM.UniqueIdentifier");
