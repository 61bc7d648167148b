//! The server of a test.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign::auth::scheme::Scheme;
use countersign::auth::tokens::TokenScheme;
use countersign::auth::{Authenticator, Powers};
use countersign::directory::file::FileDirectory;
use countersign::domain::account::{Account, Group};
use countersign::domain::moment::{Moment, Seconds};
use countersign::domain::policy::Policy;
use countersign::proto::pam::v1::{Elevation, Role};
use countersign::rest::cors::Cors;
use countersign::server::{self, App, TrustedProxies};
use countersign::service::Service;
use countersign::store::Store;
use countersign::store::sqlite::SqliteStore;
use countersign::telemetry::metrics::Metrics;
use countersign::telemetry::traces::Traces;
use countersign::time::{Clock, Time};
use countersign::tokens_file::{self, TokensFile};
use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::clock::HandClock;
use super::http::{Answer, bytes, exchange};
use super::ids::BrittleIds;
use super::messages::role;
use super::options::Options;
use super::person::Person;
use super::{ANN, CAST, JEN, MAX, SAM, START};
use crate::postgres::Database;

/// The parts that survive the end of a server.
struct Machine {
    /// The database of the store, unless it is a file.
    database: Option<Database>,
    folder: Arc<TempDir>,
    tokens: HashMap<String, String>,
    clock: Arc<HandClock>,
    ids: Arc<BrittleIds>,
}

/// A server with its clock, its ids and its store.
pub struct Kit {
    pub address: SocketAddr,
    pub clock: Arc<HandClock>,
    pub ids: Arc<BrittleIds>,
    pub store: Arc<dyn Store>,
    pub service: Arc<Service>,
    database: Option<Database>,
    folder: Arc<TempDir>,
    tokens: HashMap<String, String>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Kit {
    /// The usual server.
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// A server that differs.
    pub async fn with(options: Options) -> Self {
        Self::set_up(options, None).await
    }

    /// The usual server, with its store in PostgreSQL.
    pub async fn on_postgres(database: Database) -> Self {
        Self::on_postgres_with(Options::default(), database).await
    }

    /// A server that differs, with its store in PostgreSQL.
    pub async fn on_postgres_with(options: Options, database: Database) -> Self {
        Self::set_up(options, Some(database)).await
    }

    /// One more server on the same data, with the same clock.
    pub async fn another_node(&self) -> Self {
        let machine = Machine {
            database: self.database.clone(),
            folder: self.folder.clone(),
            tokens: self.tokens.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
        };
        Self::on(machine, Options::default()).await
    }

    async fn set_up(options: Options, database: Option<Database>) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let tokens = CAST.into_iter().map(|(name, groups)| {
            (
                name.to_owned(),
                add_token(&folder.path().join("tokens.toml"), name, groups, None),
            )
        });
        let tokens = tokens.collect();
        let clock = Arc::new(HandClock::new(START));
        let machine = Machine {
            database,
            folder,
            tokens,
            clock,
            ids: Arc::default(),
        };
        Self::on(machine, options).await
    }

    async fn on(machine: Machine, mut options: Options) -> Self {
        let Machine {
            database,
            folder,
            tokens,
            clock,
            ids,
        } = machine;
        let metrics = Arc::new(Metrics::default());
        let path = folder.path().join("countersign.db");
        let store: Arc<dyn Store> = match &database {
            Some(database) => database.open_with(metrics.store.clone()).await,
            None => Arc::new(SqliteStore::open(&path, metrics.store.clone()).unwrap()),
        };
        let store = match options.before_store.take() {
            Some(around) => around(store),
            None => store,
        };
        let app = app(
            &folder.path().join("tokens.toml"),
            &store,
            metrics,
            &clock,
            &ids,
            options,
        )
        .await;
        let service = app.service.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let running =
            tokio::spawn(async move { server::run(listener, app, stopped).await.unwrap() });
        Self {
            address,
            clock,
            ids,
            store,
            service,
            database,
            folder,
            tokens,
            stop,
            running,
        }
    }

    /// Waits until everything is done that is due by now.
    pub async fn catch_up(&self) {
        self.service.catch_up().await.unwrap();
    }

    /// Stops the server the way an operator does, waits for it, and starts another on the same data.
    pub async fn restart(self) -> Self {
        self.restart_after(0).await
    }

    /// Restarts the server after a stop of some seconds.
    pub async fn restart_after(self, seconds: i64) -> Self {
        self.stop.cancel();
        self.running.await.unwrap();
        self.clock.advance(seconds);
        let Self {
            database,
            folder,
            tokens,
            clock,
            ids,
            store,
            service,
            ..
        } = self;
        drop((store, service));
        Self::on(
            Machine {
                database,
                folder,
                tokens,
                clock,
                ids,
            },
            Options::default(),
        )
        .await
    }

