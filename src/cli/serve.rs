//! `countersign serve`.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use http::Uri;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{cannot, check, checks, create_data_dir, files, notify};
use crate::auth::tokens::TokenScheme;
use crate::auth::{Authenticator, Powers};
use crate::config::{Data, ForwardedHeaders, Serve, StoreLocation, VERSION, zone_name};
use crate::directory::file::FileDirectory;
use crate::domain::policy::Policy;
use crate::domain::quota::Quota;
use crate::ids::SystemIds;
use crate::rest::cors::Cors;
use crate::server::{self, App, Forwarded, Limits, TrustedProxies};
use crate::service::Service;
use crate::store::Store;
use crate::store::postgres::{PostgresStore, Skew};
use crate::store::sqlite::SqliteStore;
use crate::telemetry::metrics::{Metrics, StoreMetrics};
use crate::telemetry::traces::Traces;
use crate::time::{Clock, SystemClock, Time};
use crate::tokens_file::TokensFile;

/// Serves until SIGTERM or SIGINT; on SIGHUP reads again what can be.
pub(super) async fn run(settings: Serve) -> anyhow::Result<()> {
    // First of all, because a SIGHUP that nobody has asked for ends the process.
    let hangup = waiting_for(SignalKind::hangup())?;
    let data = &settings.data;
    starting(
        &settings,
        &data
            .store()
            .map_or_else(|_| "unknown".to_owned(), |store| store.to_string()),
    );
    check::warn(checks::all(&settings).await)?;
    let open_files = files::allow(settings.max_connections)?;
    create_data_dir(&data.data_dir)?;
    let tokens = tokens(&data.tokens())?;
    let metrics = Arc::new(Metrics::default());
    let store = open(&settings, metrics.store.clone()).await?;
    let app = app(&settings, store, metrics, tokens.clone()).await?;
    let listener = bind(settings.listen).await?;
    let address = listener.local_addr()?;
    let interrupted = interrupted()?;
    let shutdown = async move {
        interrupted.await;
        notify::stopping();
    };
    tracing::info!(%address, open_files, "listening");
    notify::ready();
    tokio::select! {
        served = server::run(listener, app, shutdown) => served.context("the server has stopped"),
        () = reread(hangup, &tokens) => bail!("the server has stopped: no more signals come"),
    }
}

/// Logs first of all which program this is, and what it decides by.
pub(super) fn starting(settings: &Serve, store: &str) {
    let zone = zone_name(&settings.zone.clone().unwrap_or_else(TimeZone::system));
    tracing::info!(version = VERSION, zone, store, "starting");
}

/// Opens the tokens file.
pub(super) fn tokens(path: &Path) -> anyhow::Result<Arc<TokensFile>> {
    let what = format!("read the tokens file {}", path.display());
    let tokens = TokensFile::open(path, SystemClock.now());
    Ok(Arc::new(tokens.map_err(|error| cannot(what, error, ""))?))
}

async fn open(settings: &Serve, metrics: StoreMetrics) -> anyhow::Result<Arc<dyn Store>> {
    match settings.data.store()? {
        StoreLocation::Postgres(url) => {
            let password = password(&url, &settings.data)?;
            let skew = Skew {
                clock: Arc::new(SystemClock),
                most: settings.max_clock_skew,
            };
            let store = PostgresStore::open(&url, password.as_deref(), Some(skew), metrics).await;
            Ok(Arc::new(store.map_err(|error| {
                cannot("open the store in PostgreSQL", error, "")
            })?))
        }
        StoreLocation::Sqlite(path) => {
            let what = format!("open the store {}", path.display());
            Ok(Arc::new(
                SqliteStore::open(&path, metrics).map_err(|error| cannot(what, error, ""))?,
            ))
        }
    }
}

