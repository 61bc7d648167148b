//! The server: a function of a listener, what it serves, and a shutdown.
//!
//! One port carries REST and gRPC over HTTP/1.1 and HTTP/2. From outside in, a request passes the connection
//! (`connections`), the edge, which knows both dialects (`edge`), the limits (`limits`), the authentication, and the
//! router.

mod connections;
mod edge;
mod forwarded;
mod guard;
mod head;
mod limits;
mod operations;
mod probes;
mod scrape;
mod sending;
mod streams;
mod unserved;
mod work;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tower_http::catch_panic::CatchPanicLayer;

use crate::auth::{Authenticator, require_administrator, require_caller};
use crate::domain::error::Error;
use crate::grpc::Grpc;
use crate::metrics::Metrics;
use crate::proto::pam::v1::approval_service_server::ApprovalServiceServer;
use crate::proto::pam::v1::elevation_service_server::ElevationServiceServer;
use crate::proto::pam::v1::role_service_server::{self, RoleServiceServer};
use crate::proto::pam::v1::session_service_server::SessionServiceServer;
use crate::rest::Rest;
use crate::rest::cors::Cors;
use crate::service::Service;
use crate::store::Store;
use crate::traces::Traces;
pub use forwarded::{Forwarded, TrustedProxies};
use limits::Gate;

/// What is served.
pub struct App {
    /// Who may call.
    pub authenticator: Authenticator,
    /// Which pages of other origins may call.
    pub cors: Cors,
    /// The proxies in front whose word on the clients' address counts.
    pub proxies: TrustedProxies,
    /// How much at once, and for how long.
    pub limits: Limits,
    /// What is measured; the store has its part of it.
    pub metrics: Arc<Metrics>,
    /// Whether anybody may ask for the contract by reflection.
    pub reflection: bool,
    /// The operations.
    pub service: Arc<Service>,
    /// What the operations write to; its failure ends the server.
    pub store: Arc<dyn Store>,
    /// Where traces go, where they go anywhere.
    pub traces: Option<Traces>,
    /// The zone of times that legacy clients send without one.
    pub zone: TimeZone,
}

/// How much at once, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections at once; more wait to be accepted.
    pub connections: usize,
    /// How long open requests may take to finish after the shutdown signal.
    pub drain: Duration,
    /// How long a client may take from the first byte of a request, or from the start of its connection, to the end of its
    /// headers.
    pub headers: Duration,
    /// How long an idle connection is kept.
    pub idle: Duration,
    /// How many rows a list of the REST API has at most; what comes behind is behind its next link.
    pub list: usize,
    /// How many requests at once; more are refused as overload.
    pub requests: usize,
    /// How long a request may take, where a shorter `grpc-timeout` counts instead; and how long its answer, to be sent.
    pub request_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            drain: Duration::from_secs(10),
            headers: Duration::from_secs(5),
            idle: Duration::from_secs(75),
            list: 10_000,
            requests: 1_024,
            request_time: Duration::from_secs(30),
        }
    }
}

