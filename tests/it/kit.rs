//! A real server on port 0, with a temporary store, a clock that is turned by hand, and a cast of accounts.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign::auth::scheme::Scheme;
use countersign::auth::tokens::TokenScheme;
use countersign::auth::{Authenticator, Powers};
use countersign::directory::file::FileDirectory;
use countersign::domain::account::{Account, Group};
use countersign::domain::moment::{Moment, Seconds};
use countersign::domain::policy::Policy;
use countersign::domain::quota::Quota;
use countersign::ids::Ids;
use countersign::proto::pam::v1::approval_service_client::ApprovalServiceClient;
use countersign::proto::pam::v1::elevation_service_client::ElevationServiceClient;
use countersign::proto::pam::v1::principal::Kind;
use countersign::proto::pam::v1::role_service_client::RoleServiceClient;
use countersign::proto::pam::v1::session_service_client::SessionServiceClient;
use countersign::proto::pam::v1::{
    Approval, ApproveRequest, CreateElevationRequest, CreateRoleRequest, Elevation,
    GetApprovalRequest, GetElevationRequest, ListApprovalsRequest, Principal, RejectRequest, Role,
    Stage, UpdateRoleRequest,
};
use countersign::rest::cors::Cors;
use countersign::server::{self, App, Forwarded, Limits, TrustedProxies};
use countersign::service::Service;
use countersign::store::Store;
use countersign::store::sqlite::SqliteStore;
use countersign::telemetry::metrics::Metrics;
use countersign::telemetry::traces::Traces;
use countersign::time::{Clock, Time};
use countersign::tokens_file::{self, TokensFile};
use jiff::tz::TimeZone;
use prost_types::{Duration, FieldMask};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::contract::Documented;
use crate::postgres::Database;

/// The administrator.
pub const ANN: &str = "PRIV\\ann";
/// A candidate of the kit's roles.
pub const JEN: &str = "PRIV\\jen";
/// A candidate through the group `SQL Users`.
pub const GIL: &str = "PRIV\\gil";
/// An approver of the kit's roles.
pub const SAM: &str = "PRIV\\sam";
/// An approver through the group `SQL Owners`.
pub const KIM: &str = "PRIV\\kim";
/// The monitor.
pub const MAX: &str = "PRIV\\max";
/// An account without rights.
pub const EVE: &str = "PRIV\\eve";

const CAST: [(&str, &[&str]); 7] = [
    (ANN, &[]),
    (JEN, &[]),
    (GIL, &["SQL Users"]),
    (SAM, &[]),
    (KIM, &["SQL Owners"]),
    (MAX, &[]),
    (EVE, &[]),
];

/// 2015-06-12T04:49:37.58Z, when every test begins.
pub const START: Moment = Moment::from_ticks(14_340_845_775_800_000);

/// How a kit differs from the usual one.
pub struct Options {
    pub limits: Limits,
    pub allowed_origins: Vec<&'static str>,
    pub trusted_proxies: Vec<&'static str>,
    pub forwarded: Forwarded,
    pub reflection: bool,
    /// How much one requester may ask for.
    pub quota: Quota,
    pub collector: Option<http::Uri>,
    /// Schemes that are asked after the tokens.
    pub schemes: Vec<Box<dyn Scheme>>,
    /// What stands before the store.
    pub before_store: Option<Around>,
}

/// Wraps a store.
pub type Around = Box<dyn FnOnce(Arc<dyn Store>) -> Arc<dyn Store> + Send + Sync>;

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            allowed_origins: vec!["http://pamsrv:8090"],
            trusted_proxies: Vec::new(),
            forwarded: Forwarded::default(),
            reflection: true,
            quota: Quota {
                pending: Some(100),
                filings: Some(1_000),
            },
            collector: None,
            schemes: Vec::new(),
            before_store: None,
        }
    }
}

/// What outlives a server.
struct Machine {
    /// Where the store is, when it is no file.
    database: Option<Database>,
    folder: Arc<TempDir>,
    tokens: HashMap<String, String>,
    clock: Arc<HandClock>,
    ids: Arc<BrittleIds>,
}

