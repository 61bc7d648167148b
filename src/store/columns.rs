//! The columns that hold lists, as JSON; the same in every backend.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::account::{Account, Group, Principal};
use crate::domain::approval::{Decision, Verdict};
use crate::domain::error::Error;
use crate::domain::event::Channel;
use crate::domain::id::{AccountId, PrincipalId};
use crate::domain::moment::{Moment, Seconds};
use crate::domain::reason::{Pattern, ReasonRule};
use crate::domain::role::{Role, Rules};
use crate::domain::stages::Stage;
use crate::domain::window::{TimeOfDay, Window};

/// Returns the JSON of a list of principals.
pub(super) fn principals_to_json(principals: &[Principal]) -> String {
    to_json(principals.iter().map(PrincipalColumn::from))
}

/// Reads the principals of a JSON column.
pub(super) fn principals_from_json(json: &str) -> Result<Vec<Principal>, Error> {
    let columns: Vec<PrincipalColumn> = serde_json::from_str(json).map_err(Error::internal)?;
    Ok(columns.into_iter().map(Principal::from).collect())
}

/// A principal that a role names, as the index of names stores it.
pub(super) struct RolePrincipal {
    pub(super) principal: PrincipalId,
    pub(super) part: &'static str,
    /// 0 for a candidate.
    pub(super) stage: i64,
}

/// Returns all principals that a role names.
pub(super) fn named(role: &Role) -> impl Iterator<Item = RolePrincipal> {
    let of = |part, stage| {
        move |principal: &Principal| RolePrincipal {
            principal: principal.id(),
            part,
            stage,
        }
    };
    let approvers = (0..).zip(&role.stages);
    let approvers =
        approvers.flat_map(move |(index, stage)| stage.approvers.iter().map(of("approver", index)));
    role.candidates
        .iter()
        .map(of("candidate", 0))
        .chain(approvers)
}

/// Returns the JSON of the stages of a role.
pub(super) fn stages_to_json(stages: &[Stage]) -> String {
    to_json(stages.iter().map(StageColumn::from))
}

/// Reads the stages of a JSON column.
pub(super) fn stages_from_json(json: &str) -> Result<Vec<Stage>, Error> {
    let columns: Vec<StageColumn> = serde_json::from_str(json).map_err(Error::internal)?;
    Ok(columns.into_iter().map(Stage::from).collect())
}

/// Returns the JSON of the rules of a role, except for its window, which has columns of its own.
pub(super) fn rules_to_json(rules: &Rules) -> String {
    let column = RulesColumn {
        auto_approve_owners: rules.auto_approve_owners,
        pending_timeout: rules.pending_timeout.map(Seconds::seconds),
        justification: (&rules.justification).into(),
        decision_reason: (&rules.decision_reason).into(),
    };
    serde_json::to_string(&column).expect("rules are plain structs, which always print as JSON")
}

/// Reads the rules of a role from a JSON column and the two columns of its window.
pub(super) fn rules_from_columns(json: &str, from: &str, to: &str) -> Result<Rules, Error> {
    let column: RulesColumn = serde_json::from_str(json).map_err(Error::internal)?;
    Ok(Rules {
        auto_approve_owners: column.auto_approve_owners,
        pending_timeout: column.pending_timeout.map(Seconds::new).transpose()?,
        window: Window::read(from, to)?,
        justification: column.justification.into(),
        decision_reason: column.decision_reason.into(),
    })
}

/// Returns the stored form of a time of day, or of none.
pub(super) fn time_of_day(time: Option<TimeOfDay>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}

/// Returns the JSON of the decisions on an approval.
pub(super) fn decisions_to_json(decisions: &[Decision]) -> String {
    to_json(decisions.iter().map(DecisionColumn::from))
}

/// Reads the decisions of a JSON column.
pub(super) fn decisions_from_json(json: &str) -> Result<Vec<Decision>, Error> {
    let columns: Vec<DecisionColumn> = serde_json::from_str(json).map_err(Error::internal)?;
    columns.into_iter().map(Decision::try_from).collect()
}

/// Returns the stored form of a verdict.
pub(super) fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "approve",
        Verdict::Reject => "reject",
    }
}

