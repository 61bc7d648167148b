//! The routes: the handler of each request, by its path.

pub(crate) mod grpc;
pub(crate) mod health;
pub(crate) mod metrics;
mod openapi;
pub(crate) mod reflection;

use axum::extract::Request;
use axum::response::Response;
use http::header::ALLOW;
use http::{HeaderValue, Method};
use tonic_health::pb::health_server;
use tonic_reflection::pb::v1::server_reflection_server as reflection_v1;
use tonic_reflection::pb::v1alpha::server_reflection_server as reflection_v1alpha;

use self::grpc::{Services, call};
use self::health::Readiness;
use self::metrics::Scrape;
use super::pipeline::content_type::is_grpc;
use crate::domain::caller::Caller;
use crate::errors::{Error, Kind, refuse};
use crate::proto::pam::v1::approval_service_server as approvals;
use crate::proto::pam::v1::elevation_service_server as elevations;
use crate::proto::pam::v1::role_service_server as roles;
use crate::proto::pam::v1::session_service_server as sessions;
use crate::rest::Rest;

/// The handlers of all routes.
pub(crate) struct Routes {
    /// The gRPC services.
    pub(crate) services: Services,
    /// Whether reflection is served.
    pub(crate) has_reflection: bool,
    /// The REST API.
    pub(crate) rest: Rest,
    /// The sources of the metrics.
    pub(crate) scrape: Scrape,
    /// Whether the server can decide.
    pub(crate) ready: Readiness,
}

/// A handler, or a part of it that needs another budget or other rights.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Route {
    /// `pam.v1.ApprovalService`.
    Approvals,
    /// `pam.v1.ElevationService`.
    Elevations,
    /// `grpc.health.v1.Health`.
    Health,
    /// `/healthz`, which reports that the process is alive.
    Healthz,
    /// `/metrics`.
    Metrics,
    /// `/openapi.json`.
    OpenApi,
    /// `/readyz`, which reports that the server can decide.
    Readyz,
    /// `grpc.reflection`, in both versions.
    Reflection,
    /// The REST API, and every path without another handler.
    Rest,
    /// The rpcs that take a whole role. Their messages are long, so only those of administrators are read.
    RoleChange,
    /// The other rpcs of `pam.v1.RoleService`.
    Roles,
    /// `pam.v1.SessionService`.
    Sessions,
}

impl Route {
    /// Returns whether a request needs credentials.
    pub(crate) fn needs_caller(self) -> bool {
        match self {
            Self::Approvals
            | Self::Elevations
            | Self::Metrics
            | Self::Rest
            | Self::RoleChange
            | Self::Roles
            | Self::Sessions => true,
            Self::Health | Self::Healthz | Self::OpenApi | Self::Readyz | Self::Reflection => false,
        }
    }

    /// Returns whether the route is a document, which can only be read.
    fn is_document(self) -> bool {
        matches!(
            self,
            Self::Healthz | Self::Metrics | Self::OpenApi | Self::Readyz
        )
    }
}

impl Routes {
    /// Returns the route of a path.
    pub(crate) fn find(&self, path: &str) -> Route {
        match path {
            "/healthz" => Route::Healthz,
            "/metrics" => Route::Metrics,
            "/openapi.json" => Route::OpenApi,
            "/readyz" => Route::Readyz,
            _ => self.find_service(path).unwrap_or(Route::Rest),
        }
    }

    fn find_service(&self, path: &str) -> Option<Route> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        match (service, method) {
            (_, "") => None,
            (approvals::SERVICE_NAME, _) => Some(Route::Approvals),
            (elevations::SERVICE_NAME, _) => Some(Route::Elevations),
            (roles::SERVICE_NAME, "CreateRole" | "UpdateRole") => Some(Route::RoleChange),
            (roles::SERVICE_NAME, _) => Some(Route::Roles),
            (sessions::SERVICE_NAME, _) => Some(Route::Sessions),
            (health_server::SERVICE_NAME, _) => Some(Route::Health),
            (reflection_v1::SERVICE_NAME | reflection_v1alpha::SERVICE_NAME, _)
                if self.has_reflection =>
            {
                Some(Route::Reflection)
            }
            _ => None,
        }
    }

    /// Returns the response of the handler. `caller` is present if the route needs one.
    pub(crate) async fn call(
        &self,
        route: Route,
        request: Request,
        caller: Option<&Caller>,
    ) -> Result<Response, Error> {
        if route.is_document() {
            if !matches!(*request.method(), Method::GET | Method::HEAD) {
                return Ok(method_not_allowed());
            }
        } else if is_grpc(&request) == (route == Route::Rest) {
            let message = "There is no such operation.";
            return Err(Error::new(Kind::NoSuchOperation, message));
        }
        let services = &self.services;
        Ok(match route {
            Route::Approvals => call(&services.approvals, request).await,
            Route::Elevations => call(&services.elevations, request).await,
            Route::Health => call(&services.health, request).await,
            Route::Healthz => Response::default(),
            Route::Metrics => self.scrape.read(known(caller)?, request.headers()).await?,
            Route::OpenApi => openapi::read(),
            Route::Readyz => self.ready.check()?,
            Route::Reflection => call(&services.reflection, request).await,
            Route::Rest => self.rest.answer(request).await,
            Route::RoleChange => {
                self.scrape.service.check_administrator(known(caller)?)?;
                call(&services.role_changes, request).await
            }
            Route::Roles => call(&services.roles, request).await,
            Route::Sessions => call(&services.sessions, request).await,
        })
    }
}

/// Returns the caller, whom the authentication has found.
fn known(caller: Option<&Caller>) -> Result<&Caller, Error> {
    caller.ok_or_else(|| Error::internal("a request came past the authentication"))
}

/// Refuses a method that a document does not have.
fn method_not_allowed() -> Response {
    let message = "This resource does not know the method.";
    let mut response: Response = refuse(Error::new(Kind::MethodNotAllowed, message));
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
    response
}
