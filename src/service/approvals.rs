//! The operations on approvals.

use super::{Context, MOST_ATTEMPTS, Outcome, Service, Shown, contended, tells_unwritten_end};
use crate::domain::caller::Caller;
use crate::domain::decide::{Command, Facts, decide};
use crate::domain::elevation::{Elevation, Verdict};
use crate::domain::error::Error;
use crate::domain::explain::{Explanation, explain};
use crate::domain::id::ApprovalId;
use crate::domain::query::{ElevationField, Page, Query};
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::version::{Version, Versioned};
use crate::store::{Approver, ElevationKey, Key};
use crate::time::Clock;

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
            let read = self
                .store
                .elevation(ElevationKey::Approval(asked.approval))
                .await?;
            let read = read.ok_or(Refusal::AccessDenied)?;
            let now = self.time.deciding()?;
            let requester = self
                .directory
                .principals(&read.elevation.value.requester, now)
                .await?;
            let deciders = self.deciders(&read.elevation.value, now).await?;
            let facts = Facts {
                elevation: Some(&read.elevation.value),
                requester: &requester,
                deciders: &deciders,
                role: read.role.as_ref(),
                ..self.facts(caller, request)
            };
            let command = Command::Decide {
                verdict: asked.verdict,
                reason: asked.reason.clone(),
            };
            let decided = decide(&facts, command, now);
            if tells_unwritten_end(&decided, &read.elevation.value, now) {
                self.pass_time(read, now, request.deadline).await?;
                continue;
            }
            let reported = (
                Key::Elevation(read.elevation.value.id),
                read.elevation.version,
            );
            let confirmed = self
                .confirmed(decided, Some(reported), request.deadline)
                .await?;
            let Some(events) = confirmed else { continue };
            if events.is_empty() {
                return Ok(Shown {
                    elevation: read.elevation,
                    now,
                });
            }
            let role_version = read.role.map_or(Version::ABSENT, |role| role.version);
            let relied_on = (Key::Role(read.elevation.value.role), role_version);
            let outcome = Outcome {
                before: vec![read.elevation],
                relied_on: vec![relied_on],
                events,
                ..Outcome::default()
            };
            if let Some(elevation) = self.commit(outcome, request.deadline).await? {
                return Ok(Shown { elevation, now });
            }
        }
        Err(contended())
    }

    /// Explains an approval, as a decision of the caller would find it. `reason` is what that would come with.
    pub async fn explain_approval(
        &self,
        caller: &Caller,
        id: ApprovalId,
        reason: Option<String>,
        request: &Context,
    ) -> Result<Explanation, Error> {
        let read = self
            .store
            .elevation(ElevationKey::Approval(id))
            .await?
            .ok_or(Refusal::AccessDenied)?;
        let now = self.time.deciding()?;
        let elevation = &read.elevation.value;
        rights::reads_elevation(caller, elevation, read.role.as_ref())?;
        let requester = self.directory.principals(&elevation.requester, now).await?;
        let deciders = self.deciders(elevation, now).await?;
        let people = self
            .most_people(read.role.as_ref(), usize::MAX, now)
            .await?;
        let facts = Facts {
            elevation: Some(elevation),
            requester: &requester,
            deciders: &deciders,
            role: read.role.as_ref(),
            ..self.facts(caller, request)
        };
        Ok(explain(&facts, &people, reason.as_deref(), now)?)
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
        let now = self.time.now();
        let approver = Approver {
            account: caller.account.id,
            principals: caller.principals().iter().collect(),
        };
        self.store.pending_approvals(approver, query, now).await
    }

    /// Reads an elevation if the caller may.
    pub(super) async fn shown(&self, caller: &Caller, key: ElevationKey) -> Result<Shown, Error> {
        // Take the time before the read. Taken afterwards, an elevation that was closed in between would look expired.
        let now = self.time.now();
        let read = self
            .store
            .elevation(key)
            .await?
            .ok_or(Refusal::AccessDenied)?;
        rights::reads_elevation(caller, &read.elevation.value, read.role.as_ref())?;
        Ok(Shown {
            elevation: read.elevation,
            now,
        })
    }
}