/// Returns the verdict with that name.
pub(super) fn verdict_named(name: &str) -> Result<Verdict, Error> {
    match name {
        "approve" => Ok(Verdict::Approve),
        "reject" => Ok(Verdict::Reject),
        _ => Err(Error::internal("the store holds an unknown verdict")),
    }
}

/// Returns the stored form of a channel.
pub(super) fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Grpc => "grpc",
        Channel::PamWebApi => "pam_web_api",
    }
}

/// Returns the channel with that name.
pub(super) fn channel_named(name: &str) -> Result<Channel, Error> {
    match name {
        "grpc" => Ok(Channel::Grpc),
        "pam_web_api" => Ok(Channel::PamWebApi),
        _ => Err(Error::internal("the store holds an unknown channel")),
    }
}

#[derive(Deserialize, Serialize)]
struct PrincipalColumn {
    id: Uuid,
    name: String,
    group: bool,
}

#[derive(Deserialize, Serialize)]
struct StageColumn {
    approvers: Vec<PrincipalColumn>,
    required_approvals: u32,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct RulesColumn {
    auto_approve_owners: bool,
    pending_timeout: Option<i64>,
    justification: ReasonColumn,
    decision_reason: ReasonColumn,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct ReasonColumn {
    required: bool,
    min_length: u32,
    pattern: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct DecisionColumn {
    approver: Uuid,
    name: String,
    #[serde(default)]
    stage: usize,
    verdict: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    at: i64,
}

impl From<&Principal> for PrincipalColumn {
    fn from(principal: &Principal) -> Self {
        let (name, group) = match principal {
            Principal::Account(account) => (account.name.clone(), false),
            Principal::Group(group) => (group.name.clone(), true),
        };
        Self {
            id: principal.id().0,
            name,
            group,
        }
    }
}

impl From<PrincipalColumn> for Principal {
    fn from(column: PrincipalColumn) -> Self {
        if column.group {
            Self::Group(Group {
                id: PrincipalId(column.id),
                name: column.name,
            })
        } else {
            Self::Account(Account {
                id: AccountId(column.id),
                name: column.name,
            })
        }
    }
}

impl From<&Stage> for StageColumn {
    fn from(stage: &Stage) -> Self {
        Self {
            approvers: stage.approvers.iter().map(PrincipalColumn::from).collect(),
            required_approvals: stage.required_approvals,
        }
    }
}

impl From<StageColumn> for Stage {
    fn from(column: StageColumn) -> Self {
        Self {
            approvers: column.approvers.into_iter().map(Principal::from).collect(),
            required_approvals: column.required_approvals,
        }
    }
}

impl From<ReasonColumn> for ReasonRule {
    fn from(column: ReasonColumn) -> Self {
        let pattern = column.pattern.and_then(Pattern::stored);
        Self {
            required: column.required,
            min_length: column.min_length,
            pattern,
        }
    }
}

impl From<&ReasonRule> for ReasonColumn {
    fn from(rule: &ReasonRule) -> Self {
        let pattern = rule
            .pattern
            .as_ref()
            .map(|pattern| pattern.as_str().to_owned());
        Self {
            required: rule.required,
            min_length: rule.min_length,
            pattern,
        }
    }
}

impl From<&Decision> for DecisionColumn {
    fn from(decision: &Decision) -> Self {
        Self {
            approver: decision.approver.id.0,
            name: decision.approver.name.clone(),
            stage: decision.stage,
            verdict: verdict_name(decision.verdict).to_owned(),
            reason: decision.reason.clone(),
            at: decision.decide_time.ticks(),
        }
    }
}

impl TryFrom<DecisionColumn> for Decision {
    type Error = Error;

    fn try_from(column: DecisionColumn) -> Result<Self, Error> {
        Ok(Self {
            approver: Account {
                id: AccountId(column.approver),
                name: column.name,
            },
            stage: column.stage,
            verdict: verdict_named(&column.verdict)?,
            reason: column.reason,
            decide_time: Moment::from_ticks(column.at),
        })
    }
}

fn to_json<T: Serialize>(columns: impl Iterator<Item = T>) -> String {
    let columns: Vec<T> = columns.collect();
    serde_json::to_string(&columns).expect("columns are plain structs, which always print as JSON")
}
