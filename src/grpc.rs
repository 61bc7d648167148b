//! The gRPC dialect: messages in, domain types down, messages out. It may call the service and nothing else.

mod approvals;
mod convert;
mod elevations;
mod list;
mod roles;
mod sessions;

use std::sync::Arc;

use tonic::{Extensions, Status};

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
    Ok(Context { origin, deadline: extensions.get().copied() })
}
