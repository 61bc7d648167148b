//! The steps that change the roles of a server to match a file.

use std::collections::HashSet;

use super::file::{Entry, FileRole};
use crate::domain::error::Error;
use crate::domain::text;
use crate::proto::pam::v1::Role;

/// A step for one role of the file.
pub(super) struct Step {
    /// The new role, with the id and the revision of the current one.
    pub(super) role: Role,
    pub(super) action: Action,
}

/// The action of a step.
pub(super) enum Action {
    /// The role does not exist.
    Create,
    /// The role differs, with a description of each change.
    Update(Vec<String>),
    /// The role matches the file.
    Nothing,
}

/// Returns the steps from the roles of the server to those of the file, in the order of the file.
///
/// # Errors
/// Invalid if an entry of the file does not identify one role; then no step is performed.
pub(super) fn plan(wanted: Vec<FileRole>, present: &[Role]) -> Result<Vec<Step>, Error> {
    let mut meant = HashSet::new();
    let mut found = Vec::new();
    for FileRole { line, entry } in &wanted {
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
                "another entry of the file is the same role; give them different ids",
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

/// Finds the role of an entry by its id or, without an id, by its display name.
fn find<'a>(entry: &Entry, present: &'a [Role]) -> Result<Option<&'a Role>, &'static str> {
    let mut meant = present.iter().filter(|role| match entry.id {
        Some(id) => role.id.parse() == Ok(id),
        None => look_alike(&role.display_name, &entry.display_name),
    });
    match (meant.next(), meant.next()) {
        (_, Some(_)) => Err("the server has several roles with this display name; add an id"),
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
        "The role at line {line} of the file is ambiguous: {what}. Nothing was changed."
    ))
}
