//! The gRPC services, and the maximum lengths of their messages.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use tonic_health::pb::health_server::HealthServer;
use tower::{Service, ServiceExt};

use super::health::Health;
use crate::grpc::Grpc;
use crate::proto::pam::v1::approval_service_server::ApprovalServiceServer;
use crate::proto::pam::v1::elevation_service_server::ElevationServiceServer;
use crate::proto::pam::v1::role_service_server::RoleServiceServer;
use crate::proto::pam::v1::session_service_server::SessionServiceServer;

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

/// The gRPC services.
pub(crate) struct Services {
    pub(super) approvals: ApprovalServiceServer<Grpc>,
    pub(super) elevations: ElevationServiceServer<Grpc>,
    pub(super) health: HealthServer<Health>,
    pub(super) reflection: tonic::service::Routes,
    pub(super) role_changes: RoleServiceServer<Grpc>,
    pub(super) roles: RoleServiceServer<Grpc>,
    pub(super) sessions: SessionServiceServer<Grpc>,
}

impl Services {
    /// Returns the services of the contract, the health service, and reflection.
    pub(crate) fn new(
        grpc: &Arc<Grpc>,
        health: Health,
        reflection: tonic::service::Routes,
    ) -> Self {
        let role_changes = RoleServiceServer::from_arc(grpc.clone());
        let sessions = SessionServiceServer::from_arc(grpc.clone());
        Self {
            approvals: bounded!(ApprovalServiceServer::from_arc(grpc.clone()), MAX_MESSAGE),
            elevations: bounded!(ElevationServiceServer::from_arc(grpc.clone()), MAX_MESSAGE),
            health: bounded!(HealthServer::new(health), MAX_MESSAGE),
            reflection,
            role_changes: bounded!(role_changes, MAX_ROLE),
            roles: bounded!(RoleServiceServer::from_arc(grpc.clone()), MAX_MESSAGE),
            sessions: bounded!(sessions, MAX_MESSAGE),
        }
    }
}

/// Returns the response of a service.
pub(super) async fn call<S>(service: &S, request: Request) -> Response
where
    S: Service<Request, Response = http::Response<tonic::body::Body>, Error = Infallible> + Clone,
{
    let Ok(response) = service.clone().oneshot(request).await;
    response.map(Body::new)
}

/// Room for every text and comparison in a request.
pub(super) const MAX_MESSAGE: usize = 64 * 1024;
/// Room for a role with the maximum number of principals.
const MAX_ROLE: usize = 4 * 1024 * 1024;
