//! The operations on approvals.

use super::attempt::until_settled;
use super::shared::{Context, ElevationView, Service};
use crate::domain::approval::Verdict;
use crate::domain::caller::Caller;
use crate::domain::decide::{self, ApprovalFacts};
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::explain::{Explanation, explain};
use crate::domain::id::ApprovalId;
use crate::domain::query::{ElevationField, Page, Query};
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::version::{Version, Versioned};
use crate::store::{Approver, ElevationKey, Key};
use crate::time::Clock;

/// An approver's decision to carry out.
#[derive(Clone, Debug)]
pub struct ApprovalDecision {
    /// The approval to decide.
    pub approval: ApprovalId,
    /// Whether to approve or to reject.
    pub verdict: Verdict,
    /// The reason, if the approver gives one.
    pub reason: Option<String>,
}

impl Service {
    /// Decides an approval, and returns it as decided. See the rpcs Approve and Reject.
    ///
    /// # Errors
    ///
    /// `AccessDenied` if there is none or the caller may not decide it. `ApprovalNotPending` or `AlreadyDecided` if it
    /// is too late; both are durable when they are returned.
    pub async fn decide_approval(
        &self,
        caller: &Caller,
        decision: ApprovalDecision,
        context: &Context,
    ) -> Result<ElevationView, Error> {
        until_settled(|| self.try_to_decide(caller, &decision, context)).await
    }

    /// Decides once; `None` if the elevation or its role has changed meanwhile.
    async fn try_to_decide(
        &self,
        caller: &Caller,
        decision: &ApprovalDecision,
        context: &Context,
    ) -> Result<Option<ElevationView>, Error> {
        let key = ElevationKey::Approval(decision.approval);
        let read = self.store.elevation(key).await?;
        let read = read.ok_or(Refusal::AccessDenied)?;
        let elevation = &read.elevation.value;
        let now = self.time.deciding()?;
        let requester = self.directory.principals(&elevation.requester, now).await?;
        let deciders = self.deciders(elevation, now).await?;
        let facts = ApprovalFacts {
            call: context.call(caller),
            elevation,
            role: read.role.as_deref(),
            requester: &requester,
            deciders: &deciders,
        };
        let ruling = decide::approval(&facts, decision.verdict, decision.reason.as_deref(), now);
        let role_version = match &read.role {
            Some(role) => role.version,
            None => Version::ABSENT,
        };
        let relied_on = vec![(Key::Role(elevation.role), role_version)];
        self.settle(read, relied_on, ruling, now, context.deadline)
            .await
    }

    /// Explains an approval, as a decision of the caller with that `reason` would find it.
    ///
    /// # Errors
    ///
    /// `AccessDenied` if there is none or the caller may not read it.
    pub async fn explain_approval(
        &self,
        caller: &Caller,
        id: ApprovalId,
        reason: Option<String>,
        context: &Context,
    ) -> Result<Explanation, Error> {
        let read = self.store.elevation(ElevationKey::Approval(id)).await?;
        let read = read.ok_or(Refusal::AccessDenied)?;
        let now = self.time.deciding()?;
        let elevation = &read.elevation.value;
        rights::reads_elevation(caller, elevation, read.role.as_deref())?;
        let requester = self.directory.principals(&elevation.requester, now).await?;
        let deciders = self.deciders(elevation, now).await?;
        let people = self
            .most_people(read.role.as_deref(), usize::MAX, now)
            .await?;
        let facts = ApprovalFacts {
            call: context.call(caller),
            elevation,
            role: read.role.as_deref(),
            requester: &requester,
            deciders: &deciders,
        };
        Ok(explain(&facts, &people, reason.as_deref(), now)?)
    }

    /// Reads one approval, with its elevation.
    ///
    /// # Errors
    ///
    /// `AccessDenied` if there is none or the caller may not read it.
    pub async fn approval(&self, caller: &Caller, id: ApprovalId) -> Result<ElevationView, Error> {
        // Taken before the read. Taken afterwards, an elevation that was closed in between would look expired.
        let now = self.time.now();
        let read = self.store.elevation(ElevationKey::Approval(id)).await?;
        let read = read.ok_or(Refusal::AccessDenied)?;
        rights::reads_elevation(caller, &read.elevation.value, read.role.as_deref())?;
        Ok(ElevationView {
            elevation: read.elevation,
            now,
        })
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
}
