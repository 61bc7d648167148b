//! The settings of `serve`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum, value_parser};
use http::{HeaderValue, Uri};
use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::data::Data;
use super::origin;
use super::values::{duration, endpoint, listed_account, network, whole_seconds, zone};
use crate::domain::account::Account;
use crate::domain::moment::Seconds;

/// The settings of the server.
#[derive(Args, Debug)]
pub struct Serve {
    /// Trial mode: a temporary store with three accounts, a role and a pending approval. No data is kept.
    #[arg(long, conflicts_with_all = NOT_WITH_DEV)]
    pub dev: bool,
    /// Address and port to listen on; loopback only.
    #[arg(long, env = "COUNTERSIGN_LISTEN", default_value = "127.0.0.1:8086")]
    pub listen: SocketAddr,
    /// The store and the tokens.
    #[command(flatten)]
    pub data: Data,
    /// Administrator, as DOMAIN\user. Administrators create, change, delete and list all roles, and read /metrics. Repeatable;
    /// also a list with commas.
    #[arg(long = "administrator", env = "COUNTERSIGN_ADMINISTRATORS", value_delimiter = ',', value_parser = listed_account)]
    pub administrators: Vec<Account>,
    /// Account that may read /metrics, as DOMAIN\user. Repeatable; also a list with commas.
    #[arg(long = "monitor", env = "COUNTERSIGN_MONITORS", value_delimiter = ',', value_parser = listed_account)]
    pub monitors: Vec<Account>,
    /// Address of an OTLP collector for traces, over gRPC, such as http://127.0.0.1:4317 [default: no traces].
    #[arg(long, env = "COUNTERSIGN_OTLP_ENDPOINT", value_parser = endpoint)]
    pub otlp_endpoint: Option<Uri>,
    /// Origin of web pages that may call the REST API, as browsers send it, such as http://pamsrv:8090. Repeatable; also a
    /// list with commas.
    #[arg(long = "allowed-origin", env = "COUNTERSIGN_ALLOWED_ORIGINS", value_delimiter = ',', value_parser = origin::read)]
    pub allowed_origins: Vec<HeaderValue>,
    /// Address or network of a TLS proxy, such as 10.0.0.0/8. The links of the REST API follow its forwarding headers.
    /// Repeatable; also a list with commas.
    #[arg(long = "trusted-proxy", env = "COUNTERSIGN_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Forwarding headers that trusted proxies set on every request; the other headers are ignored.
    #[arg(
        long,
        env = "COUNTERSIGN_FORWARDED_HEADERS",
        value_enum,
        default_value = "x-forwarded"
    )]
    pub forwarded_headers: ForwardedHeaders,
    /// Whether the server offers gRPC reflection, without credentials; always on with --dev.
    #[arg(long, env = "COUNTERSIGN_REFLECTION", value_parser = FalseyValueParser::new())]
    pub reflection: bool,
    /// IANA name of the time zone for availability windows, and for times that legacy clients send without a zone [default:
    /// the machine's zone].
    #[arg(long, env = "COUNTERSIGN_ZONE", value_parser = zone)]
    pub zone: Option<TimeZone>,
    /// Time that an approval waits before it expires, unless its role has its own.
    #[arg(long, env = "COUNTERSIGN_PENDING_TIMEOUT", default_value = "7d", value_parser = whole_seconds)]
    pub pending_timeout: Seconds,
    /// Maximum clock skew against the record and PostgreSQL; beyond it the server makes no decisions.
    #[arg(long, env = "COUNTERSIGN_MAX_CLOCK_SKEW", default_value = "10s", value_parser = whole_seconds)]
    pub max_clock_skew: Seconds,
    /// Maximum pending elevations per requester; 0 for no limit.
    #[arg(long, env = "COUNTERSIGN_MAX_PENDING", default_value_t = 100)]
    pub max_pending: u32,
    /// Maximum elevations that a requester may file per hour; 0 for no limit.
    #[arg(long, env = "COUNTERSIGN_MAX_FILINGS", default_value_t = 1_000)]
    pub max_filings: u32,
    /// Maximum time for a request, including its response.
    #[arg(long, env = "COUNTERSIGN_REQUEST_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub request_timeout: Duration,
    /// Maximum time for the headers of a request, and for the first byte of a new connection.
    #[arg(long, env = "COUNTERSIGN_HEADER_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub header_timeout: Duration,
    /// Time after which an idle connection is closed.
    #[arg(long, env = "COUNTERSIGN_IDLE_TIMEOUT", default_value = "75s", value_parser = duration)]
    pub idle_timeout: Duration,
    /// Maximum time for open requests to finish after SIGTERM or SIGINT.
    #[arg(long, env = "COUNTERSIGN_DRAIN_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// Maximum open connections; further connections wait to be accepted.
    #[arg(long, env = "COUNTERSIGN_MAX_CONNECTIONS", default_value_t = 4096, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,
    /// Maximum requests in progress; further requests get 503 or UNAVAILABLE.
    #[arg(long, env = "COUNTERSIGN_MAX_REQUESTS", default_value_t = 1024, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub max_requests: u32,
    /// Maximum open streams, such as health watches; further streams get UNAVAILABLE.
    #[arg(long, env = "COUNTERSIGN_MAX_STREAMS", default_value_t = 1024, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub max_streams: u32,
    /// Maximum open streams of one account, or of one client address if the call needs no credentials. All clients of one
    /// proxy have the address of that proxy.
    #[arg(long, env = "COUNTERSIGN_MAX_STREAMS_PER_CALLER", default_value_t = 128, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub max_streams_per_caller: u32,
}

/// The headers in which a proxy reports the original scheme and host.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ForwardedHeaders {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-Host` and `X-Forwarded-Proto`.
    XForwarded,
}

/// The settings that `serve --dev` replaces.
pub const NOT_WITH_DEV: [&str; 5] = [
    "data_dir",
    "store",
    "store_password_file",
    "tokens",
    "administrators",
];
