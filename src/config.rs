//! The command line. Every flag is an environment variable too, and text becomes types here.

mod origin;
mod store;
mod version;

use std::env;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, OsStr, Resettable};
use clap::{
    Args, Command as Syntax, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    value_parser,
};
use http::uri::Scheme;
use http::{HeaderValue, Uri};
use ipnet::IpNet;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo};

use crate::domain::account::{Account, Group};
use crate::domain::error::Error;
use crate::domain::moment::Seconds;
use crate::telemetry::logs::{LogFilter, LogFormat};
pub use store::{StoreLocation, StoreSetting};
pub use version::{VERSION, zone_name};

/// Decides privileged-access requests: who may hold which role, who approves it, for how long.
#[derive(Debug, Parser)]
#[command(version = VERSION, long_version = version::LONG_VERSION.as_str(), max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How much to log: a level (error, warn, info, debug, trace), or levels per module.
    #[arg(long, global = true, env = "COUNTERSIGN_LOG", default_value = "info", value_parser = LogFilter::read)]
    pub log: LogFilter,
    /// How log lines are written, on standard error.
    #[arg(
        long,
        global = true,
        env = "COUNTERSIGN_LOG_FORMAT",
        value_enum,
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

impl Cli {
    /// Reads the command line and the environment of the process. Help, and a command line that cannot be understood, end
    /// the process.
    pub fn read() -> Self {
        let is_dev = env::args_os().any(|argument| argument == "--dev");
        let syntax = if is_dev {
            without_variables(Self::command())
        } else {
            Self::command()
        };
        Self::from_arg_matches(&syntax.get_matches()).unwrap_or_else(|error| error.exit())
    }

    /// Returns the name of every environment variable that a setting of any command has.
    pub fn variables() -> Vec<String> {
        let (mut names, mut commands) = (vec![TOKEN.to_owned()], vec![Self::command()]);
        while let Some(command) = commands.pop() {
            let variables = command
                .get_arguments()
                .filter_map(|argument| argument.get_env());
            names.extend(variables.map(|name| name.to_string_lossy().into_owned()));
            commands.extend(command.get_subcommands().cloned());
        }
        names
    }
}

/// The same command line, where `serve --dev` does not read the variables of the settings that it replaces.
fn without_variables(syntax: Syntax) -> Syntax {
    syntax.mut_subcommand("serve", |serve| {
        NOT_WITH_DEV.into_iter().fold(serve, |serve, setting| {
            serve.mut_arg(setting, |argument| argument.env(Resettable::<OsStr>::Reset))
        })
    })
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copies the store into a file, as it is at one moment; a server may be running on it.
    Backup(Backup),
    /// Checks what `serve` would need, with the same settings, and changes nothing: 1 when the server would not start.
    CheckConfig(Box<Serve>),
    /// Lists the roles of a running server, and brings them to what a file says.
    #[command(subcommand)]
    Role(Role),
    /// Serves the gRPC services and the PAM REST API.
    Serve(Box<Serve>),
    /// Makes, lists and revokes bearer tokens.
    #[command(subcommand)]
    Token(Token),
}

