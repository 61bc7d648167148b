//! The health of the node, for everyone: whether the process is alive and whether it can decide.

use std::future::ready;
use std::pin::Pin;

use async_trait::async_trait;
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use futures_util::stream::{self, Stream, StreamExt};
use http::StatusCode;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{self, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_check_response};
use tonic_health::server::{HealthReporter, HealthService};

use super::grpc::{MAX_MESSAGE, bounded};
use crate::errors::{Error, Kind, refuse};
use crate::server::pipeline::dialect;
use crate::service::Service;
use crate::store::Store;

/// Whether the node can decide: the store commits and reads, and the clock was right.
#[derive(Clone)]
pub(crate) struct Readiness {
    store: watch::Receiver<bool>,
    clock: watch::Receiver<bool>,
}

impl Readiness {
    /// Returns the readiness of a node with that store and that service.
    pub(crate) fn of(store: &dyn Store, service: &Service) -> Self {
        Self {
            store: store.ready(),
            clock: service.right_time(),
        }
    }

    /// Returns whether the node can decide.
    pub(crate) fn is_ready(&self) -> bool {
        *self.store.borrow() && *self.clock.borrow()
    }

    /// Completes when it may have changed. Returns false if it can no longer change.
    async fn changed(&mut self) -> bool {
        tokio::select! {
            changed = self.store.changed() => changed.is_ok(),
            changed = self.clock.changed() => changed.is_ok(),
        }
    }
}

/// Returns the routes `/healthz`, which reports that the process is alive, and `/readyz`, which reports that it can
/// decide.
pub(crate) fn http(ready: Readiness) -> Router {
    let readyz = async move || match ready.is_ready() {
        true => StatusCode::OK.into_response(),
        false => refuse(Error::new(
            Kind::Unavailable,
            "The server cannot decide now.",
        )),
    };
    let healthz = get(async || StatusCode::OK);
    Router::new()
        .route("/healthz", healthz.fallback(dialect::method_not_allowed))
        .route("/readyz", get(readyz).fallback(dialect::method_not_allowed))
}

/// Returns `grpc.health.v1.Health`, for the server as a whole and for each service.
pub(crate) fn grpc(ready: Readiness, stop: &CancellationToken) -> Routes {
    let reporter = HealthReporter::new();
    let health = Health(HealthService::from_health_reporter(reporter.clone()));
    tokio::spawn(report(reporter, ready, stop.clone()));
    Routes::new(bounded!(HealthServer::new(health), MAX_MESSAGE))
}

/// The health of the known services. For any other service the protocol requires an error for a check and
/// SERVICE_UNKNOWN for a watch, because the service may come later.
struct Health(HealthService);

#[async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, Status> {
        if is_known(&request) {
            return self.0.check(request).await;
        }
        Err(Error::new(Kind::NoSuchService, "There is no service of this name.").into())
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, Status> {
        let stream: Self::WatchStream = if is_known(&request) {
            Box::pin(self.0.watch(request).await?.into_inner())
        } else {
            let unknown = HealthCheckResponse {
                status: health_check_response::ServingStatus::ServiceUnknown.into(),
            };
            Box::pin(stream::once(ready(Ok(unknown))).chain(stream::pending()))
        };
        Ok(tonic::Response::new(stream))
    }
}

fn is_known(request: &tonic::Request<HealthCheckRequest>) -> bool {
    SERVICES.contains(&&*request.get_ref().service)
}

/// Reports the readiness to the health service until the server stops.
async fn report(reporter: HealthReporter, mut ready: Readiness, stop: CancellationToken) {
    loop {
        let status = if ready.is_ready() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for service in SERVICES {
            reporter.set_service_status(service, status).await;
        }
        let changed = tokio::select! {
            changed = ready.changed() => changed,
            () = stop.cancelled() => false,
        };
        if !changed {
            break;
        }
    }
    for service in SERVICES {
        reporter
            .set_service_status(service, ServingStatus::NotServing)
            .await;
    }
}

/// The server as a whole has the empty name.
const SERVICES: [&str; 5] = [
    "",
    "pam.v1.ApprovalService",
    "pam.v1.ElevationService",
    "pam.v1.RoleService",
    "pam.v1.SessionService",
];
