//! The arguments of `role`, which calls a running server.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use http::Uri;

/// The commands on roles.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Creates and changes roles to match a TOML file. Without --yes it only shows the changes.
    #[command(after_long_help = ROLE_FILE)]
    Apply(ApplyRoles),
    /// Lists all roles.
    List(ListRoles),
}

/// The arguments of `role apply`.
#[derive(Args, Debug)]
pub struct ApplyRoles {
    /// TOML file. Roles that are not in the file stay unchanged.
    pub file: PathBuf,
    /// Whether to apply the changes instead of only showing them.
    #[arg(long)]
    pub yes: bool,
    /// The server and the credentials.
    #[command(flatten)]
    pub connection: Connection,
}

/// The arguments of `role list`.
#[derive(Args, Debug)]
pub struct ListRoles {
    /// Output format.
    #[arg(long, value_enum, default_value = "text")]
    pub format: RoleFormat,
    /// The server and the credentials.
    #[command(flatten)]
    pub connection: Connection,
}

/// The output format of roles.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum RoleFormat {
    /// One line per role.
    Text,
    /// All fields, as `role apply` reads them.
    Toml,
}

/// A running server and the caller's credentials. The bearer token of an administrator comes from a file or from the
/// environment variable COUNTERSIGN_TOKEN, never from the command line, which other users of the machine can read.
#[derive(Args, Debug)]
pub struct Connection {
    /// Address of the server; on this machine only, because the connection is not encrypted.
    #[arg(
        long,
        env = "COUNTERSIGN_SERVER",
        default_value = "http://127.0.0.1:8086"
    )]
    pub server: Uri,
    /// File with the bearer token of an administrator [default: the token in COUNTERSIGN_TOKEN].
    #[arg(long, env = "COUNTERSIGN_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

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
Without a description the role has none. A role without approval has `approval_required = false` instead of `approvers`
and `required_approvals`. `role list --format toml` writes such a file."#;