/// The settings of the server.
#[derive(Args, Debug)]
pub struct Serve {
    /// Tries things out: a temporary store, three accounts, a role and a pending approval. Nothing is kept.
    #[arg(long, conflicts_with_all = NOT_WITH_DEV)]
    pub dev: bool,
    /// The address and port to listen on; loopback only, while there is no TLS.
    #[arg(long, env = "COUNTERSIGN_LISTEN", default_value = "127.0.0.1:8086")]
    pub listen: SocketAddr,
    /// Where the data is.
    #[command(flatten)]
    pub data: Data,
    /// An account, DOMAIN\user, that may create roles. May be given more than once, or as a list with commas.
    #[arg(long = "administrator", env = "COUNTERSIGN_ADMINISTRATORS", value_delimiter = ',', value_parser = listed_account)]
    pub administrators: Vec<Account>,
    /// An account, DOMAIN\user, that may read /metrics, as administrators may. May be given more than once, or as a list
    /// with commas.
    #[arg(long = "monitor", env = "COUNTERSIGN_MONITORS", value_delimiter = ',', value_parser = listed_account)]
    pub monitors: Vec<Account>,
    /// The OTLP collector that traces go to, over gRPC: http://127.0.0.1:4317 [default: none, and no traces].
    #[arg(long, env = "COUNTERSIGN_OTLP_ENDPOINT", value_parser = endpoint)]
    pub otlp_endpoint: Option<Uri>,
    /// An origin whose pages may call the REST API, as browsers send it: http://pamsrv:8090. May be given more than once.
    #[arg(long = "allowed-origin", env = "COUNTERSIGN_ALLOWED_ORIGINS", value_delimiter = ',', value_parser = origin::read)]
    pub allowed_origins: Vec<HeaderValue>,
    /// A TLS proxy in front, as an address or a network: 10.0.0.0/8. Its forwarding headers say how clients reached it, which
    /// links of the REST API follow. May be given more than once.
    #[arg(long = "trusted-proxy", env = "COUNTERSIGN_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// The forwarding headers that trusted proxies set on every request; the other family is ignored.
    #[arg(
        long,
        env = "COUNTERSIGN_FORWARDED_HEADERS",
        value_enum,
        default_value = "x-forwarded"
    )]
    pub forwarded_headers: ForwardedHeaders,
    /// Whether anybody may read the gRPC contract by reflection; always on with --dev.
    #[arg(long, env = "COUNTERSIGN_REFLECTION", value_parser = FalseyValueParser::new())]
    pub reflection: bool,
    /// The time zone, by its IANA name, of availability windows, and of times that legacy clients send without one [default:
    /// the machine's].
    #[arg(long, env = "COUNTERSIGN_ZONE", value_parser = zone)]
    pub zone: Option<TimeZone>,
    /// How long an approval waits before it expires, unless its role says otherwise.
    #[arg(long, env = "COUNTERSIGN_PENDING_TIMEOUT", default_value = "7d", value_parser = whole_seconds)]
    pub pending_timeout: Seconds,
    /// How far the clock of this machine may be behind the record, or away from PostgreSQL's clock, before nothing is
    /// decided any more.
    #[arg(long, env = "COUNTERSIGN_MAX_CLOCK_SKEW", default_value = "10s", value_parser = whole_seconds)]
    pub max_clock_skew: Seconds,
    /// How many elevations of one requester may wait for approval at once; 0 is without a limit.
    #[arg(long, env = "COUNTERSIGN_MAX_PENDING", default_value_t = 100)]
    pub max_pending: u32,
    /// How many elevations one requester may file within an hour; 0 is without a limit.
    #[arg(long, env = "COUNTERSIGN_MAX_FILINGS", default_value_t = 1_000)]
    pub max_filings: u32,
    /// How long a request may take, and its answer to be sent.
    #[arg(long, env = "COUNTERSIGN_REQUEST_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub request_timeout: Duration,
    /// How long a client may take to send the headers of a request, or a byte on a new connection.
    #[arg(long, env = "COUNTERSIGN_HEADER_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub header_timeout: Duration,
    /// How long an idle connection is kept.
    #[arg(long, env = "COUNTERSIGN_IDLE_TIMEOUT", default_value = "75s", value_parser = duration)]
    pub idle_timeout: Duration,
    /// How long open requests may take to finish after SIGTERM or SIGINT.
    #[arg(long, env = "COUNTERSIGN_DRAIN_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// How many connections at once; more wait to be accepted.
    #[arg(long, env = "COUNTERSIGN_MAX_CONNECTIONS", default_value_t = 4096, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,
    /// How many requests at once; more are answered 503 or UNAVAILABLE.
    #[arg(long, env = "COUNTERSIGN_MAX_REQUESTS", default_value_t = 1024, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub max_requests: u32,
}

/// Where the data is.
#[derive(Args, Clone, Debug)]
pub struct Data {
    /// The folder of the store and the tokens file; created when it is not there.
    #[arg(long, env = "COUNTERSIGN_DATA_DIR", default_value = "countersign-data")]
    pub data_dir: PathBuf,
    /// The store: an SQLite file, or a postgres:// URL [default: countersign.db in the data folder]. A password does not
    /// belong on the command line, where everybody on the machine can read it.
    #[arg(long, env = "COUNTERSIGN_STORE", hide_env_values = true)]
    pub store: Option<StoreSetting>,
    /// A file whose first line is the password for a postgres:// URL without one.
    #[arg(long, env = "COUNTERSIGN_STORE_PASSWORD_FILE")]
    pub store_password_file: Option<PathBuf>,
    /// The tokens file; read again when it changes [default: tokens.toml in the data folder].
    #[arg(long, env = "COUNTERSIGN_TOKENS")]
    pub tokens: Option<PathBuf>,
}

impl Data {
    /// Where the store is. Fails if that is no file and no database.
    pub fn store(&self) -> Result<StoreLocation, Error> {
        match &self.store {
            Some(StoreSetting(location)) => location.clone().map_err(Error::invalid),
            None => Ok(StoreLocation::Sqlite(self.data_dir.join("countersign.db"))),
        }
    }

    /// The tokens file.
    pub fn tokens(&self) -> PathBuf {
        self.tokens
            .clone()
            .unwrap_or_else(|| self.data_dir.join("tokens.toml"))
    }
}