    /// Signals the server to stop, without waiting for it.
    pub fn signal(&self) {
        self.stop.cancel();
    }

    /// Waits until the server has ended.
    pub async fn ended(self) {
        self.running.await.unwrap();
    }

    pub fn tokens_file(&self) -> PathBuf {
        self.folder.path().join("tokens.toml")
    }

    /// One of the cast.
    pub fn as_(&self, name: &str) -> Person {
        self.bearer(&self.tokens[name])
    }

    /// The token of one of the cast.
    pub fn token(&self, name: &str) -> &str {
        &self.tokens[name]
    }

    /// The caller with a token.
    pub fn bearer(&self, token: &str) -> Person {
        Person::at(self.address, token)
    }

    /// A caller without credentials.
    pub fn anonymous(&self) -> Person {
        Person {
            address: self.address,
            token: None,
        }
    }

    /// A new account, whose token the server has read.
    pub fn newcomer(&self, name: &str, groups: &[&str], expires: Option<Moment>) -> Person {
        let token = add_token(&self.tokens_file(), name, groups, expires);
        self.clock.advance(1);
        self.bearer(&token)
    }

    /// Sends bytes, and reads the answer until the server closes the connection.
    pub async fn raw(&self, request: &str) -> Answer {
        exchange(self.address, request.as_bytes()).await
    }

    /// Sends bytes, and reads all that comes back.
    pub async fn bytes(&self, request: &str) -> String {
        bytes(self.address, request.as_bytes()).await
    }

    /// A role with jen and `SQL Users` as candidates and `approvers`, of whom `required_approvals` must approve.
    pub async fn role_with(&self, approvers: &[&str], required_approvals: u32) -> Role {
        self.as_(ANN)
            .create_role(role("SQL File Access", approvers, required_approvals))
            .await
            .unwrap()
    }

    /// A role with jen and `SQL Users` as candidates, and sam and `SQL Owners` as approvers.
    pub async fn role(&self) -> Role {
        self.role_with(&[SAM, "group:SQL Owners"], 1).await
    }

    /// A pending approval: jen has asked for [`Kit::role`].
    pub async fn pending(&self) -> Elevation {
        let role = self.role().await;
        self.as_(JEN).file(&role.id).await.unwrap()
    }
}

async fn app(
    tokens: &Path,
    store: &Arc<dyn Store>,
    metrics: Arc<Metrics>,
    clock: &Arc<HandClock>,
    ids: &Arc<BrittleIds>,
    options: Options,
) -> App {
    let [administrators, monitors] = [ANN, MAX].map(|name| [Account::named(name).unwrap()]);
    let tokens = Arc::new(TokensFile::open(tokens, clock.now()).unwrap());
    let directory = Arc::new(FileDirectory(tokens.clone()));
    let pending_timeout = Seconds::new(7 * 86_400).unwrap();
    let zone = TimeZone::get("America/Los_Angeles").unwrap();
    let policy = Policy {
        pending_timeout,
        quota: options.quota,
        zone: zone.clone(),
    };
    let bound = Seconds::new(10).unwrap();
    let last = store.last_moment().await.unwrap();
    let time = Arc::new(Time::from(last, clock.clone(), bound));
    let service = Service::new(
        store.clone(),
        directory.clone(),
        time.clone(),
        ids.clone(),
        policy,
    );
    let mut schemes: Vec<Box<dyn Scheme>> = vec![Box::new(TokenScheme(tokens))];
    schemes.extend(options.schemes);
    let allowed_origins = options
        .allowed_origins
        .iter()
        .map(|origin| origin.parse().unwrap())
        .collect();
    App {
        authenticator: Authenticator {
            schemes,
            directory,
            powers: Powers::new(&administrators, &monitors),
            clock: time,
        },
        cors: Cors { allowed_origins },
        proxies: TrustedProxies {
            networks: options
                .trusted_proxies
                .iter()
                .map(|proxy| proxy.parse().unwrap())
                .collect(),
            family: options.forwarded,
        },
        limits: options.limits,
        metrics,
        reflection: options.reflection,
        service: Arc::new(service),
        store: store.clone(),
        traces: options
            .collector
            .map(|endpoint| Traces::to(&endpoint).unwrap()),
        zone,
    }
}

fn add_token(path: &Path, name: &str, groups: &[&str], expires: Option<Moment>) -> String {
    let groups: Vec<Group> = groups
        .iter()
        .map(|group| Group::named(group).unwrap())
        .collect();
    tokens_file::add(
        path,
        &Account::named(name).unwrap(),
        &groups,
        START,
        expires,
    )
    .unwrap()
}
