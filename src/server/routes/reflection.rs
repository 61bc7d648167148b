//! Reflection: the contract, for tools. A setting turns it on.

use tonic::service::Routes;

use super::grpc::{MAX_MESSAGE, bounded};
use crate::errors::Error;
use crate::proto::pam::v1;

/// Returns version 1, and the alpha version that older clients ask for.
pub(crate) fn services(on: bool) -> Result<Routes, Error> {
    if !on {
        return Ok(Routes::default());
    }
    let v1 = builder().build_v1().map_err(Error::internal)?;
    let v1alpha = builder().build_v1alpha().map_err(Error::internal)?;
    Ok(Routes::new(bounded!(v1, MAX_MESSAGE)).add_service(bounded!(v1alpha, MAX_MESSAGE)))
}

fn builder() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
