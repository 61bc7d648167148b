//! `countersign serve`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{check, create_data_dir};
use crate::auth::Authenticator;
use crate::auth::bearer::Bearer;
use crate::auth::tokens::TokensFile;
use crate::config::Serve;
use crate::domain::error::Error;
use crate::domain::quota::Quota;
use crate::metrics::Metrics;
use crate::ports::Clock;
use crate::rest::cors::Cors;
use crate::server::{self, App, Limits};
use crate::service::{Service, Settings};
use crate::store::Store;
use crate::store::sqlite::SqliteStore;
use crate::system::{SystemClock, SystemIds};
use crate::traces::Traces;

/// Serves until SIGTERM or SIGINT; on SIGHUP reads again what can be.
pub(super) async fn run(settings: Serve) -> Result<(), Error> {
    // First of all, because a SIGHUP that nobody has asked for ends the process.
    let hangup = signal(SignalKind::hangup()).map_err(Error::internal)?;
    create_data_dir(&settings.data.data_dir)?;
    let tokens = tokens(&settings, &settings.data.tokens())?;
    check::warn(&settings, &tokens);
    let app = app(&settings, &settings.data.store(), tokens.clone())?;
    let listener = bind(settings.listen).await?;
    let address = listener.local_addr().map_err(Error::internal)?;
    tracing::info!(%address, store = %settings.data.store().display(), "listening");
    tokio::select! {
        served = server::run(listener, app, interrupted()?) => served,
        () = reread(hangup, &tokens) => Err(Error::internal("signals come no more")),
    }
}

/// The tokens file, with the administrators of the settings.
pub(super) fn tokens(settings: &Serve, path: &Path) -> Result<Arc<TokensFile>, Error> {
    Ok(Arc::new(TokensFile::open(path, &settings.administrators, &settings.monitors, SystemClock.now())?))
}

/// Puts everything together.
pub(super) fn app(settings: &Serve, store: &Path, tokens: Arc<TokensFile>) -> Result<App, Error> {
    let clock = Arc::new(SystemClock);
    let metrics = Arc::new(Metrics::default());
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(store, metrics.store.clone())?);
    let service = Service::new(
        store.clone(),
        tokens.clone(),
        clock.clone(),
        Arc::new(SystemIds),
        Settings { pending_timeout: settings.pending_timeout, quota: quota(settings) },
    );
    Ok(App {
        authenticator: Authenticator::new(vec![Box::new(Bearer(tokens))], clock),
        cors: Cors { allowed_origins: settings.allowed_origins.clone() },
        limits: limits(settings),
        metrics,
        reflection: settings.reflection || settings.dev,
        service: Arc::new(service),
        store,
        traces: settings.otlp_endpoint.as_ref().map(Traces::to).transpose()?,
        zone: settings.zone.clone().unwrap_or_else(TimeZone::system),
    })
}

/// Refuses what is not loopback: credentials and decisions do not travel in the clear.
pub(super) fn loopback(address: SocketAddr) -> Result<(), Error> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(Error::invalid("Without TLS the server listens on loopback only: 127.0.0.1 or [::1]."))
}

/// Listens, on loopback only.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    loopback(address)?;
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| Error::unavailable(format!("cannot listen on {address}: {error}")))
}

/// Completes on SIGTERM or SIGINT.
pub(super) fn interrupted() -> Result<impl Future<Output = ()> + Send, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn quota(settings: &Serve) -> Quota {
    let limit = |most| (most > 0).then_some(most);
    Quota { pending: limit(settings.max_pending), filings: limit(settings.max_filings) }
}

/// Reads the tokens file again, now, whenever a SIGHUP comes. Flags and environment are those of the start of the process.
async fn reread(mut hangup: Signal, tokens: &TokensFile) {
    while hangup.recv().await.is_some() {
        tracing::info!("SIGHUP: the tokens file is read again; settings change with a restart only");
        tokens.reread(SystemClock.now());
    }
}

fn limits(settings: &Serve) -> Limits {
    Limits {
        connections: settings.max_connections as usize,
        drain: settings.drain_timeout,
        headers: settings.header_timeout,
        idle: settings.idle_timeout,
        list: Limits::default().list,
        requests: settings.max_requests as usize,
        request_time: settings.request_timeout,
    }
}
