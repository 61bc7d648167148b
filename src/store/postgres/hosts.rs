//! Where PostgreSQL is, and the way in: the first host that takes writes.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failed;
use super::link::Link;
use super::tls::{self, Trust};
use crate::domain::error::Error;

/// The hosts of a URL, and how to get in.
#[derive(Clone)]
pub(super) struct Hosts {
    /// Each with one host.
    configs: Vec<Config>,
    tls: MakeRustlsConnect,
}

impl Hosts {
    /// Reads a URL; its own password comes before the one that is given. No error repeats any of it, since a password may
    /// be anywhere in what is not a URL.
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
        let trust = trust.unwrap_or(if at_home { Trust::NoTls } else { Trust::Machine });
        config.ssl_mode(if trust.is_tls() { SslMode::Require } else { SslMode::Disable });
        let hosts = config.get_hosts().iter().enumerate();
        let configs = hosts.map(|(number, host)| alone(&config, host, number)).collect();
        Ok(Self { configs, tls: tls::connector(&trust)? })
    }

    /// Whether there is a password.
    pub(super) fn has_password(&self) -> bool {
        self.configs.iter().any(|config| config.get_password().is_some())
    }

    /// Connects to all hosts at once, and prepares the session; the first that takes writes wins. One after the other, a
    /// host that is frozen would be waited for although another one took over.
    pub(super) async fn connect(&self, session: &'static str) -> Result<Link, Error> {
        let mut race = JoinSet::new();
        for config in self.configs.clone() {
            let tls = self.tls.clone();
            race.spawn(timeout(CONNECT_TIME, async move {
                let (client, connection) = config.connect(tls).await?;
                let link = Link::drive(client, connection);
                link.client.batch_execute(session).await?;
                Ok(link)
            }));
        }
        let mut error = Error::unavailable("no host of the store answered in time");
        while let Some(finished) = race.join_next().await {
            match finished.map_err(Error::internal)? {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(refused)) => error = failed(refused),
                Err(_) => {}
            }
        }
        Err(error)
    }
}

/// The names of the hosts, and nothing secret.
impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.configs.iter().flat_map(|config| config.get_hosts());
        let names = hosts.map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        f.write_str(&names.collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The configuration for one of its hosts, by a session that must take writes. A network that is dead is noticed within
/// seconds.
fn alone(config: &Config, host: &Host, number: usize) -> Config {
    let mut one = Config::new();
    match host {
        Host::Tcp(name) => one.host(name),
        Host::Unix(path) => one.host_path(path),
    };
    let ports = config.get_ports();
    one.port(ports.get(number).or(ports.first()).copied().unwrap_or(5_432));
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

/// Whether the host is this machine, so that nothing travels over a network.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        Host::Unix(_) => true,
    }
}

fn unreadable() -> Error {
    Error::invalid(
        "The URL of the store cannot be read. It looks like postgres://user@host:5432/database?sslmode=verify-full.",
    )
}

const DEAD_AFTER: Duration = Duration::from_secs(10);
const CONNECT_TIME: Duration = Duration::from_millis(1_500);
