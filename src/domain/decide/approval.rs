//! Deciding an approval.

use super::call::Call;
use super::ruling::{Ruling, begin, check_reason};
use crate::domain::approval::{Approval, Verdict};
use crate::domain::caller::Principals;
use crate::domain::elevation::Elevation;
use crate::domain::event::{Decided, Fact};
use crate::domain::moment::Moment;
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::role::Role;
use crate::domain::stages::Progress;
use crate::domain::status::ApprovalStatus;
use crate::domain::version::Versioned;

/// The facts that the decision of an approval relies on.
#[derive(Clone, Copy, Debug)]
pub struct ApprovalFacts<'a> {
    /// The call of the approver.
    pub call: Call<'a>,
    /// The elevation, with its approval.
    pub elevation: &'a Elevation,
    /// The role of the elevation as it is now; `None` if it was deleted.
    pub role: Option<&'a Versioned<Role>>,
    /// The principals of the requester, by the directory, now.
    pub requester: &'a Principals,
    /// The principals of each person who has decided the approval, by the directory, now, in the order of the
    /// decisions.
    pub deciders: &'a [Principals],
}

/// Decides whether the caller approves or rejects at `now`.
///
/// # Errors
///
/// `AccessDenied` if the caller may not decide it. `AlreadyDecided` or `ApprovalNotPending` if it is too late.
/// `StageNotOpen`, `ReasonNotAccepted` or `RequesterNotCandidate` by the rules of the role.
pub fn approval(
    facts: &ApprovalFacts<'_>,
    verdict: Verdict,
    reason: Option<&str>,
    now: Moment,
) -> Result<Ruling, Refusal> {
    let ApprovalFacts {
        call, elevation, ..
    } = facts;
    let role = rights::decides(call.caller, elevation, facts.role)?;
    let approval = elevation.approval.as_ref().ok_or(Refusal::AccessDenied)?;
    if is_repeated(facts, approval, verdict, now)? {
        return Ok(Ruling::AlreadySo);
    }
    let stages = &role.value.stages;
    let progress = Progress::of(stages, approval, facts.deciders, elevation.requester.id);
    let principals = call.caller.principals();
    let (stage, via) = progress
        .stage_of(stages, approval.stage, principals)
        .ok_or(Refusal::StageNotOpen)?;
    check_reason(&role.value.rules.decision_reason, reason)?;
    let decided = Decided {
        reason: reason.map(str::to_owned),
        role_revision: role.version.0,
        requester_via: None,
        stage,
        open_stage: approval.stage,
    };
    let happened = match verdict {
        Verdict::Reject => vec![Fact::Rejected(decided)],
        Verdict::Approve => approve(facts, role, decided, &progress.and_approved(stage), now)?,
    };
    let events = happened
        .into_iter()
        .map(|fact| call.event(elevation.id, Some(via), now, fact));
    Ok(Ruling::Happened(events.collect()))
}

/// Returns whether the caller has decided the same before. Refuses a caller who has decided the other way. Refuses
/// every caller once the approval is no longer pending.
fn is_repeated(
    facts: &ApprovalFacts<'_>,
    approval: &Approval,
    verdict: Verdict,
    now: Moment,
) -> Result<bool, Refusal> {
    let own = approval.decision_of(facts.call.caller.account.id);
    if own.is_some_and(|own| own.verdict == verdict) {
        return Ok(true);
    }
    match facts.elevation.approval_status_at(now) {
        Some(ApprovalStatus::Pending) if own.is_some() => Err(Refusal::AlreadyDecided),
        Some(ApprovalStatus::Pending) => Ok(false),
        Some(status) => Err(Refusal::ApprovalNotPending(status)),
        None => Err(Refusal::AccessDenied),
    }
}

/// Returns the approval. If no other approval is missing, returns the beginning too. `progress` includes the approval.
fn approve(
    facts: &ApprovalFacts<'_>,
    role: &Versioned<Role>,
    decided: Decided,
    progress: &Progress,
    now: Moment,
) -> Result<Vec<Fact>, Refusal> {
    let Ok(candidate) = rights::requests(facts.requester, &role.value) else {
        return Err(Refusal::RequesterNotCandidate);
    };
    let open = progress.open();
    let mut happened = vec![Fact::Approved(Decided {
        requester_via: Some(candidate.clone()),
        open_stage: open.unwrap_or(decided.stage),
        ..decided
    })];
    if open.is_none() {
        let Elevation {
            requested_start_time: start,
            duration,
            ..
        } = *facts.elevation;
        happened.push(begin(start, duration, role, candidate, now));
    }
    Ok(happened)
}
