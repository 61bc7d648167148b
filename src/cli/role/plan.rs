//! What has to be done for the roles of a server to be as a file says.

use std::collections::HashSet;

use super::file::{Entry, Wanted};
use crate::domain::error::Error;
use crate::domain::text;
use crate::proto::pam::v1::Role;

/// What has to be done about one role of the file.
pub(super) struct Step {
    /// The role as it shall be, with the id and the revision of the one that is replaced.
    pub(super) role: Role,
    pub(super) action: Action,
}

/// What has to be done about a role.
pub(super) enum Action {
    /// It is not there.
    Create,
    /// It is there and differs, in these ways.
    Update(Vec<String>),
    /// It is there as it shall be.
    Nothing,
}

/// Compares what is wanted with the roles that are `present`, in the order of the file. Where it is not clear which role
/// is meant, nothing is.
pub(super) fn plan(wanted: Vec<Wanted>, present: &[Role]) -> Result<Vec<Step>, Error> {
    let mut meant = HashSet::new();
    let mut found = Vec::new();
    for Wanted { line, entry } in &wanted {
        let namesakes = wanted
            .iter()
            .filter(|other| look_alike(&other.entry.display_name, &entry.display_name));
        let role = find(entry, present).map_err(|error| at(*line, error))?;
        let id = role
            .map(|role| role.id.clone())
            .or(entry.id.map(|id| id.to_string()));
        if (entry.id.is_none() && namesakes.count() > 1) || id.is_some_and(|id| !meant.insert(id)) {
            return Err(at(
                *line,
                "another role of the file is the same one; ids tell them apart",
            ));
        }
        found.push(role);
    }
    wanted
        .into_iter()
        .zip(found)
        .map(|(wanted, before)| step(wanted.entry, before))
        .collect()
}

/// The role that an entry is about, by its id or else by its display name.
fn find<'a>(entry: &Entry, present: &'a [Role]) -> Result<Option<&'a Role>, &'static str> {
    let is_meant = |role: &&Role| match entry.id {
        Some(id) => role.id.parse() == Ok(id),
        None => look_alike(&role.display_name, &entry.display_name),
    };
    let mut meant = present.iter().filter(is_meant);
    match (meant.next(), meant.next()) {
        (_, Some(_)) => Err("the server has several roles of this display name; an id is needed"),
        (role, None) => Ok(role),
    }
}

fn look_alike(one: &str, other: &str) -> bool {
    text::look(one) == text::look(other)
}

fn step(entry: Entry, before: Option<&Role>) -> Result<Step, Error> {
    let Some(before) = before else {
        return Ok(Step {
            role: entry.try_into()?,
            action: Action::Create,
        });
    };
    let differences = entry.differences(before)?;
    let role = Role {
        id: before.id.clone(),
        revision: before.revision,
        ..entry.try_into()?
    };
    let action = if differences.is_empty() {
        Action::Nothing
    } else {
        Action::Update(differences)
    };
    Ok(Step { role, action })
}

fn at(line: usize, what: &str) -> Error {
    Error::invalid(format!(
        "The role at line {line} of the file is not clear: {what}. Nothing was changed."
    ))
}