/// The password of the store, where the URL has none.
pub(super) fn password(url: &str, data: &Data) -> anyhow::Result<Option<String>> {
    let typed = |argument: OsString| {
        argument
            .to_str()
            .is_some_and(|argument| argument.contains(url))
    };
    let is_in_url = PostgresStore::has_password(url)
        .map_err(|error| cannot("use the store in PostgreSQL", error, ""))?;
    if is_in_url && std::env::args_os().any(typed) {
        bail!(
            "cannot use a password on the command line, where everybody on this machine can read it; put it into a file and \
             name that with --store-password-file, or put the URL into COUNTERSIGN_STORE"
        );
    }
    let Some(path) = &data.store_password_file else {
        return Ok(None);
    };
    let what = format!("read the password of the store from {}", path.display());
    let text = fs::read_to_string(path).map_err(|error| cannot(what, error, ""))?;
    Ok(text.lines().next().map(str::to_owned))
}

/// Puts everything together.
pub(super) async fn app(
    settings: &Serve,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    tokens: Arc<TokensFile>,
) -> anyhow::Result<App> {
    let last = store
        .last_moment()
        .await
        .map_err(|error| cannot("read the time of the last event in the store", error, ""))?;
    let time = Arc::new(Time::from(
        last,
        Arc::new(SystemClock),
        settings.max_clock_skew,
    ));
    let zone = settings.zone.clone().unwrap_or_else(TimeZone::system);
    let policy = Policy {
        pending_timeout: settings.pending_timeout,
        quota: quota(settings),
        zone: zone.clone(),
    };
    let directory = Arc::new(FileDirectory(tokens.clone()));
    let service = Service::new(
        store.clone(),
        directory.clone(),
        time.clone(),
        Arc::new(SystemIds),
        policy,
    );
    Ok(App {
        authenticator: Authenticator {
            schemes: vec![Box::new(TokenScheme(tokens))],
            directory,
            powers: Powers::new(&settings.administrators, &settings.monitors),
            clock: time,
        },
        cors: Cors {
            allowed_origins: settings.allowed_origins.clone(),
        },
        proxies: TrustedProxies {
            networks: settings.trusted_proxies.clone(),
            family: family(settings),
        },
        limits: limits(settings),
        metrics,
        reflection: settings.reflection || settings.dev,
        service: Arc::new(service),
        store,
        traces: settings.otlp_endpoint.as_ref().map(traces).transpose()?,
        zone,
    })
}

fn traces(endpoint: &Uri) -> anyhow::Result<Traces> {
    Traces::to(endpoint)
        .map_err(|error| cannot(format_args!("send traces to {endpoint}"), error, ""))
}

/// Refuses what is not loopback: credentials and decisions do not travel in the clear.
pub(super) fn loopback(address: SocketAddr) -> anyhow::Result<()> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let why = anyhow!("without TLS the server listens on loopback only");
    Err(cannot(
        format_args!("listen on {address}"),
        why,
        "choose 127.0.0.1 or [::1] with --listen",
    ))
}

/// Listens, on loopback only.
pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    loopback(address)?;
    TcpListener::bind(address)
        .await
        .map_err(|error| not_listening(address, error))
}

/// Returns why the server does not listen on the address.
pub(super) fn not_listening(address: SocketAddr, error: io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => "another server may be running, choose another port with --listen",
        _ => "choose another address or port with --listen",
    };
    cannot(format_args!("listen on {address}"), error, advice)
}

/// Completes on SIGTERM or SIGINT.
pub(super) fn interrupted() -> anyhow::Result<impl Future<Output = ()> + Send> {
    let mut terminate = waiting_for(SignalKind::terminate())?;
    let mut interrupt = waiting_for(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn waiting_for(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).map_err(|error| cannot("wait for signals", error, ""))
}

fn family(settings: &Serve) -> Forwarded {
    match settings.forwarded_headers {
        ForwardedHeaders::Forwarded => Forwarded::Standard,
        ForwardedHeaders::XForwarded => Forwarded::X,
    }
}

fn quota(settings: &Serve) -> Quota {
    let limit = |most| (most > 0).then_some(most);
    Quota {
        pending: limit(settings.max_pending),
        filings: limit(settings.max_filings),
    }
}

/// Reads the tokens file again, now, whenever a SIGHUP comes. Flags and environment are those of the start of the process.
async fn reread(mut hangup: Signal, tokens: &TokensFile) {
    while hangup.recv().await.is_some() {
        tracing::info!(
            "SIGHUP: the tokens file is read again; settings change with a restart only"
        );
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
        streams: settings.max_streams as usize,
        streams_per_caller: settings.max_streams_per_caller as usize,
    }
}
