//! Connects to PostgreSQL: to the first host that takes writes.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::advice;
use super::connection::Connection;
use super::error::failed;
use super::tls::{self, Trust};
use crate::domain::error::Error;

/// The hosts of a URL, with the credentials.
///
/// If a server falls silent, every connection to it hangs. So the first connection that detects this gives up all
/// connections of its age: those that were opened before the detection.
#[derive(Clone)]
pub(super) struct Connector {
    /// One configuration for each host.
    configs: Vec<Config>,
    tls: MakeRustlsConnect,
    /// The number of times that connections were given up.
    given_up: Arc<watch::Sender<u64>>,
}

impl Connector {
    /// Reads a URL. A password in the URL takes precedence over `password`. No error repeats any part of the URL,
    /// because a password can be anywhere in a malformed URL.
    pub(super) fn read(url: &str, password: Option<&str>) -> Result<Self, Error> {
        let (url, trust) = Trust::split(url)?;
        let mut config: Config = url.parse().map_err(|_| unreadable())?;
        if let (None, Some(password)) = (config.get_password(), password) {
            config.password(password);
        }
        if config.get_hosts().is_empty() || !config.get_hostaddrs().is_empty() {
            return Err(unreadable());
        }
        let at_home = config.get_hosts().iter().all(is_here);
        let trust = trust.unwrap_or(if at_home {
            Trust::NoTls
        } else {
            Trust::Machine
        });
        config.ssl_mode(if trust.is_tls() {
            SslMode::Require
        } else {
            SslMode::Disable
        });
        let hosts = config.get_hosts().iter().enumerate();
        let configs = hosts
            .map(|(number, host)| for_host(&config, host, number))
            .collect();
        Ok(Self {
            configs,
            tls: tls::connector(&trust)?,
            given_up: Arc::default(),
        })
    }

    /// Returns whether there is a password.
    pub(super) fn has_password(&self) -> bool {
        self.configs
            .iter()
            .any(|config| config.get_password().is_some())
    }

    /// Connects to all hosts at once and runs `session`. The first host that takes writes wins. One host after the
    /// other, a frozen host would delay the connection although another one took over.
    pub(super) async fn connect(&self, session: &'static str) -> Result<Connection, Error> {
        let mut race = JoinSet::new();
        let age = *self.given_up.borrow();
        for (host, config) in self.configs.iter().cloned().enumerate() {
            let tls = self.tls.clone();
            race.spawn(async move {
                let connecting = async {
                    let (client, connection) = config.connect(tls).await?;
                    let connection = Connection::drive(client, connection, host, age);
                    connection.client.batch_execute(session).await?;
                    Ok(connection)
                };
                let connected: Result<Result<_, tokio_postgres::Error>, _> =
                    timeout(CONNECT_TIME, connecting).await;
                let cause = match connected {
                    Ok(Ok(connection)) => return Ok(connection),
                    Ok(Err(error)) => advice::sentence(&error),
                    Err(_) => format!("no answer within {} ms", CONNECT_TIME.as_millis()),
                };
                Err(format!("{}: {cause}", name(&config)))
            });
        }
        let mut causes = Vec::new();
        while let Some(finished) = race.join_next().await {
            match finished.map_err(Error::internal)? {
                Ok(connection) => return Ok(connection),
                Err(cause) => causes.push(cause),
            }
        }
        causes.sort();
        Err(Error::unavailable(causes.join(". ")))
    }

    /// Completes if the server at that host does not respond to a new connection either, so that waiting is useless.
    /// Gives up the connections of that age.
    pub(super) async fn silent(&self, host: usize, age: u64) {
        loop {
            sleep(PATIENCE).await;
            let Some(config) = self.configs.get(host) else {
                return;
            };
            match timeout(CONNECT_TIME, config.connect(self.tls.clone())).await {
                Ok(Ok(_)) => {}
                // A refusal is a response too.
                Ok(Err(error)) if error.as_db_error().is_some() => {}
                _ => return self.give_up(age),
            }
        }
    }

    /// Gives up every connection of the age of one that does not respond.
    pub(super) fn give_up(&self, age: u64) {
        let given_up = self.given_up.send_if_modified(|count| {
            let first = *count == age;
            *count += u64::from(first);
            first
        });
        if given_up {
            tracing::warn!(hosts = %self, "the store does not answer; its connections are given up");
        }
    }

