//! Roles in a TOML file: reading, writing and comparing them. The server checks their values.

use std::fs;
use std::ops::{Not, Range};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::{Spanned, Table, Value};
use uuid::Uuid;

use super::duration;
use crate::domain::error::Error;
use crate::proto::pam::v1;

/// A role of a file, and the line on which it begins.
#[derive(Debug)]
pub(super) struct FileRole {
    pub(super) line: usize,
    pub(super) entry: Entry,
}

/// The fields of a role in a file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Without an id the role is found by its display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<Uuid>,
    pub(super) display_name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(with = "duration")]
    max_duration: Duration,
    candidates: Vec<Principal>,
    /// A role without approval must say so, so that a forgotten line grants nothing.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    approval_required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    approvers: Option<Vec<Principal>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_approvals: Option<u32>,
    /// For more than one stage, instead of `approvers` and `required_approvals`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stages: Vec<Stage>,
    #[serde(default, skip_serializing_if = "Not::not")]
    auto_approve_owners: bool,
    #[serde(
        default,
        with = "duration::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pending_timeout: Option<Duration>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    available_from: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    available_to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    justification_rule: Option<ReasonRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_reason_rule: Option<ReasonRule>,
}

/// One of several stages.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stage {
    approvers: Vec<Principal>,
    required_approvals: u32,
}

/// A rule for reasons.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ReasonRule {
    #[serde(default, skip_serializing_if = "Not::not")]
    required: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    min_length: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pattern: String,
}

/// A candidate or an approver.
#[derive(Debug, Deserialize, Serialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected an account as 'DOMAIN\\user', or a group as { group = \"name\" }"
)]
enum Principal {
    Account(String),
    Group { group: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(default)]
    role: Vec<Spanned<Entry>>,
}

/// Reads the roles of a file.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<FileRole>> {
    Ok(parse(&fs::read_to_string(path)?)?)
}

fn parse(text: &str) -> Result<Vec<FileRole>, Error> {
    let contents: Contents = toml::from_str(text).map_err(|error| malformed(text, &error))?;
    let mut roles = Vec::new();
    for entry in contents.role {
        let line = line(text, entry.span());
        let entry = entry.into_inner();
        if !entry.stages.is_empty()
            && (entry.approvers.is_some() || entry.required_approvals.is_some())
        {
            return Err(Error::invalid(format!(
                "The file of roles is malformed at line {line}: a role must have either stages or approvers, not both."
            )));
        }
        roles.push(FileRole { line, entry });
    }
    Ok(roles)
}

/// Returns an error with the line and the expected value, but without the value: it may be the wrong file, with
/// secrets.
fn malformed(text: &str, error: &toml::de::Error) -> Error {
    let message = error.message();
    let expected = message
        .rsplit_once(", expected ")
        .map(|(_, expected)| format!("expected {expected}"));
    let line = line(text, error.span().unwrap_or_default());
    Error::invalid(format!(
        "The file of roles is malformed at line {line}: {}.",
        expected.as_deref().unwrap_or(message)
    ))
}

fn line(text: &str, span: Range<usize>) -> usize {
    text[..span.start].matches('\n').count() + 1
}

/// Writes roles as a file.
pub(super) fn write(roles: &[v1::Role]) -> Result<String, Error> {
    let mut text = String::new();
    for role in roles {
        text += "[[role]]\n";
        for (key, value) in Entry::try_from(role)?.table()? {
            text += &format!("{key} = {value}\n");
        }
        text += "\n";
    }
    Ok(text)
}

impl Entry {
    /// Returns the changes from `before` to this entry, key by key. The order of candidates and of approvers does not
    /// matter.
    pub(super) fn differences(&self, before: &v1::Role) -> Result<Vec<String>, Error> {
        let (before, after) = (Self::try_from(before)?.table()?, self.table()?);
        let new_keys = after.keys().filter(|key| !before.contains_key(*key));
        let keys = before.keys().chain(new_keys).filter(|key| *key != "id");
        Ok(keys
            .flat_map(|key| changes(key, before.get(key), after.get(key)))
            .collect())
    }

    /// Returns the keys and values, in the order of the file.
    fn table(&self) -> Result<Table, Error> {
        Table::try_from(self).map_err(Error::internal)
    }
}

fn changes(key: &str, before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
    if let (Some(Value::Array(before)), Some(Value::Array(after))) = (before, after) {
        let gone = before
            .iter()
            .filter(|value| !after.contains(value))
            .map(|value| ('-', value));
        let new = after
            .iter()
            .filter(|value| !before.contains(value))
            .map(|value| ('+', value));
        return gone
            .chain(new)
            .map(|(sign, value)| format!("{key}: {sign} {value}"))
            .collect();
    }
    if before == after {
        return Vec::new();
    }
    let [before, after] =
        [before, after].map(|value| value.map_or("none".to_owned(), Value::to_string));
    vec![format!("{key}: {before} -> {after}")]
}

impl TryFrom<&v1::Role> for Entry {
    type Error = Error;

