//! `countersign serve`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::create_data_dir;
use crate::auth::Authenticator;
use crate::auth::bearer::Bearer;
use crate::auth::tokens::TokensFile;
use crate::config::Serve;
use crate::domain::error::Error;
use crate::domain::quota::Quota;
use crate::ports::Clock;
use crate::rest::cors::Cors;
use crate::server::{self, App, Limits};
use crate::service::{Service, Settings};
use crate::store::Store;
use crate::store::sqlite::SqliteStore;
use crate::system::{SystemClock, SystemIds};

/// Serves until SIGTERM or SIGINT.
pub(super) async fn run(settings: Serve) -> Result<(), Error> {
    create_data_dir(&settings.data.data_dir)?;
    let app = app(&settings, &settings.data.store(), &settings.data.tokens())?;
    let listener = bind(settings.listen).await?;
    let address = listener.local_addr().map_err(Error::internal)?;
    tracing::info!(%address, store = %settings.data.store().display(), "listening");
    server::run(listener, app, interrupted()?).await
}

/// Puts everything together.
pub(super) fn app(settings: &Serve, store: &Path, tokens: &Path) -> Result<App, Error> {
    let clock = Arc::new(SystemClock);
    let tokens = Arc::new(TokensFile::open(tokens, &settings.administrators, clock.now())?);
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(store)?);
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
        reflection: settings.reflection || settings.dev,
        service: Arc::new(service),
        store,
        zone: settings.zone.clone().unwrap_or_else(TimeZone::system),
    })
}

/// Listens, on loopback only: credentials and decisions do not travel in the clear.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    if !address.ip().is_loopback() {
        return Err(Error::invalid("Without TLS the server listens on loopback only: 127.0.0.1 or [::1]."));
    }
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
