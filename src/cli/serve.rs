//! `countersign serve`.

use std::sync::Arc;

use anyhow::{Context, bail};
use http::Uri;
use jiff::tz::TimeZone;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::cannot;
use super::finding::log_warnings;
use super::{checks, data, files, listener, notify};
use crate::auth::tokens::TokenScheme;
use crate::auth::{Authenticator, Powers};
use crate::config::{ForwardedHeaders, Serve, VERSION, zone_name};
use crate::directory::file::FileDirectory;
use crate::domain::policy::Policy;
use crate::domain::quota::Quota;
use crate::ids::SystemIds;
use crate::rest::cors::Cors;
use crate::server::{self, App, Forwarded, Limits, TrustedProxies};
use crate::service::Service;
use crate::store::Store;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;
use crate::time::{Clock, SystemClock, Time};
use crate::tokens_file::TokensFile;

/// Serves until SIGTERM or SIGINT. On SIGHUP it reads the tokens file again.
pub(super) async fn run(settings: Serve) -> anyhow::Result<()> {
    // First, because a SIGHUP without a handler ends the process.
    let hangup = waiting_for(SignalKind::hangup())?;
    let store = match settings.data.store() {
        Ok(store) => store.to_string(),
        Err(_) => "unknown".to_owned(),
    };
    starting(&settings, &store);
    log_warnings(checks::all(&settings).await)?;
    let open_files = files::allow(settings.max_connections)?;
    data::create_folder(&settings.data.data_dir)?;
    let tokens = data::open_tokens(&settings.data.tokens())?;
    let metrics = Arc::new(Metrics::default());
    let store = data::open_store(&settings, metrics.store.clone()).await?;
    let app = app(&settings, store, metrics, tokens.clone()).await?;
    let listener = listener::bind(settings.listen).await?;
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
        () = reread(hangup, &tokens) => bail!("the server has stopped: it can no longer receive signals"),
    }
}

/// Logs the version of the program, its time zone and its store.
pub(super) fn starting(settings: &Serve, store: &str) {
    let zone = zone_name(&settings.zone.clone().unwrap_or_else(TimeZone::system));
    tracing::info!(version = VERSION, zone, store, "starting");
}

/// Assembles the server.
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
    Quota {
        pending: limit(settings.max_pending),
        filings: limit(settings.max_filings),
    }
}

/// Returns the limit of a setting in which 0 means none.
fn limit(setting: u32) -> Option<u32> {
    if setting > 0 { Some(setting) } else { None }
}

/// Reads the tokens file again at each SIGHUP. Flags and environment stay unchanged from the start of the process.
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