/// The headers by which a proxy says how a client reached it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ForwardedHeaders {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-Host` and `X-Forwarded-Proto`.
    XForwarded,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Lists the tokens: id, account, groups, when made, until when valid.
    List(Data),
    /// Makes a bearer token and prints it, this once; the file keeps only its hash. A running server takes it up by itself.
    New(NewToken),
    /// Revokes a token: a running server refuses it within a second.
    Revoke(RevokeToken),
}

/// The token to revoke.
#[derive(Args, Debug)]
pub struct RevokeToken {
    /// The id of the token: the 16 digits behind `cst_`, which `token list` shows.
    pub id: String,
    /// Where the data is.
    #[command(flatten)]
    pub data: Data,
}

/// Where to copy the store.
#[derive(Args, Debug)]
pub struct Backup {
    /// The file to write, which must not be there yet.
    pub file: PathBuf,
    /// Where the data is.
    #[command(flatten)]
    pub data: Data,
}

/// The token to make.
#[derive(Args, Debug)]
pub struct NewToken {
    /// The account that the token stands for, DOMAIN\user.
    #[arg(long, value_parser = account)]
    pub account: Account,
    /// A group that the account is in. May be given more than once.
    #[arg(long = "group", value_parser = group)]
    pub groups: Vec<Group>,
    /// How long the token is valid, such as 90d or 12h, or never, for a token without an end.
    #[arg(long, default_value = "90d", value_parser = expiry)]
    pub expires: Expiry,
    /// Where the data is.
    #[command(flatten)]
    pub data: Data,
}

/// When a token ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expiry {
    /// After that time.
    After(Seconds),
    /// It is valid until it is revoked.
    Never,
}

/// What to do with roles.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Creates and changes roles until they are as a TOML file says; shows what it would do, and does it with --yes.
    #[command(after_long_help = ROLE_FILE)]
    Apply(ApplyRoles),
    /// Lists all roles.
    List(ListRoles),
}

/// Which roles to apply.
#[derive(Args, Debug)]
pub struct ApplyRoles {
    /// The TOML file. Roles that it does not name are left alone.
    pub file: PathBuf,
    /// Whether to do it, and not only to show it.
    #[arg(long)]
    pub yes: bool,
    /// The server.
    #[command(flatten)]
    pub connection: Connection,
}

/// How to list the roles.
#[derive(Args, Debug)]
pub struct ListRoles {
    /// How to write the roles.
    #[arg(long, value_enum, default_value = "text")]
    pub format: RoleFormat,
    /// The server.
    #[command(flatten)]
    pub connection: Connection,
}

/// How roles are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum RoleFormat {
    /// A line for each, for people.
    Text,
    /// The whole roles, as `role apply` reads them.
    Toml,
}

/// A running server, and who calls it. The bearer token of an administrator comes from a file, or from the environment
/// variable COUNTERSIGN_TOKEN; never from the command line, which others on the machine can see.
#[derive(Args, Debug)]
pub struct Connection {
    /// The server; on this machine, because the token travels in the clear.
    #[arg(
        long,
        env = "COUNTERSIGN_SERVER",
        default_value = "http://127.0.0.1:8086"
    )]
    pub server: Uri,
    /// The file with the bearer token of an administrator [default: the token is in COUNTERSIGN_TOKEN].
    #[arg(long, env = "COUNTERSIGN_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

fn account(text: &str) -> Result<Account, String> {
    Account::named(text).map_err(|error| error.to_string())
}

/// An account of a list, whose commas may have white space on either side.
fn listed_account(text: &str) -> Result<Account, String> {
    account(text.trim())
}

fn group(text: &str) -> Result<Group, String> {
    Group::named(text).map_err(|error| error.to_string())
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse().or_else(|_| {
        text.parse()
            .map(|address: IpAddr| address.to_canonical().into())
    });
    network.map_err(|_| {
        "an address such as 10.1.2.3 or a network such as 10.0.0.0/8 is needed".to_owned()
    })
}

fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| "an IANA name such as Europe/Berlin is needed".to_owned())
}

/// An URL of `http` with a host and nothing behind it; there is no TLS yet.
fn endpoint(text: &str) -> Result<Uri, String> {
    let endpoint = text.parse::<Uri>().ok().filter(|uri| {
        let bare = uri
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'));
        bare && uri.scheme() == Some(&Scheme::HTTP)
            && matches!(
                uri.path_and_query().map(|path| path.as_str()),
                None | Some("/")
            )
    });
    endpoint.ok_or_else(|| "an address such as http://127.0.0.1:4317 is needed".to_owned())
}

fn expiry(text: &str) -> Result<Expiry, String> {
    match text {
        "never" => Ok(Expiry::Never),
        text => whole_seconds(text).map(Expiry::After),
    }
}

