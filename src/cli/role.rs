//! `countersign role`: the roles of a running server, over gRPC.

mod client;
mod file;
mod plan;

use std::fmt;

use anyhow::{anyhow, bail};
use http::Uri;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{cannot, print, printable};
use crate::config::{ApplyRoles, ListRoles, RoleFormat};
use crate::proto::pam::v1::{Role, Shortage};
use client::Client;
use plan::{Action, Step};

/// `countersign role apply`: brings the roles to what the file says, or shows what that would be.
pub(super) async fn apply(apply: &ApplyRoles) -> anyhow::Result<()> {
    let what = format!("read the file of roles {}", apply.file.display());
    let wanted = file::read(&apply.file).map_err(|error| cannot(what, error, ""))?;
    let server = &apply.connection.server;
    let mut client = Client::new(&apply.connection)?;
    let present = client
        .all()
        .await
        .map_err(|status| refused(server, &status))?;
    let what = format!("apply the file of roles {}", apply.file.display());
    let steps = plan::plan(wanted, &present).map_err(|error| cannot(what, error, ""))?;
    if apply.yes {
        take(&mut client, steps).await
    } else {
        show(&mut client, steps).await
    }
}

/// `countersign role list`: every role, a line each, or as a file for `role apply`.
pub(super) async fn list(list: &ListRoles) -> anyhow::Result<()> {
    let server = &list.connection.server;
    let roles = Client::new(&list.connection)?
        .all()
        .await
        .map_err(|status| refused(server, &status))?;
    match list.format {
        RoleFormat::Text => print(&roles.iter().map(line).collect::<anyhow::Result<String>>()?),
        RoleFormat::Toml => print(&file::write(&roles)?),
    }
}

fn line(role: &Role) -> anyhow::Result<String> {
    let approval = match role.stages.first() {
        Some(stage) => format!(
            "{} of {} approvers",
            stage.required_approvals,
            stage.approvers.len()
        ),
        None => "no approval".to_owned(),
    };
    let (id, name, candidates) = (
        &role.id,
        printable(&role.display_name),
        role.candidates.len(),
    );
    let duration = file::duration(role)?;
    let revision = role.revision;
    Ok(format!(
        "{id}  {name}  at most {duration}  {candidates} candidates  {approval}  revision {revision}\n"
    ))
}

async fn show(client: &mut Client, steps: Vec<Step>) -> anyhow::Result<()> {
    let mut tally = Tally::default();
    for Step { role, action } in steps {
        match action {
            Action::Create => tally.tell("create", &role, "", &[])?,
            Action::Update(differences) => tally.tell("update", &role, "", &differences)?,
            Action::Nothing => {
                tally.tell("unchanged", &role, "", &shortages(client, &role).await)?
            }
        }
    }
    print(&format!("{tally}. Nothing was changed; --yes does it.\n"))
}

/// The warnings about a role that stays as it is; none if the server does not answer, which the next step reports.
async fn shortages(client: &mut Client, role: &Role) -> Vec<String> {
    match client.read(role).await {
        Ok((_, shortages)) => shortages.iter().map(warning).collect(),
        Err(_) => Vec::new(),
    }
}

fn warning(shortage: &Shortage) -> String {
    let Shortage {
        stage,
        required_approvals,
        available,
    } = shortage;
    format!(
        "warning: requests cannot be approved: stage {stage} needs {required_approvals} approvers with valid tokens besides the requester, \
         and has {available}"
    )
}

/// Takes the steps in their order. When one is refused, the others go on; when the server does not answer, or not this
/// caller, the rest is left undone. Whatever becomes of a step is told.
async fn take(client: &mut Client, steps: Vec<Step>) -> anyhow::Result<()> {
    let mut tally = Tally::default();
    let (mut is_done, mut is_answered) = (true, true);
    for Step { role, action } in steps {
        let (word, differences, call) = match action {
            Action::Nothing => {
                tally.tell("unchanged", &role, "", &shortages(client, &role).await)?;
                continue;
            }
            _ if !is_answered => {
                tally.tell("not tried", &role, "", &[])?;
                continue;
            }
            Action::Create => ("created", Vec::new(), client.create(role.clone()).await),
            Action::Update(differences) => {
                ("updated", differences, client.update(role.clone()).await)
            }
        };
        match call {
            Ok((role, shortages)) => {
                let warnings = shortages.iter().map(warning);
                tally.tell(
                    word,
                    &role,
                    "",
                    &differences.into_iter().chain(warnings).collect::<Vec<_>>(),
                )?;
            }
            Err(status) => {
                (is_done, is_answered) = (false, is_about_one_role(&status));
                let word = if is_answered { "refused" } else { "failed" };
                tally.tell(word, &role, &reason(&status), &[])?;
            }
        }
    }
    print(&format!("{tally}.\n"))?;
    if is_done {
        Ok(())
    } else {
        bail!("not everything was done; see the lines above")
    }
}

/// Counts what was told of the steps, by its first word.
#[derive(Default)]
struct Tally(Vec<(&'static str, usize)>);

impl Tally {
    fn tell(
        &mut self,
        word: &'static str,
        role: &Role,
        why: &str,
        notes: &[String],
    ) -> anyhow::Result<()> {
        match self.0.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => self.0.push((word, 1)),
        }
        let line = format!(
            "{word:<9}  {}  {}  {why}",
            printable(&role.display_name),
            role.id
        );
        let notes = notes
            .iter()
            .map(|note| format!("             {}\n", printable(note)));
        print(&format!(
            "{}\n{}",
            line.trim_end(),
            notes.collect::<String>()
        ))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self
            .0
            .iter()
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        f.write_str(
            if counts.is_empty() {
                "no roles".to_owned()
            } else {
                counts.join(", ")
            }
            .as_str(),
        )
    }
}

/// Whether the other steps may fare better.
fn is_about_one_role(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::AlreadyExists | Code::FailedPrecondition | Code::InvalidArgument
    )
}

/// Returns why the server at that address did not list its roles, and what to do.
fn refused(server: &Uri, status: &Status) -> anyhow::Error {
    let what = format!("list the roles of the server at {server}");
    if status.get_error_details().error_info().is_none() {
        let what = format!("reach a server of Countersign at {server}");
        return cannot(
            what,
            unanswered(status),
            "start it there, or name another with --server",
        );
    }
    let advice = match status.code() {
        Code::PermissionDenied => {
            "use the token of an account that the server has as an --administrator"
        }
        Code::Unauthenticated => {
            "use a valid token in COUNTERSIGN_TOKEN or --token-file; `countersign token list` shows those of a tokens file"
        }
        _ => "",
    };
    cannot(what, anyhow!("{}", reason(status)), advice)
}

/// Returns why there is no answer of Countersign, from the connection's own causes where it has any.
fn unanswered(status: &Status) -> anyhow::Error {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        causes.push(error);
        cause = error.source();
    }
    match causes
        .last()
        .and_then(|cause| cause.downcast_ref::<std::io::Error>())
    {
        Some(error) => std::io::Error::from(error.kind()).into(),
        None if causes.is_empty() => anyhow!("{}", status.message()),
        None => anyhow!(
            "{}",
            causes
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(": ")
        ),
    }
}

/// Why the server refused, or why it could not be asked.
fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let reason = details
        .error_info()
        .map_or("no answer", |info| &info.reason);
    printable(&format!("{reason}: {}", status.message()))
}
