//! The columns that hold lists, as JSON; the same in every backend.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::account::{Account, Group, Principal};
use crate::domain::elevation::{Decision, Verdict};
use crate::domain::error::Error;
use crate::domain::event::Channel;
use crate::domain::id::{AccountId, PrincipalId};
use crate::domain::moment::Moment;

/// The JSON of a list of principals.
pub(super) fn principals_to_json(principals: &[Principal]) -> String {
    to_json(principals.iter().map(PrincipalColumn::from))
}

/// The principals of a JSON column.
pub(super) fn principals_from_json(json: &str) -> Result<Vec<Principal>, Error> {
    let columns: Vec<PrincipalColumn> = serde_json::from_str(json).map_err(Error::internal)?;
    Ok(columns.into_iter().map(Principal::from).collect())
}

/// The JSON of the decisions on an approval.
pub(super) fn decisions_to_json(decisions: &[Decision]) -> String {
    to_json(decisions.iter().map(DecisionColumn::from))
}

/// The decisions of a JSON column.
pub(super) fn decisions_from_json(json: &str) -> Result<Vec<Decision>, Error> {
    let columns: Vec<DecisionColumn> = serde_json::from_str(json).map_err(Error::internal)?;
    columns.into_iter().map(Decision::try_from).collect()
}

/// A verdict as the store holds it.
pub(super) fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "approve",
        Verdict::Reject => "reject",
    }
}

/// The verdict of that name.
pub(super) fn verdict_named(name: &str) -> Result<Verdict, Error> {
    match name {
        "approve" => Ok(Verdict::Approve),
        "reject" => Ok(Verdict::Reject),
        _ => Err(Error::internal("the store holds an unknown verdict")),
    }
}

/// A channel as the store holds it.
pub(super) fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Grpc => "grpc",
        Channel::PamWebApi => "pam_web_api",
    }
}

/// The channel of that name.
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
struct DecisionColumn {
    approver: Uuid,
    name: String,
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
        Self { id: principal.id().0, name, group }
    }
}

impl From<PrincipalColumn> for Principal {
    fn from(column: PrincipalColumn) -> Self {
        if column.group {
            Self::Group(Group { id: PrincipalId(column.id), name: column.name })
        } else {
            Self::Account(Account { id: AccountId(column.id), name: column.name })
        }
    }
}

impl From<&Decision> for DecisionColumn {
    fn from(decision: &Decision) -> Self {
        Self {
            approver: decision.approver.id.0,
            name: decision.approver.name.clone(),
            verdict: verdict_name(decision.verdict).to_owned(),
            reason: decision.reason.clone(),
            at: decision.decided_at.ticks(),
        }
    }
}

impl TryFrom<DecisionColumn> for Decision {
    type Error = Error;

    fn try_from(column: DecisionColumn) -> Result<Self, Error> {
        Ok(Self {
            approver: Account { id: AccountId(column.approver), name: column.name },
            verdict: verdict_named(&column.verdict)?,
            reason: column.reason,
            decided_at: Moment::from_ticks(column.at),
        })
    }
}

fn to_json<T: Serialize>(columns: impl Iterator<Item = T>) -> String {
    let columns: Vec<T> = columns.collect();
    serde_json::to_string(&columns).expect("columns are plain structs, which always print as JSON")
}