    /// Returns whether a connection of that age was given up.
    pub(super) fn gave_up(&self, age: u64) -> bool {
        age < *self.given_up.borrow()
    }

    /// Completes when connections of that age are given up.
    pub(super) async fn gives_up(&self, age: u64) {
        // The sender lives as long as this.
        let _ = self
            .given_up
            .subscribe()
            .wait_for(|count| age < *count)
            .await;
    }
}

/// Waits for a new connection and its prepared statements. Without a limit, a server that stops responding halfway
/// would be waited for without end, although another host or another attempt may succeed.
pub(super) async fn opened<T>(opening: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let opened = timeout(OPEN_TIME, opening).await;
    opened.unwrap_or_else(|_| {
        Err(Error::unavailable(
            "a connection was not ready for use in time",
        ))
    })
}

/// Checks the settings of the server that durability and the order of lists depend on.
pub(super) async fn verify(client: &Client) -> Result<(), Error> {
    let row = client.query_typed_one(FACTS, &[]).await.map_err(failed)?;
    let [version, encoding, fsync, full_pages] =
        [0, 1, 2, 3].map(|column| row.get::<_, &str>(column));
    if version
        .parse()
        .is_ok_and(|version: u32| version < OLDEST_POSTGRES)
    {
        return Err(Error::internal(
            "PostgreSQL before version 13 is not supported",
        ));
    }
    if encoding != "UTF8" {
        return Err(Error::internal("the database must have the encoding UTF8"));
    }
    if fsync != "on" {
        return Err(Error::internal(
            "the server runs with fsync = off, which loses acknowledged decisions",
        ));
    }
    if full_pages != "on" {
        tracing::warn!(
            "the server runs with full_page_writes = off, which only some file systems make up for"
        );
    }
    Ok(())
}

/// Returns the host and the port of a configuration with one host.
fn name(config: &Config) -> String {
    let port = config.get_ports().first().copied().unwrap_or(DEFAULT_PORT);
    match config.get_hosts().first() {
        Some(Host::Tcp(host)) => format!("{host}:{port}"),
        Some(Host::Unix(folder)) => folder
            .join(format!(".s.PGSQL.{port}"))
            .display()
            .to_string(),
        None => "no host".to_owned(),
    }
}

/// The names of the hosts, and nothing secret.
impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.configs.iter().flat_map(|config| config.get_hosts());
        let names = hosts.map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        f.write_str(&names.collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns the configuration for one host, which must take writes. A dead network is detected within seconds.
fn for_host(config: &Config, host: &Host, number: usize) -> Config {
    let mut one = Config::new();
    match host {
        Host::Tcp(name) => one.host(name),
        Host::Unix(path) => one.host_path(path),
    };
    let ports = config.get_ports();
    one.port(
        ports
            .get(number)
            .or(ports.first())
            .copied()
            .unwrap_or(DEFAULT_PORT),
    );
    one.application_name(config.get_application_name().unwrap_or("countersign"));
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(dbname) = config.get_dbname() {
        one.dbname(dbname);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    one.ssl_mode(config.get_ssl_mode())
        .channel_binding(config.get_channel_binding())
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .tcp_user_timeout(DEAD_AFTER)
        .keepalives_idle(DEAD_AFTER)
        .keepalives_interval(Duration::from_secs(2))
        .keepalives_retries(3);
    one
}

/// Returns whether the host is this machine, so that no data travels over a network.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

fn unreadable() -> Error {
    Error::invalid(
        "The URL of the store cannot be read. It looks like postgres://user@host:5432/database?sslmode=verify-full.",
    )
}

const DEFAULT_PORT: u16 = 5_432;
const DEAD_AFTER: Duration = Duration::from_secs(10);
/// The time without a response after which another connection tries the server.
const PATIENCE: Duration = Duration::from_secs(2);
const CONNECT_TIME: Duration = Duration::from_millis(1_500);
const FACTS: &str = "SELECT current_setting('server_version_num'), current_setting('server_encoding'), \
     current_setting('fsync'), current_setting('full_page_writes')";
/// PostgreSQL 13, which makes ids without an extension.
const OLDEST_POSTGRES: u32 = 130_000;
/// The maximum time until the statements of a new connection are prepared.
const OPEN_TIME: Duration = Duration::from_secs(5);
