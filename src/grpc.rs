//! The gRPC dialect: converts messages to domain types, calls the service, and converts the results to messages.

mod approvals;
mod convert;
mod elevations;
mod list;
mod roles;
mod sessions;

use std::sync::Arc;

use prost::Message;
use tonic::{Extensions, Response, Status};

use crate::domain::caller::Caller;
use crate::domain::error::Error;
use crate::proto::OutcomeOnly;
use crate::service::{Context, Service};

/// The services of `pam.v1`.
pub struct Grpc {
    service: Arc<Service>,
}

impl Grpc {
    /// Returns the gRPC dialect of a service.
    pub fn new(service: Arc<Service>) -> Self {
        Self { service }
    }
}

/// Returns the caller, whom the pipeline has put into the extensions.
fn caller(extensions: &Extensions) -> Result<Arc<Caller>, Status> {
    let caller = extensions.get::<Arc<Caller>>().cloned();
    caller.ok_or_else(|| Error::internal("a request came past the authentication").into())
}

/// Returns the context of a request, which is in the extensions as well.
fn context(extensions: &Extensions) -> Result<Arc<Context>, Status> {
    let context = extensions.get::<Arc<Context>>().cloned();
    context.ok_or_else(|| Error::internal("a request came past the pipeline").into())
}

/// Returns whether the caller reads the message of the response.
fn needs_message(extensions: &Extensions) -> bool {
    extensions.get::<OutcomeOnly>().is_none()
}

/// Returns the response of an rpc. A short response is not compressed, since that costs more than it saves.
fn reply<M: Message>(message: M) -> Response<M> {
    let is_short = message.encoded_len() < SHORTEST_COMPRESSED;
    let mut response = Response::new(message);
    if is_short {
        response.disable_compression();
    }
    response
}

const SHORTEST_COMPRESSED: usize = 1_024;
