//! `countersign serve`.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{check, create_data_dir, files, notify};
use crate::auth::Authenticator;
use crate::auth::bearer::Bearer;
use crate::auth::tokens::TokensFile;
use crate::config::{Data, Serve, StoreLocation};
use crate::domain::error::Error;
use crate::domain::policy::Policy;
use crate::domain::quota::Quota;
use crate::metrics::{Metrics, StoreMetrics};
use crate::ports::Clock;
use crate::rest::cors::Cors;
use crate::server::{self, App, Limits, TrustedProxies};
use crate::service::{Service, Time};
use crate::store::Store;
use crate::store::postgres::{PostgresStore, Skew};
use crate::store::sqlite::SqliteStore;
use crate::system::{SystemClock, SystemIds};
use crate::traces::Traces;

/// Serves until SIGTERM or SIGINT; on SIGHUP reads again what can be.
pub(super) async fn run(settings: Serve) -> Result<(), Error> {
    // First of all, because a SIGHUP that nobody has asked for ends the process.
    let hangup = signal(SignalKind::hangup()).map_err(Error::internal)?;
    let open_files = files::allow(settings.max_connections)?;
    create_data_dir(&settings.data.data_dir)?;
    let tokens = tokens(&settings, &settings.data.tokens())?;
    check::warn(&settings, &tokens);
    let metrics = Arc::new(Metrics::default());
    let store = open(&settings, metrics.store.clone()).await?;
    let app = app(&settings, store, metrics, tokens.clone()).await?;
    let listener = bind(settings.listen).await?;
    let address = listener.local_addr().map_err(Error::internal)?;
    let interrupted = interrupted()?;
    let shutdown = async move {
        interrupted.await;
        notify::stopping();
    };
    tracing::info!(%address, store = %settings.data.store(), open_files, "listening");
    notify::ready();
    tokio::select! {
        served = server::run(listener, app, shutdown) => served,
        () = reread(hangup, &tokens) => Err(Error::internal("signals come no more")),
    }
}

/// The tokens file, with the administrators of the settings.
pub(super) fn tokens(settings: &Serve, path: &Path) -> Result<Arc<TokensFile>, Error> {
    Ok(Arc::new(TokensFile::open(path, &settings.administrators, &settings.monitors, SystemClock.now())?))
}

async fn open(settings: &Serve, metrics: StoreMetrics) -> Result<Arc<dyn Store>, Error> {
    match settings.data.store() {
        StoreLocation::Postgres(url) => {
            let password = password(&url, &settings.data)?;
            let skew = Skew { clock: Arc::new(SystemClock), most: settings.max_clock_skew };
            Ok(Arc::new(PostgresStore::open(&url, password.as_deref(), Some(skew), metrics).await?))
        }
        StoreLocation::Sqlite(path) => Ok(Arc::new(SqliteStore::open(&path, metrics)?)),
    }
}

/// The password of the store, where the URL has none.
pub(super) fn password(url: &str, data: &Data) -> Result<Option<String>, Error> {
    let typed = |argument: OsString| argument.to_str().is_some_and(|argument| argument.contains(url));
    if PostgresStore::has_password(url)? && std::env::args_os().any(typed) {
        return Err(Error::invalid(
            "Everybody on this machine can read the password of the store on the command line. Put it into a file and \
             name that by --store-password-file, or the URL into COUNTERSIGN_STORE.",
        ));
    }
    let read = |path: &PathBuf| fs::read_to_string(path).map_err(Error::internal);
    let password = data.store_password_file.as_ref().map(read).transpose()?;
    Ok(password.and_then(|password| password.lines().next().map(str::to_owned)))
}

/// Puts everything together.
pub(super) async fn app(
    settings: &Serve,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    tokens: Arc<TokensFile>,
) -> Result<App, Error> {
    let time = Time::behind(&*store, Arc::new(SystemClock), settings.max_clock_skew).await?;
    let time = Arc::new(time);
    let zone = settings.zone.clone().unwrap_or_else(TimeZone::system);
    let policy =
        Policy { pending_timeout: settings.pending_timeout, quota: quota(settings), zone: zone.clone() };
    let service = Service::new(store.clone(), tokens.clone(), time.clone(), Arc::new(SystemIds), policy);
    Ok(App {
        authenticator: Authenticator::new(vec![Box::new(Bearer(tokens))], time),
        cors: Cors { allowed_origins: settings.allowed_origins.clone() },
        proxies: TrustedProxies(settings.trusted_proxies.clone()),
        limits: limits(settings),
        metrics,
        reflection: settings.reflection || settings.dev,
        service: Arc::new(service),
        store,
        traces: settings.otlp_endpoint.as_ref().map(Traces::to).transpose()?,
        zone,
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
        notify::reloading();
        tokens.reread(SystemClock.now());
        notify::ready();
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
