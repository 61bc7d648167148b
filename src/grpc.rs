//! The gRPC dialect: messages in, domain types down, messages out. It may call the service and nothing else.

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
use crate::domain::event::Origin;
use crate::service::{Context, Service};

/// All services of `pam.v1`.
pub struct Grpc {
    service: Arc<Service>,
}

impl Grpc {
    /// The gRPC dialect of that service.
    pub fn new(service: Arc<Service>) -> Self {
        Self { service }
    }
}

/// The caller, whom the authentication in front has put there.
fn caller(extensions: &Extensions) -> Result<Arc<Caller>, Status> {
    let caller = extensions.get::<Arc<Caller>>().cloned();
    caller.ok_or_else(|| Error::internal("a request came past the authentication").into())
}

/// What comes with every request that changes something; the edge has put it there.
fn context(extensions: &Extensions) -> Result<Context, Status> {
    let origin = extensions.get::<Origin>().cloned();
    let origin = origin.ok_or_else(|| Error::internal("a request came past the edge"))?;
    Ok(Context {
        origin,
        deadline: extensions.get().copied(),
    })
}

/// The response of an rpc. A short one is sent as it is, since compressing it costs more than it saves.
fn reply<M: Message>(message: M) -> Response<M> {
    let is_short = message.encoded_len() < SHORTEST_COMPRESSED;
    let mut response = Response::new(message);
    if is_short {
        response.disable_compression();
    }
    response
}

const SHORTEST_COMPRESSED: usize = 1_024;