fn whole_seconds(text: &str) -> Result<Seconds, String> {
    let seconds = i64::try_from(duration(text)?.as_secs()).map_err(|error| error.to_string())?;
    match Seconds::new(seconds) {
        Ok(Seconds::ZERO) => Err("at least a second is needed".to_owned()),
        seconds => seconds.map_err(|error| error.to_string()),
    }
}

/// A length of time such as `90d`, `12h` or `1m 30s`; a day has 24 hours.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let span: Span = text
        .parse()
        .map_err(|_| "a length of time such as 90d, 12h or 30s is needed")?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|error| error.to_string())?;
    duration
        .try_into()
        .map_err(|_| "a length of time is not negative".to_owned())
}

/// The settings that `serve --dev` replaces by its own.
pub const NOT_WITH_DEV: [&str; 5] = [
    "data_dir",
    "store",
    "store_password_file",
    "tokens",
    "administrators",
];
/// The environment variable with the bearer token of the commands that call a server.
pub const TOKEN: &str = "COUNTERSIGN_TOKEN";
const ROLE_FILE: &str = r#"The file has a table for each role:

  [[role]]
  id = "5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143"
  display_name = "SQL File Access"
  description = "Read access to the files of the SQL servers."
  max_duration = "1h"
  candidates = ['PRIV\jen', { group = "SQL Users" }]
  approvers = ['PRIV\sam', { group = "SQL Owners" }]
  required_approvals = 1

A text among candidates and approvers is an account, DOMAIN\user. Without an id the role is found by its display name.
Without a description it has none. A role that needs no approval says `approval_required = false` in the place of
`approvers` and `required_approvals`. `role list --format toml` writes such a file."#;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_list_of_accounts_names_every_one() {
        let named = |list: &str| {
            let arguments = ["countersign", "serve", "--administrator", list];
            let Command::Serve(serve) = Cli::try_parse_from(arguments)
                .map_err(|error| error.kind())?
                .command
            else {
                unreachable!()
            };
            Ok(serve
                .administrators
                .into_iter()
                .map(|account| account.name)
                .collect::<Vec<_>>())
        };
        for list in [
            "PRIV\\ann,PRIV\\bob",
            "PRIV\\ann, PRIV\\bob",
            " PRIV\\ann ,\tPRIV\\bob ",
        ] {
            assert_eq!(
                named(list),
                Ok(vec!["PRIV\\ann".to_owned(), "PRIV\\bob".to_owned()]),
                "{list}"
            );
        }
        for bad in [
            "PRIV\\ann,",
            "PRIV\\ann;PRIV\\bob",
            "PRIV\\ann PRIV\\bob",
            "PRIV\\a\u{200b}nn",
            "ann",
        ] {
            assert_eq!(
                named(bad),
                Err(clap::error::ErrorKind::ValueValidation),
                "{bad}"
            );
        }
    }

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [
            ("90d", 90 * 86_400),
            ("12h", 43_200),
            ("1m 30s", 90),
            ("0s", 0),
        ] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds, "{text}");
        }
        for bad in ["", "90", "-5s", "soon", "1 month"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(
            whole_seconds("0s").is_err(),
            "a duration has at least a second"
        );
        assert_eq!(expiry("never"), Ok(Expiry::Never));
        assert_eq!(expiry("90d"), whole_seconds("90d").map(Expiry::After));
        assert!(expiry("Never").is_err() && expiry("").is_err());
    }

    #[test]
    fn endpoints() {
        for good in [
            "http://127.0.0.1:4317",
            "http://collector:4317/",
            "http://[::1]:4317",
        ] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "collector",
            "collector:4317",
            "/path",
            "https://collector:4317",
            "http://a:b@c",
            "http://a/b",
            "http://a?b",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_never_repeated() {
        let url = "postgres://ann:hunter2@db/countersign";
        let cli = Cli::try_parse_from(["countersign", "serve", "--store", url]).unwrap();
        assert!(!format!("{cli:?}").contains("hunter2"));
        let backup =
            Cli::try_parse_from(["countersign", "backup", "--store", url, "to.db", "more"]);
        assert!(!backup.unwrap_err().to_string().contains("hunter2"));
        let help = Cli::command()
            .term_width(500)
            .find_subcommand_mut("serve")
            .unwrap()
            .render_long_help();
        let store = help
            .to_string()
            .lines()
            .find(|line| line.contains("COUNTERSIGN_STORE]"))
            .is_some();
        assert!(store, "the help shows the value of the variable");
    }

    #[test]
    fn dev_keeps_away_from_real_data() {
        assert!(
            Cli::try_parse_from(["countersign", "serve", "--dev", "--store", "real.db"]).is_err()
        );
    }
}
