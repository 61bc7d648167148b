//! Deciding an approval.

use super::{Facts, begin, events};
use crate::domain::account::Account;
use crate::domain::elevation::{Approval, ApprovalStatus, Elevation, Verdict};
use crate::domain::event::{Decided, Event, Fact};
use crate::domain::moment::Moment;
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::role::Role;
use crate::domain::stages::Progress;
use crate::domain::version::Versioned;

pub(super) fn decide(
    facts: &Facts<'_>,
    verdict: Verdict,
    reason: Option<String>,
    now: Moment,
) -> Result<Vec<Event>, Refusal> {
    let elevation = facts.elevation.ok_or(Refusal::AccessDenied)?;
    let role = rights::decides(facts.caller, elevation, facts.role)?;
    let approval = elevation.approval.as_ref().ok_or(Refusal::AccessDenied)?;
    if repeats(elevation, approval, &facts.caller.account, verdict, now)? {
        return Ok(Vec::new());
    }
    let progress = Progress::of(
        &role.value.stages,
        approval,
        facts.deciders,
        elevation.requester.id,
    );
    let stage = progress.stage_of(
        &role.value.stages,
        approval.stage,
        facts.caller.principals(),
    );
    let (stage, via) = stage.ok_or(Refusal::StageNotOpen)?;
    role.value.rules.decision_reason.allows(reason.as_deref())?;
    let decided = Decided {
        reason,
        role_revision: facts.role_revision(),
        requester_via: None,
        stage,
        open_stage: approval.stage,
    };
    let happened = match verdict {
        Verdict::Reject => [Some(Fact::Rejected(decided)), None],
        Verdict::Approve => approve(
            elevation,
            role,
            decided,
            &progress.and_approved(stage),
            facts,
            now,
        )?,
    };
    Ok(events(
        elevation.id,
        now,
        Some(&facts.actor(Some(via))),
        happened,
    ))
}

/// Whether the caller has decided the same before. Whatever else is in the way is refused.
fn repeats(
    elevation: &Elevation,
    approval: &Approval,
    caller: &Account,
    verdict: Verdict,
    now: Moment,
) -> Result<bool, Refusal> {
    let own = approval
        .decisions
        .iter()
        .find(|decision| decision.approver.id == caller.id);
    let own = own.map(|decision| decision.verdict);
    match elevation.approval_status(now) {
        _ if own == Some(verdict) => Ok(true),
        Some(ApprovalStatus::Pending) if own.is_some() => Err(Refusal::AlreadyDecided),
        Some(ApprovalStatus::Pending) => Ok(false),
        Some(status) => Err(Refusal::ApprovalNotPending(status)),
        None => Err(Refusal::AccessDenied),
    }
}

/// The approval, and what follows when nothing is missing any more. `progress` is how far the approval is with it.
fn approve(
    elevation: &Elevation,
    role: &Versioned<Role>,
    decided: Decided,
    progress: &Progress,
    facts: &Facts<'_>,
    now: Moment,
) -> Result<[Option<Fact>; 2], Refusal> {
    let candidate = rights::requests(facts.requester, Some(&role.value));
    let candidate = candidate.map_err(|_| Refusal::RequesterNotCandidate)?;
    let open = progress.open();
    let approved = Fact::Approved(Decided {
        requester_via: Some(candidate.clone()),
        open_stage: open.unwrap_or(decided.stage),
        ..decided
    });
    let begun = match open {
        Some(_) => None,
        None => Some(begin(
            elevation.requested_start_time,
            elevation.duration,
            role,
            candidate,
            now,
        )),
    };
    Ok([Some(approved), begun])
}
