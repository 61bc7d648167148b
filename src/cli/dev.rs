//! `countersign serve --dev`: a server for trying out, without lasting data.

use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Command as Syntax, CommandFactory};
use tempfile::TempDir;

use super::failure::cannot;
use super::finding::log_warnings;
use super::output::print;
use super::{checks, data, listener, serve};
use crate::config::{Cli, NOT_WITH_DEV, Serve};
use crate::domain::account::{Account, Principal};
use crate::domain::caller::Caller;
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::event::{Channel, Origin};
use crate::domain::moment::Seconds;
use crate::domain::role::{Role, Rules};
use crate::domain::stages::Stage;
use crate::server;
use crate::service::{Context, FilingRequest, Service};
use crate::store::sqlite::SqliteStore;
use crate::telemetry::metrics::Metrics;
use crate::time::{Clock, SystemClock};
use crate::tokens_file;

/// Serves a temporary store with one pending approval, and prints how to decide it.
pub(super) async fn run(mut settings: Serve) -> anyhow::Result<()> {
    serve::starting(&settings, "temporary");
    log_warnings(checks::settings_alone(&settings))?;
    warn_of_ignored();
    let folder = temporary_folder()?;
    let people = People::new()?;
    settings.administrators = vec![people.administrator.clone()];
    let tokens_file = folder.path().join("tokens.toml");
    let tokens = Tokens::new(&tokens_file, &people).map_err(|error| {
        cannot(
            format_args!("add tokens to {}", tokens_file.display()),
            error,
            "",
        )
    })?;
    let metrics = Arc::new(Metrics::default());
    let path = folder.path().join("countersign.db");
    let store = SqliteStore::open(&path, metrics.store.clone())
        .map_err(|error| cannot(format_args!("open the store {}", path.display()), error, ""))?;
    let app = serve::app(
        &settings,
        Arc::new(store),
        metrics,
        data::open_tokens(&tokens_file)?,
    )
    .await?;
    let listener = listener::bind(settings.listen).await?;
    let address = listener.local_addr()?;
    let pending = pending(&app.service, &people).await?;
    tracing::warn!("--dev: NOT FOR PRODUCTION. The store is temporary and the tokens are printed.");
    print(&welcome(address, &tokens, &pending))?;
    server::run(listener, app, serve::interrupted()?)
        .await
        .context("the server has stopped")
}

/// Warns about environment variables whose settings `--dev` replaces.
fn warn_of_ignored() {
    let syntax = Cli::command();
    let settings = syntax
        .find_subcommand("serve")
        .into_iter()
        .flat_map(Syntax::get_arguments);
    let replaced = settings.filter(|setting| NOT_WITH_DEV.contains(&setting.get_id().as_str()));
    for name in replaced
        .filter_map(|setting| setting.get_env())
        .filter(|name| env::var_os(name).is_some())
    {
        tracing::warn!(
            "--dev ignores {}: it uses a temporary store and its own tokens",
            name.display()
        );
    }
}

/// Creates the folder for the files of the server, which is deleted at its end.
fn temporary_folder() -> anyhow::Result<TempDir> {
    let place = env::temp_dir();
    tempfile::tempdir().map_err(|error| {
        let what = format!("create a temporary folder in {}", place.display());
        cannot(what, error, "set the variable TMPDIR to a writable folder")
    })
}

struct People {
    administrator: Account,
    approver: Account,
    requester: Account,
}

impl People {
    fn new() -> Result<Self, Error> {
        Ok(Self {
            administrator: Account::named("PRIV\\ann")?,
            approver: Account::named("PRIV\\sam")?,
            requester: Account::named("PRIV\\jen")?,
        })
    }
}

struct Tokens {
    administrator: String,
    approver: String,
    requester: String,
}

impl Tokens {
    fn new(path: &Path, people: &People) -> Result<Self, Error> {
        let token = |account| tokens_file::add(path, account, &[], SystemClock.now(), None);
        Ok(Self {
            administrator: token(&people.administrator)?,
            approver: token(&people.approver)?,
            requester: token(&people.requester)?,
        })
    }
}

/// Files a request that waits for the approver, as a caller would.
async fn pending(service: &Service, people: &People) -> Result<Elevation, Error> {
    let role = Role {
        id: service.new_role_id(),
        display_name: "SQL File Access".to_owned(),
        description: "Read access to the files of the SQL servers.".to_owned(),
        max_duration: Seconds::new(3_600)?,
        candidates: vec![Principal::Account(people.requester.clone())],
        stages: vec![Stage {
            approvers: vec![Principal::Account(people.approver.clone())],
            required_approvals: 1,
        }],
        rules: Rules::default(),
    };
    let caller = |account: &Account, administrator| {
        Caller::new(account.clone(), Vec::new(), administrator, "dev".to_owned())
    };
    let origin = Origin {
        channel: Channel::Grpc,
        request_id: "dev".to_owned(),
    };
    let context = Context {
        origin,
        deadline: None,
    };
    let role = service
        .create_role(&caller(&people.administrator, true), role, &context)
        .await?
        .role
        .value;
    let asked = FilingRequest {
        role: role.id,
        duration: None,
        justification: Some("Ticket 4711".to_owned()),
        requested_start_time: None,
        id: None,
    };
    let requester = caller(&people.requester, false);
    Ok(service
        .create_elevation(&requester, asked, &context)
        .await?
        .view
        .elevation
        .value)
}

fn welcome(address: SocketAddr, tokens: &Tokens, pending: &Elevation) -> String {
    let approval = pending
        .approval
        .as_ref()
        .map(|approval| approval.id.to_string())
        .unwrap_or_default();
    let (role, elevation) = (pending.role, pending.id);
    let Tokens {
        administrator,
        approver,
        requester,
    } = tokens;
    format!(
        "\
Countersign listens on http://{address}

  !!!  --dev: NOT FOR PRODUCTION. The store is temporary, and everyone can read these tokens.  !!!

  administrator  PRIV\\ann  {administrator}
  approver       PRIV\\sam  {approver}
  requester      PRIV\\jen  {requester}

PRIV\\jen requests the role \"SQL File Access\", and PRIV\\sam decides. List the pending approvals:

  curl -s 'http://{address}/api/pamresources/pamrequeststoapprove' -H 'Authorization: Bearer {approver}'

Approve it:

  curl -i -X POST \"http://{address}/api/pamresources/pamrequeststoapprove(guid'{approval}')/Approve\" -H 'Authorization: Bearer {approver}'

Read the result, and file another request:

  curl -s \"http://{address}/api/pamresources/pamrequests(guid'{elevation}')\" -H 'Authorization: Bearer {requester}'
  curl -s 'http://{address}/api/pamresources/pamrequests' -H 'Authorization: Bearer {requester}' -d RoleId={role} -d RequestedTTL=900

The same over gRPC, with grpcurl. A second approval changes nothing and returns the same:

  grpcurl -plaintext -H 'Authorization: Bearer {approver}' {address} pam.v1.ApprovalService/ListApprovals
  grpcurl -plaintext -H 'Authorization: Bearer {approver}' -d '{{\"approval_id\":\"{approval}\"}}' {address} pam.v1.ApprovalService/Approve
  grpcurl -plaintext -H 'Authorization: Bearer {requester}' -d '{{\"elevation_id\":\"{elevation}\"}}' {address} pam.v1.ElevationService/GetElevation
  grpcurl -plaintext -H 'Authorization: Bearer {requester}' -d '{{\"role_id\":\"{role}\",\"duration\":\"900s\"}}' {address} pam.v1.ElevationService/CreateElevation

"
    )
}