/// A server, and what a test may turn.
pub struct Kit {
    pub address: SocketAddr,
    pub clock: Arc<HandClock>,
    pub ids: Arc<BrittleIds>,
    pub store: Arc<dyn Store>,
    service: Arc<Service>,
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

/// A role whose longest duration is an hour.
pub fn role(display_name: &str, approvers: &[&str], required_approvals: u32) -> Role {
    let stage = Stage {
        approvers: approvers
            .iter()
            .map(|approver| principal(approver))
            .collect(),
        required_approvals,
    };
    Role {
        display_name: display_name.to_owned(),
        description: "Read access to the files of the SQL servers.".to_owned(),
        max_duration: Some(Duration {
            seconds: 3_600,
            nanos: 0,
        }),
        candidates: vec![principal(JEN), principal("group:SQL Users")],
        approval_required: required_approvals > 0,
        stages: if required_approvals > 0 {
            vec![stage]
        } else {
            vec![]
        },
        ..Role::default()
    }
}

/// Returns a request that replaces a role as a whole.
pub fn replacing(role: Role) -> UpdateRoleRequest {
    let everything = FieldMask {
        paths: vec!["*".to_owned()],
    };
    UpdateRoleRequest {
        role: Some(role),
        update_mask: Some(everything),
    }
}

/// An account, or a group when the name begins with `group:`.
pub fn principal(name: &str) -> Principal {
    let kind = match name.strip_prefix("group:") {
        Some(group) => Kind::Group(group.to_owned()),
        None => Kind::Account(name.to_owned()),
    };
    Principal { kind: Some(kind) }
}

async fn app(
    tokens: &std::path::Path,
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

fn add_token(
    path: &std::path::Path,
    name: &str,
    groups: &[&str],
    expires: Option<Moment>,
) -> String {
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

/// A clock that stands still until it is turned.
pub struct HandClock {
    /// What the clock says, and how long it has run, both in ticks.
    said: watch::Sender<(i64, i64)>,
}

impl HandClock {
    pub fn new(now: Moment) -> Self {
        Self {
            said: watch::Sender::new((now.ticks(), 0)),
        }
    }

    /// Lets time pass.
    pub fn advance(&self, seconds: i64) {
        let ticks = seconds * Moment::TICKS_PER_SECOND;
        self.said.send_modify(|(now, steady)| {
            *now += ticks;
            *steady += ticks.max(0);
        });
    }

    /// Sets the clock forward or back, while no time passes.
    pub fn jump(&self, seconds: i64) {
        self.said
            .send_modify(|(now, _)| *now += seconds * Moment::TICKS_PER_SECOND);
    }

    /// Lets time pass until a moment such as `2015-07-12T06:40:00Z`.
    pub fn set(&self, moment: &str) {
        let ticks = moment.parse::<jiff::Timestamp>().unwrap().as_nanosecond() / 100;
        let ticks = i64::try_from(ticks).unwrap();
        self.said.send_modify(|(now, steady)| {
            *steady += (ticks - *now).max(0);
            *now = ticks;
        });
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment::from_ticks(self.said.borrow().0)
    }

    fn monotonic(&self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.said.borrow().1).unwrap() * 100)
    }

    async fn reaches(&self, moment: Option<Moment>) {
        let reached = |said: &(i64, i64)| moment.is_some_and(|moment| moment.ticks() <= said.0);
        self.said.subscribe().wait_for(reached).await.unwrap();
    }
}

/// Ids that count up, and panic on demand to test a defect of the server.
#[derive(Default)]
pub struct BrittleIds {
    count: AtomicU64,
    broken: AtomicBool,
    chosen: Mutex<VecDeque<Uuid>>,
}

impl BrittleIds {
    /// The ids to give next, before counting goes on. A request takes two: its own, and that of its approval.
    pub fn choose(&self, ids: &[&str]) {
        self.chosen
            .lock()
            .unwrap()
            .extend(ids.iter().map(|id| id.parse::<Uuid>().unwrap()));
    }

    pub fn break_once(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }
}

impl Ids for BrittleIds {
    fn next(&self) -> Uuid {
        assert!(
            !self.broken.swap(false, Ordering::SeqCst),
            "the ids are broken"
        );
        if let Some(chosen) = self.chosen.lock().unwrap().pop_front() {
            return chosen;
        }
        Uuid::from_u128(
            0x7000_8000_0000_0000_0000 + u128::from(1 + self.count.fetch_add(1, Ordering::SeqCst)),
        )
    }
}

/// A caller, in both dialects.
#[derive(Clone)]
pub struct Person {
    address: SocketAddr,
    token: Option<String>,
}

/// A client's way to the server: it adds the token of a person, and holds refusals to the contract's comments.
pub type Authorized = InterceptedService<Documented, AddToken>;

/// Adds the bearer token of a person to every call.
#[derive(Clone)]
pub struct AddToken(Option<String>);

impl tonic::service::Interceptor for AddToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

impl Person {
    /// The caller with a token, at any server.
    pub fn at(address: SocketAddr, token: &str) -> Self {
        Self {
            address,
            token: Some(token.to_owned()),
        }
    }

    fn channel(&self) -> Documented {
        Documented(
            Channel::from_shared(format!("http://{}", self.address))
                .unwrap()
                .connect_lazy(),
        )
    }

