//! The server: a function of a listener, an application and a shutdown.
//!
//! One port carries REST and gRPC over HTTP/1.1 and HTTP/2. A request comes in by a `connection`, takes the steps of the
//! `pipeline`, and one of the `routes` answers it.

mod connection;
mod limits;
mod pipeline;
mod routes;
mod tasks;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::auth::Authenticator;
use crate::domain::error::Error;
use crate::grpc::Grpc;
use crate::rest::Rest;
use crate::rest::cors::Cors;
use crate::service::Service;
use crate::store::Store;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;
pub use limits::Limits;
use pipeline::Pipeline;
use pipeline::admission::Gate;
pub use pipeline::forwarded::{Forwarded, TrustedProxies};
use pipeline::observer::Observer;
use pipeline::streams::StreamGate;
use pipeline::web::Web;
use routes::grpc::Services;
use routes::health::{Health, Readiness};
use routes::metrics::Scrape;
use routes::{Routes, reflection};
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
    let pipeline = Arc::new(pipeline(app, &tasks, &stop)?);
    let ended = CancellationToken::new();
    let scheduler = AbortOnDropHandle::new(tokio::spawn(keep_time(service, ended.clone())));
    let serving = connection::serve(
        listener,
        pipeline,
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
    ended.cancel();
    // It holds the store, which another server may open next.
    let _ = scheduler.await;
    if let Some(traces) = traces {
        traces.flush().await;
    }
    tokio::select! {
        biased;
        () = store.failed() => Err(Error::unavailable("the store has failed")),
        () = std::future::ready(()) => Ok(()),
    }
}

/// Runs the scheduler until `stop`, and starts it again if a defect ends it.
async fn keep_time(service: Arc<Service>, stop: CancellationToken) {
    loop {
        let service = service.clone();
        let task = tokio::spawn(async move { service.keep_time().await });
        let mut task = AbortOnDropHandle::new(task);
        let ended = tokio::select! {
            ended = &mut task => ended,
            () = stop.cancelled() => {
                task.abort();
                let _ = task.await;
                return;
            }
        };
        tracing::error!(
            error = ended.err().map(tracing::field::display),
            "the scheduler has ended; starting it again"
        );
        sleep(Duration::from_secs(1)).await;
    }
}

/// Puts the parts of an application together.
fn pipeline(app: App, tasks: &Tasks, stop: &CancellationToken) -> Result<Pipeline, Error> {
    let ready = Readiness::of(&*app.store, &app.service);
    let grpc = Arc::new(Grpc::new(app.service.clone()));
    let authenticator = Arc::new(app.authenticator);
    let routes = Routes {
        services: Services::new(
            &grpc,
            Health::of(ready.clone(), stop),
            reflection::services(app.reflection)?,
        ),
        has_reflection: app.reflection,
        rest: Rest::new(
            grpc.clone(),
            grpc.clone(),
            grpc.clone(),
            grpc.clone(),
            app.limits.list,
            app.zone,
        ),
        scrape: Scrape {
            metrics: app.metrics.clone(),
            ready: ready.clone(),
            service: app.service,
            authenticator: authenticator.clone(),
        },
        ready,
    };
    Ok(Pipeline {
        observer: Observer::new(&app.metrics, app.traces),
        web: Web {
            cors: app.cors,
            proxies: app.proxies,
        },
        gate: Gate::new(app.limits),
        openapi_gate: Gate::new(app.limits),
        authenticator,
        streams: StreamGate::new(app.limits, stop),
        routes,
        tasks: tasks.clone(),
    })
}
