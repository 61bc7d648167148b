//! The server: a function of a listener, an application and a shutdown.
//!
//! One port carries REST and gRPC over HTTP/1.1 and HTTP/2. A request comes in by a `connection`, passes the layers of the
//! `pipeline` and the authentication, and the router hands it to one of the `routes` or to the REST API.

mod connection;
mod limits;
mod pipeline;
mod routes;
mod tasks;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tower_http::catch_panic::CatchPanicLayer;

use crate::auth::{Authenticator, require_caller};
use crate::domain::error::Error;
use crate::grpc::Grpc;
use crate::rest::Rest;
use crate::rest::cors::Cors;
use crate::service::Service;
use crate::store::Store;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;
pub use limits::Limits;
use pipeline::admission::{self, Gate};
use pipeline::content_type::is_grpc;
use pipeline::dialect;
pub use pipeline::forwarded::{Forwarded, TrustedProxies};
use pipeline::observer::{self, Observer};
use pipeline::streams::{self, StreamGate};
use routes::{grpc, health, metrics, openapi, reflection};
use tasks::Tasks;

/// The parts of an application that a server serves.
pub struct App {
    /// Identifies the callers.
    pub authenticator: Authenticator,
    /// The origins whose pages may call.
    pub cors: Cors,
    /// The proxies whose forwarding headers count.
    pub proxies: TrustedProxies,
    /// The maximums.
    pub limits: Limits,
    /// The metrics, of which the store has its part.
    pub metrics: Arc<Metrics>,
    /// Whether reflection is served, which needs no credentials.
    pub reflection: bool,
    /// The operations.
    pub service: Arc<Service>,
    /// The store of the operations; its failure ends the server.
    pub store: Arc<dyn Store>,
    /// Sends traces; `None` for no traces.
    pub traces: Option<Traces>,
    /// The zone of times that legacy clients send without one.
    pub zone: TimeZone,
}

/// Serves until `shutdown` completes and open requests have ended, or until the store has failed.
///
/// # Errors
///
/// `Unavailable` if the store has failed.
pub async fn run(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let stop = CancellationToken::new();
    let (store, limits, metrics) = (app.store.clone(), app.limits, app.metrics.clone());
    let (service, traces) = (app.service.clone(), app.traces.clone());
    let tasks = Tasks::default();
    let router = router(app, &tasks, &stop)?;
    let _scheduler = AbortOnDropHandle::new(tokio::spawn(keep_time(service)));
    let serving = connection::serve(
        listener,
        router,
        limits,
        &metrics.connections,
        tasks,
        stop.clone(),
    );
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => {}
        () = shutdown => tracing::info!("shutting down"),
        () = store.failed() => tracing::error!("the store has failed; shutting down"),
    }
    stop.cancel();
    serving.await;
    if let Some(traces) = traces {
        traces.flush().await;
    }
    tokio::select! {
        biased;
        () = store.failed() => Err(Error::unavailable("the store has failed")),
        () = std::future::ready(()) => Ok(()),
    }
}

/// Runs the scheduler, and starts it again if a defect ends it.
async fn keep_time(service: Arc<Service>) {
    loop {
        let service = service.clone();
        let ended =
            AbortOnDropHandle::new(tokio::spawn(async move { service.keep_time().await })).await;
        tracing::error!(
            error = ended.err().map(tracing::field::display),
            "the scheduler has ended; starting it again"
        );
        sleep(Duration::from_secs(1)).await;
    }
}

fn router(app: App, tasks: &Tasks, stop: &CancellationToken) -> Result<Router, Error> {
    let ready = health::Readiness::of(&*app.store, &app.service);
    let services = Arc::new(Grpc::new(app.service.clone()));
    let rest = Rest {
        approvals: services.clone(),
        elevations: services.clone(),
        roles: services.clone(),
        sessions: services.clone(),
        longest_list: app.limits.list,
        zone: app.zone,
    };
    let gate = Arc::new(Gate::new(app.limits));
    let streams = Arc::new(StreamGate::new(app.limits, stop));
    let observer = Arc::new(Observer::new(&app.metrics, app.traces, tasks));
    let authenticator = Arc::new(app.authenticator);
    let private = grpc::only(grpc::services(&services))
        .merge(grpc::role_changes(&services, app.service.clone()))
        .fallback(move |request| unrouted(rest.clone(), request))
        .layer(from_fn_with_state(streams.clone(), streams::admit))
        .layer(from_fn_with_state(authenticator.clone(), require_caller))
        .layer(from_fn_with_state(gate, admission::admit));
    // Without the gate: metrics are needed most when the server is overloaded.
    let scrape = metrics::Scrape {
        metrics: app.metrics,
        ready: ready.clone(),
        service: app.service,
        authenticator: authenticator.clone(),
    };
    let scrape = metrics::route(scrape).layer(from_fn_with_state(authenticator, require_caller));
    // Too long to be sent to everyone without a limit, and with a gate of its own, so that it cannot keep callers out.
    let gate = Arc::new(Gate::new(app.limits));
    let openapi = openapi::route().layer(from_fn_with_state(gate, admission::admit));
    let public = grpc::only(health::grpc(ready.clone(), stop))
        .merge(grpc::only(reflection::services(app.reflection)?))
        .layer(from_fn_with_state(streams, streams::admit));
    let router = private
        .merge(scrape)
        .merge(openapi)
        .merge(health::http(ready))
        .merge(public);
    let web = Arc::new(dialect::Web {
        cors: app.cors,
        proxies: app.proxies,
    });
    Ok(router
        .layer(CatchPanicLayer::custom(dialect::panicked))
        .layer(from_fn_with_state(web, dialect::pass))
        .layer(from_fn_with_state(observer, observer::observe)))
}

/// Serves a request that is no method of a gRPC service: the REST API's, or a gRPC call of no known method.
async fn unrouted(rest: Rest, request: Request) -> Response {
    if is_grpc(&request) {
        dialect::no_such_operation()
    } else {
        rest.answer(request).await
    }
}
