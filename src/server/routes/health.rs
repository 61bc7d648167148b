//! The health of the node, for everyone: whether the process is alive and whether it can decide.

use std::future::ready;
use std::pin::Pin;

use async_trait::async_trait;
use axum::response::Response;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_check_response};
use tonic_health::server::{HealthReporter, HealthService};

use crate::errors::{Error, Kind};
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

    /// Returns an empty response, or the error of a node that cannot decide.
    pub(super) fn check(&self) -> Result<Response, Error> {
        if !self.is_ready() {
            let message = "The server cannot decide now.";
            return Err(Error::new(Kind::Unavailable, message));
        }
        Ok(Response::default())
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

/// The health of the known services. For any other service the protocol requires an error for a check and
/// SERVICE_UNKNOWN for a watch, because the service may come later.
pub(crate) struct Health(HealthService);

impl Health {
    /// Returns the health of a node with that readiness, until `stop`.
    pub(crate) fn of(ready: Readiness, stop: &CancellationToken) -> Self {
        let reporter = HealthReporter::new();
        let health = Self(HealthService::from_health_reporter(reporter.clone()));
        tokio::spawn(report(reporter, ready, stop.clone()));
        health
    }
}

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