/// Serves until `shutdown` completes and what is open has ended, or until the store has failed.
pub async fn run(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let stop = CancellationToken::new();
    let (store, limits, metrics) = (app.store.clone(), app.limits, app.metrics.clone());
    let (service, traces) = (app.service.clone(), app.traces.clone());
    let work = work::Work::default();
    let router = router(app, &work, &stop)?;
    let _scheduler = AbortOnDropHandle::new(tokio::spawn(keep_time(service)));
    let serving = connections::serve(
        listener,
        router,
        limits,
        &metrics.connections,
        work,
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

/// Runs the scheduler, and runs it again should a defect end it.
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

fn router(app: App, work: &work::Work, stop: &CancellationToken) -> Result<Router, Error> {
    let ready = probes::Readiness::of(&*app.store, &app.service);
    let grpc = Arc::new(Grpc::new(app.service.clone()));
    let rest = Rest {
        approvals: grpc.clone(),
        elevations: grpc.clone(),
        roles: grpc.clone(),
        sessions: grpc.clone(),
        longest_list: app.limits.list,
        zone: app.zone,
    };
    let longest = app.limits.request_time;
    let gate = Arc::new(Gate::new(app.limits));
    let observer = Arc::new(edge::Observer::new(&app.metrics, app.traces, work));
    let authenticator = Arc::new(app.authenticator);
    let private = grpc_routes(services(&grpc))
        .merge(role_changes(&grpc))
        .fallback(move |request| unrouted(rest.clone(), request))
        .layer(from_fn_with_state(authenticator.clone(), require_caller))
        .layer(from_fn_with_state(gate, limits::admit));
    // Not behind the gate: who monitors wants to know most when too much is going on.
    let scraped = scrape::Scraped {
        metrics: app.metrics,
        ready: ready.clone(),
        service: app.service,
        authenticator: authenticator.clone(),
    };
    let scrape = scrape::route(scraped).layer(from_fn_with_state(authenticator, require_caller));
    // Too long to be given to anybody without a limit, and behind a gate of its own, so that nobody can keep callers out.
    let gate = Arc::new(Gate::new(app.limits));
    let openapi = probes::openapi().layer(from_fn_with_state(gate, limits::admit));
    let router = private
        .merge(scrape)
        .merge(openapi)
        .merge(probes::http(ready.clone()))
        .merge(streams::end_on(
            grpc_routes(probes::grpc(ready, stop)),
            stop,
            longest,
        ))
        .merge(streams::end_on(
            grpc_routes(probes::reflection(app.reflection)?),
            stop,
            longest,
        ));
    let web = Arc::new(edge::Web {
        cors: app.cors,
        proxies: app.proxies,
    });
    Ok(router
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(from_fn_with_state(web, edge::pass))
        .layer(from_fn_with_state(observer, edge::observe)))
}

/// The routes of gRPC services, which nothing but a gRPC call may reach.
fn grpc_routes(services: Routes) -> Router {
    services
        .into_axum_router()
        .reset_fallback()
        .layer(from_fn(edge::only_grpc))
}

/// What is no method of a gRPC service is the REST API's, unless it is a gRPC call all the same.
async fn unrouted(rest: Rest, request: Request) -> Response {
    if edge::speaks_grpc(&request) {
        edge::no_such_operation()
    } else {
        rest.answer(request).await
    }
}

/// A service that reads messages of at most so many octets, before and after they are decompressed.
macro_rules! bounded {
    ($service:expr, $longest:expr) => {
        $service
            .max_decoding_message_size($longest)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
    };
}
use bounded;

fn services(grpc: &Arc<Grpc>) -> Routes {
    Routes::new(bounded!(
        ApprovalServiceServer::from_arc(grpc.clone()),
        LONGEST_MESSAGE
    ))
    .add_service(bounded!(
        ElevationServiceServer::from_arc(grpc.clone()),
        LONGEST_MESSAGE
    ))
    .add_service(bounded!(
        RoleServiceServer::from_arc(grpc.clone()),
        LONGEST_MESSAGE
    ))
    .add_service(bounded!(
        SessionServiceServer::from_arc(grpc.clone()),
        LONGEST_MESSAGE
    ))
}

/// The rpcs that take a whole role. Their messages are long, so only those of administrators are read.
fn role_changes(grpc: &Arc<Grpc>) -> Router {
    let service = bounded!(RoleServiceServer::from_arc(grpc.clone()), LONGEST_ROLE);
    let path = |rpc: &str| format!("/{}/{rpc}", role_service_server::SERVICE_NAME);
    Router::new()
        .route_service(&path("CreateRole"), service.clone())
        .route_service(&path("UpdateRole"), service)
        .layer(from_fn(require_administrator))
        .layer(from_fn(edge::only_grpc))
}

/// Room for every text and comparison that a request may have.
const LONGEST_MESSAGE: usize = 64 * 1024;
/// Room for a role with all the principals it can name.
const LONGEST_ROLE: usize = 4 * 1024 * 1024;
