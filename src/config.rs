//! The command line. Every setting is also an environment variable, and texts become types here.

mod client;
mod data;
mod origin;
mod serve;
mod store;
mod tokens;
mod values;
mod version;

use std::env;
use std::path::PathBuf;

use clap::builder::{OsStr, Resettable};
use clap::{Args, Command as Syntax, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::telemetry::logs::{LogFilter, LogFormat};
pub use client::{ApplyRoles, Connection, ListRoles, Role, RoleFormat, TOKEN};
pub use data::Data;
pub use serve::{ForwardedHeaders, NOT_WITH_DEV, Serve};
pub use store::{StoreLocation, StoreSetting};
pub use tokens::{Expiry, NewToken, RevokeToken, Token};
pub(crate) use values::duration;
pub use version::{VERSION, zone_name};

/// Decides privileged-access requests: candidates, approvers and durations of roles.
#[derive(Debug, Parser)]
#[command(version = VERSION, long_version = version::LONG_VERSION.as_str(), max_term_width = 100)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
    /// Log level: error, warn, info, debug or trace; or levels per module.
    #[arg(long, global = true, env = "COUNTERSIGN_LOG", default_value = "info", value_parser = LogFilter::read)]
    pub log: LogFilter,
    /// Format of the log lines on standard error.
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
    /// Reads the command line and the environment. Ends the process after a request for help and after an error.
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

/// Returns the command line of `serve --dev`, which ignores the variables of the settings that it replaces.
fn without_variables(syntax: Syntax) -> Syntax {
    syntax.mut_subcommand("serve", |serve| {
        NOT_WITH_DEV.into_iter().fold(serve, |serve, setting| {
            serve.mut_arg(setting, |argument| argument.env(Resettable::<OsStr>::Reset))
        })
    })
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copies the store to a file, as a snapshot; a server may be running.
    Backup(Backup),
    /// Checks the settings and files of `serve` without changes. Exits with 1 if the server would not start.
    CheckConfig(Box<Serve>),
    /// Lists the roles of a running server, and changes them to match a file.
    #[command(subcommand)]
    Role(Role),
    /// Serves the gRPC services and the PAM REST API.
    Serve(Box<Serve>),
    /// Creates, lists and revokes bearer tokens.
    #[command(subcommand)]
    Token(Token),
}

/// The arguments of `backup`.
#[derive(Args, Debug)]
pub struct Backup {
    /// File to write; it must not exist.
    pub file: PathBuf,
    /// The store and the tokens.
    #[command(flatten)]
    pub data: Data,
}

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
