//! The gRPC services of the contract, and the maximum lengths of their messages.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use tonic::service::Routes;

use crate::auth::require_administrator;
use crate::grpc::Grpc;
use crate::proto::pam::v1::approval_service_server::ApprovalServiceServer;
use crate::proto::pam::v1::elevation_service_server::ElevationServiceServer;
use crate::proto::pam::v1::role_service_server::{self, RoleServiceServer};
use crate::proto::pam::v1::session_service_server::SessionServiceServer;
use crate::server::pipeline::dialect;

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
pub(crate) fn role_changes(grpc: &Arc<Grpc>) -> Router {
    let service = bounded!(RoleServiceServer::from_arc(grpc.clone()), MAX_ROLE);
    let path = |rpc: &str| format!("/{}/{rpc}", role_service_server::SERVICE_NAME);
    Router::new()
        .route_service(&path("CreateRole"), service.clone())
        .route_service(&path("UpdateRole"), service)
        .layer(from_fn(require_administrator))
        .layer(from_fn(dialect::only_grpc))
}

/// Room for every text and comparison in a request.
pub(super) const MAX_MESSAGE: usize = 64 * 1024;
/// Room for a role with the maximum number of principals.
const MAX_ROLE: usize = 4 * 1024 * 1024;
