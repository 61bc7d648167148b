//! `countersign role`: the roles of a running server, over gRPC.

mod client;
mod duration;
mod file;
mod plan;

use std::fmt;

use anyhow::{anyhow, bail};
use http::Uri;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::failure::cannot;
use super::output::print;
use super::text::printable;
use crate::config::{ApplyRoles, ListRoles, RoleFormat};
use crate::proto::pam::v1::{Role, Shortage};
use client::Client;
use plan::{Action, Step};

/// `countersign role apply`: changes the roles to match a file, or shows the changes.
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

/// `countersign role list`: prints every role, as lines or as a file for `role apply`.
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
    let duration = file::max_duration(role)?;
    let revision = role.revision;
    Ok(format!(
        "{id}  {name}  at most {duration}  {candidates} candidates  {approval}  revision {revision}\n"
    ))
}

async fn show(client: &mut Client, steps: Vec<Step>) -> anyhow::Result<()> {
    let mut tally = Tally::default();
    for Step { role, action } in steps {
        match action {
            Action::Create => tally.report("create", &role, "", &[])?,
            Action::Update(differences) => tally.report("update", &role, "", &differences)?,
            Action::Nothing => {
                tally.report("unchanged", &role, "", &shortages(client, &role).await)?
            }
        }
    }
    print(&format!(
        "{tally}. Nothing was changed. Use --yes to apply.\n"
    ))
}

/// Returns the warnings about an unchanged role; none if the server does not respond, which the next step reports.
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
        "warning: requests cannot be approved: stage {stage} needs {required_approvals} approvers with valid tokens, not counting the \
         requester, and has {available}"
    )
}

/// Performs the steps in order and reports each. A refused step does not stop the others. If the server does not
/// respond, or refuses the caller, the remaining steps are not tried.
async fn take(client: &mut Client, steps: Vec<Step>) -> anyhow::Result<()> {
    let mut tally = Tally::default();
    let (mut is_done, mut is_answered) = (true, true);
    for Step { role, action } in steps {
        let (word, differences, call) = match action {
            Action::Nothing => {
                tally.report("unchanged", &role, "", &shortages(client, &role).await)?;
                continue;
            }
            _ if !is_answered => {
                tally.report("not tried", &role, "", &[])?;
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
                tally.report(
                    word,
                    &role,
                    "",
                    &differences.into_iter().chain(warnings).collect::<Vec<_>>(),
                )?;
            }
            Err(status) => {
                (is_done, is_answered) = (false, is_about_one_role(&status));
                let word = if is_answered { "refused" } else { "failed" };
                tally.report(word, &role, &reason(&status), &[])?;
            }
        }
    }
    print(&format!("{tally}.\n"))?;
    if is_done {
        Ok(())
    } else {
        bail!("some steps failed; see the lines above")
    }
}

/// Counts the reported steps by their first word.
#[derive(Default)]
struct Tally(Vec<(&'static str, usize)>);

impl Tally {
    fn report(
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

/// Returns whether other steps can still succeed.
fn is_about_one_role(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::AlreadyExists | Code::FailedPrecondition | Code::InvalidArgument
    )
}

/// Returns an error for roles that could not be listed, with a remedy.
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
            "use the token of an account that is an --administrator of the server"
        }
        Code::Unauthenticated => {
            "use a valid token in COUNTERSIGN_TOKEN or --token-file; `countersign token list` shows those of a tokens file"
        }
        _ => "",
    };
    cannot(what, anyhow!("{}", reason(status)), advice)
}

/// Returns an error for a missing response, with the cause of the connection if it has one.
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

/// Returns the reason of a refusal or of a failed call.
fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let reason = details
        .error_info()
        .map_or("no answer", |info| &info.reason);
    printable(&format!("{reason}: {}", status.message()))
}
