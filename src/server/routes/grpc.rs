//! The gRPC services of the contract, and the maximum lengths of their messages.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use tonic::service::Routes;

use crate::domain::caller::Caller;
use crate::errors::refuse;
use crate::grpc::Grpc;
use crate::proto::pam::v1::approval_service_server::ApprovalServiceServer;
use crate::proto::pam::v1::elevation_service_server::ElevationServiceServer;
use crate::proto::pam::v1::role_service_server::{self, RoleServiceServer};
use crate::proto::pam::v1::session_service_server::SessionServiceServer;
use crate::server::pipeline::dialect;
use crate::service::Service;

/// Returns the routes of gRPC services, which only gRPC calls may reach.
pub(crate) fn only(services: Routes) -> Router {
    services
        .into_axum_router()
        .reset_fallback()
        .layer(from_fn(dialect::only_grpc))
}

/// Limits the messages that a service reads, before and after decompression, in octets.
macro_rules! bounded {
    ($service:expr, $longest:expr) => {
        $service
            .max_decoding_message_size($longest)
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
            .send_compressed(tonic::codec::CompressionEncoding::Gzip)
    };
}
pub(super) use bounded;

/// Returns the services that callers with credentials use.
pub(crate) fn services(grpc: &Arc<Grpc>) -> Routes {
    Routes::new(bounded!(
        ApprovalServiceServer::from_arc(grpc.clone()),
        MAX_MESSAGE
    ))
    .add_service(bounded!(
        ElevationServiceServer::from_arc(grpc.clone()),
        MAX_MESSAGE
    ))
    .add_service(bounded!(
        RoleServiceServer::from_arc(grpc.clone()),
        MAX_MESSAGE
    ))
    .add_service(bounded!(
        SessionServiceServer::from_arc(grpc.clone()),
        MAX_MESSAGE
    ))
}

/// Returns the rpcs that take a whole role. Their messages are long, so only those of administrators are read.
pub(crate) fn role_changes(grpc: &Arc<Grpc>, service: Arc<Service>) -> Router {
    let roles = bounded!(RoleServiceServer::from_arc(grpc.clone()), MAX_ROLE);
    let path = |rpc: &str| format!("/{}/{rpc}", role_service_server::SERVICE_NAME);
    Router::new()
        .route_service(&path("CreateRole"), roles.clone())
        .route_service(&path("UpdateRole"), roles)
        .layer(from_fn_with_state(service, require_administrator))
        .layer(from_fn(dialect::only_grpc))
}

/// Lets a request of an administrator pass, before its message is read. It needs the caller in the extensions.
async fn require_administrator(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Arc<Caller>>,
    request: Request,
    next: Next,
) -> Response {
    match service.check_administrator(&caller) {
        Ok(()) => next.run(request).await,
        Err(error) => refuse(error),
    }
}

/// Room for every text and comparison in a request.
pub(super) const MAX_MESSAGE: usize = 64 * 1024;
/// Room for a role with the maximum number of principals.
const MAX_ROLE: usize = 4 * 1024 * 1024;
