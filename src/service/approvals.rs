//! The operations on approvals.

use super::{Context, MOST_ATTEMPTS, Outcome, Service, Shown, check_snapshot, contended};
use crate::domain::caller::Caller;
use crate::domain::decide::{Command, Facts, Refusal, decide};
use crate::domain::elevation::{Decision, Elevation, Verdict};
use crate::domain::error::Error;
use crate::domain::id::{AccountId, ApprovalId};
use crate::domain::moment::Moment;
use crate::domain::query::{ElevationField, Page, Query};
use crate::domain::rights;
use crate::domain::version::{Version, Versioned};
use crate::store::{Approver, ElevationKey, ElevationRead, Key};

/// One approver's decision, as it is asked for.
#[derive(Clone, Debug)]
pub struct ApprovalDecision {
    /// What is decided.
    pub approval: ApprovalId,
    /// Which way.
    pub verdict: Verdict,
    /// Why, where a reason is given.
    pub reason: Option<String>,
}

impl Service {
    /// Decides an approval; answers it as decided. See the rpcs Approve and Reject.
    pub async fn decide_approval(
        &self,
        caller: &Caller,
        asked: ApprovalDecision,
        request: &Context,
    ) -> Result<Shown, Error> {
        for _ in 0..MOST_ATTEMPTS {
            let read = self.store.elevation(ElevationKey::Approval(asked.approval)).await?;
            let read = read.ok_or(Refusal::AccessDenied)?;
            let now = self.clock.now();
            let requester = self.directory.principals(&read.elevation.value.requester, now).await?;
            let standing = self.standing(&read, now).await?;
            let facts = Facts {
                elevation: Some(&read.elevation.value),
                requester: &requester,
                standing: &standing,
                role: read.role.as_ref(),
                ..self.facts(caller, request)
            };
            let command = Command::Decide { verdict: asked.verdict, reason: asked.reason.clone() };
            let events = decide(&facts, command, now)?;
            if events.is_empty() {
                return Ok(Shown { elevation: read.elevation, now });
            }
            let role_version = read.role.map_or(Version::ABSENT, |role| role.version);
            let relied_on = (Key::Role(read.elevation.value.role), role_version);
            let outcome = Outcome {
                before: vec![read.elevation],
                relied_on: vec![relied_on],
                events,
                ..Outcome::default()
            };
            if let Some(elevation) = self.commit(outcome, request).await? {
                return Ok(Shown { elevation, now });
            }
        }
        Err(contended())
    }

    /// Those who have decided already and still are approvers.
    async fn standing(&self, read: &ElevationRead, now: Moment) -> Result<Vec<AccountId>, Error> {
        let (Some(approval), Some(role)) = (&read.elevation.value.approval, &read.role) else {
            return Ok(Vec::new());
        };
        let mut standing = Vec::new();
        for Decision { approver, .. } in &approval.decisions {
            let principals = self.directory.principals(approver, now).await?;
            if role.value.approver(&principals).is_some() {
                standing.push(approver.id);
            }
        }
        Ok(standing)
    }

    /// Reads one approval, with its elevation.
    pub async fn approval(&self, caller: &Caller, id: ApprovalId) -> Result<Shown, Error> {
        self.shown(caller, ElevationKey::Approval(id)).await
    }

    /// Lists the pending approvals that the caller may decide.
    pub async fn pending_approvals(
        &self,
        caller: &Caller,
        query: Query<ElevationField>,
    ) -> Result<Page<Versioned<Elevation>>, Error> {
        let now = self.clock.now();
        check_snapshot(&query, now)?;
        let approver =
            Approver { account: caller.account.id, principals: caller.principals().iter().collect() };
        self.store.pending_approvals(approver, query, now).await
    }

    /// Reads an elevation for somebody who may.
    pub(super) async fn shown(&self, caller: &Caller, key: ElevationKey) -> Result<Shown, Error> {
        let read = self.store.elevation(key).await?.ok_or(Refusal::AccessDenied)?;
        rights::reads_elevation(caller, &read.elevation.value, read.role.as_ref().map(|role| &role.value))?;
        Ok(Shown { elevation: read.elevation, now: self.clock.now() })
    }
}