    fn try_from(role: &v1::Role) -> Result<Self, Error> {
        let duration = role.max_duration.unwrap_or_default();
        let (stage, stages) = match &*role.stages {
            [stage] => (Some(stage), &[][..]),
            stages => (None, stages),
        };
        Ok(Self {
            id: Some(role.id.parse().map_err(Error::internal)?),
            display_name: role.display_name.clone(),
            description: role.description.clone(),
            max_duration: duration.try_into().map_err(Error::internal)?,
            candidates: principals(&role.candidates)?,
            approval_required: role.approval_required,
            approvers: stage
                .map(|stage| principals(&stage.approvers))
                .transpose()?,
            required_approvals: stage.map(|stage| stage.required_approvals),
            stages: stages
                .iter()
                .map(Stage::try_from)
                .collect::<Result<_, _>>()?,
            auto_approve_owners: role.auto_approve_owners,
            pending_timeout: role
                .pending_timeout
                .map(Duration::try_from)
                .transpose()
                .map_err(Error::internal)?,
            available_from: role.available_from.clone(),
            available_to: role.available_to.clone(),
            justification_rule: role.justification_rule.clone().map(ReasonRule::from),
            decision_reason_rule: role.decision_reason_rule.clone().map(ReasonRule::from),
        })
    }
}

impl TryFrom<Entry> for v1::Role {
    type Error = Error;

    fn try_from(entry: Entry) -> Result<Self, Error> {
        let stage =
            (entry.approvers.is_some() || entry.required_approvals.is_some()).then(|| v1::Stage {
                approvers: entry
                    .approvers
                    .into_iter()
                    .flatten()
                    .map(v1::Principal::from)
                    .collect(),
                required_approvals: entry.required_approvals.unwrap_or_default(),
            });
        Ok(Self {
            id: entry.id.map(|id| id.to_string()).unwrap_or_default(),
            display_name: entry.display_name,
            description: entry.description,
            max_duration: Some(entry.max_duration.try_into().map_err(Error::internal)?),
            candidates: entry
                .candidates
                .into_iter()
                .map(v1::Principal::from)
                .collect(),
            approval_required: entry.approval_required,
            stages: stage
                .into_iter()
                .chain(entry.stages.into_iter().map(v1::Stage::from))
                .collect(),
            auto_approve_owners: entry.auto_approve_owners,
            pending_timeout: entry
                .pending_timeout
                .map(prost_types::Duration::try_from)
                .transpose()
                .map_err(Error::internal)?,
            available_from: entry.available_from,
            available_to: entry.available_to,
            justification_rule: entry.justification_rule.map(v1::ReasonRule::from),
            decision_reason_rule: entry.decision_reason_rule.map(v1::ReasonRule::from),
            ..Self::default()
        })
    }
}

impl TryFrom<&v1::Stage> for Stage {
    type Error = Error;

    fn try_from(stage: &v1::Stage) -> Result<Self, Error> {
        Ok(Self {
            approvers: principals(&stage.approvers)?,
            required_approvals: stage.required_approvals,
        })
    }
}

impl From<Stage> for v1::Stage {
    fn from(stage: Stage) -> Self {
        Self {
            approvers: stage
                .approvers
                .into_iter()
                .map(v1::Principal::from)
                .collect(),
            required_approvals: stage.required_approvals,
        }
    }
}

impl From<v1::ReasonRule> for ReasonRule {
    fn from(rule: v1::ReasonRule) -> Self {
        Self {
            required: rule.required,
            min_length: rule.min_length,
            pattern: rule.pattern,
        }
    }
}

impl From<ReasonRule> for v1::ReasonRule {
    fn from(rule: ReasonRule) -> Self {
        Self {
            required: rule.required,
            min_length: rule.min_length,
            pattern: rule.pattern,
        }
    }
}

impl From<Principal> for v1::Principal {
    fn from(principal: Principal) -> Self {
        let kind = match principal {
            Principal::Account(name) => v1::principal::Kind::Account(name),
            Principal::Group { group } => v1::principal::Kind::Group(group),
        };
        Self { kind: Some(kind) }
    }
}

fn principals(principals: &[v1::Principal]) -> Result<Vec<Principal>, Error> {
    let read = |principal: &v1::Principal| match principal.kind.clone() {
        Some(v1::principal::Kind::Account(name)) => Ok(Principal::Account(name)),
        Some(v1::principal::Kind::Group(group)) => Ok(Principal::Group { group }),
        None => Err(Error::internal(
            "the server returned a principal that is neither an account nor a group",
        )),
    };
    principals.iter().map(read).collect()
}

fn yes() -> bool {
    true
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Returns the maximum duration of a role in the form of a file.
pub(super) fn max_duration(role: &v1::Role) -> Result<String, Error> {
    let duration = role
        .max_duration
        .unwrap_or_default()
        .try_into()
        .map_err(Error::internal)?;
    duration::text(&duration).map_err(Error::internal)
}