    pub fn approvals(&self) -> ApprovalServiceClient<Authorized> {
        ApprovalServiceClient::with_interceptor(self.channel(), AddToken(self.token.clone()))
    }

    pub fn elevations(&self) -> ElevationServiceClient<Authorized> {
        ElevationServiceClient::with_interceptor(self.channel(), AddToken(self.token.clone()))
    }

    pub fn roles(&self) -> RoleServiceClient<Authorized> {
        RoleServiceClient::with_interceptor(self.channel(), AddToken(self.token.clone()))
    }

    pub fn sessions(&self) -> SessionServiceClient<Authorized> {
        SessionServiceClient::with_interceptor(self.channel(), AddToken(self.token.clone()))
    }

    pub async fn create_role(&self, role: Role) -> Result<Role, Status> {
        let answer = self
            .roles()
            .create_role(CreateRoleRequest { role: Some(role) })
            .await?;
        Ok(answer.into_inner().role.unwrap())
    }

    /// Asks to hold a role for as long as it allows.
    pub async fn file(&self, role: &str) -> Result<Elevation, Status> {
        let request = CreateElevationRequest {
            role_id: role.to_owned(),
            justification: Some("Ticket 4711".into()),
            ..Default::default()
        };
        Ok(self
            .elevations()
            .create_elevation(request)
            .await?
            .into_inner()
            .elevation
            .unwrap())
    }

    pub async fn elevation(&self, id: &str) -> Result<Elevation, Status> {
        let request = GetElevationRequest {
            elevation_id: id.to_owned(),
        };
        Ok(self
            .elevations()
            .get_elevation(request)
            .await?
            .into_inner()
            .elevation
            .unwrap())
    }

    pub async fn approval(&self, id: &str) -> Result<Approval, Status> {
        let request = GetApprovalRequest {
            approval_id: id.to_owned(),
        };
        Ok(self
            .approvals()
            .get_approval(request)
            .await?
            .into_inner()
            .approval
            .unwrap())
    }

    pub async fn approve(&self, id: &str) -> Result<Approval, Status> {
        let request = ApproveRequest {
            approval_id: id.to_owned(),
            reason: None,
        };
        Ok(self
            .approvals()
            .approve(request)
            .await?
            .into_inner()
            .approval
            .unwrap())
    }

    pub async fn reject(&self, id: &str) -> Result<Approval, Status> {
        let request = RejectRequest {
            approval_id: id.to_owned(),
            reason: None,
        };
        Ok(self
            .approvals()
            .reject(request)
            .await?
            .into_inner()
            .approval
            .unwrap())
    }

    /// The ids of the approvals that the person may decide.
    pub async fn pending(&self) -> Vec<String> {
        let answer = self
            .approvals()
            .list_approvals(ListApprovalsRequest::default())
            .await
            .unwrap();
        answer
            .into_inner()
            .approvals
            .into_iter()
            .map(|approval| approval.id)
            .collect()
    }

    /// `POST pamrequeststoapprove(guid'..')/Approve` or `/Reject`.
    pub async fn act(&self, approval: &str, action: &str) -> Answer {
        self.post(&format!(
            "/api/pamresources/pamrequeststoapprove(guid'{approval}')/{action}"
        ))
        .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.rest("GET", path, "", "").await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.rest("POST", path, "Content-Length: 0\r\n", "").await
    }

    /// A request over HTTP/1.1, its path and headers as written.
    pub async fn rest(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let authorization = self
            .token
            .as_ref()
            .map(|token| format!("Authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: pam.test:8086\r\nConnection: close\r\n{authorization}{headers}\r\n{body}"
        );
        exchange(self.address, request.as_bytes()).await
    }

    /// Sends a request line as a page prints it to `localhost:8086`, and answers the bytes that come back.
    pub async fn line(&self, line: &str) -> String {
        let authorization = self
            .token
            .as_ref()
            .map(|token| format!("Authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        let request =
            format!("{line}\r\nHost: localhost:8086\r\nConnection: close\r\n{authorization}\r\n");
        bytes(self.address, request.as_bytes()).await
    }
}

async fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    Answer::parse(&bytes(address, request).await)
}

async fn bytes(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Sends a request on a connection that stays, and reads the head of the answer, which has no body.
pub async fn answered(stream: &mut TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

/// An HTTP answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("an HTTP answer");
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        });
        Self {
            status,
            headers: headers.collect(),
            body: body.to_owned(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| &**value)
    }

    /// The `code` of an `odata.error`.
    pub fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        body["odata.error"]["code"].as_str().unwrap().to_owned()
    }
}

/// The reason of a refusal.
pub fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .expect("an ErrorInfo")
        .reason
        .clone()
}
