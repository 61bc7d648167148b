//! Where an approval stands and why, in the same terms by which it is decided.

use std::collections::HashSet;

use super::account::Principal;
use super::caller::Principals;
use super::decide::{Command, Facts, decide};
use super::elevation::{Approval, ApprovalStatus, Decision, Elevation, Status, Verdict};
use super::id::AccountId;
use super::moment::Moment;
use super::refusal::Refusal;
use super::rights;
use super::role::Role;
use super::stages::{Progress, Shortage, Stage, shortages};
use super::version::Versioned;

/// The people of each stage of a role that the directory knows of; `None` where it cannot tell how many there are.
pub type People = [Option<HashSet<AccountId>>];

/// Where an approval stands, for one caller.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Its status.
    pub status: ApprovalStatus,
    /// The stages of the role as it is now, in their order.
    pub stages: Vec<StageExplanation>,
    /// Whether the requester may hold the role still; without that nothing can be approved.
    pub requester_is_candidate: bool,
    /// Whether too few people are left to approve it.
    pub undecidable: bool,
    /// What the caller would be answered who approved it now.
    pub approve: Result<(), Refusal>,
    /// What the caller would be answered who rejected it now.
    pub reject: Result<(), Refusal>,
}

/// Where one stage stands.
#[derive(Clone, Debug)]
pub struct StageExplanation {
    /// Whether decisions are taken for it now.
    pub open: bool,
    /// How many distinct people have to approve.
    pub needed: u32,
    /// How many approvals are missing.
    pub missing: u32,
    /// The decisions that were made for it, with whether each of them counts.
    pub decisions: Vec<(Decision, bool)>,
    /// Whom the role names that could still decide; `None` when the caller may not know.
    pub deciders: Option<Vec<Principal>>,
    /// How many people that are, by the directory; `None` when it cannot tell.
    pub people: Option<u32>,
    /// Whether too few people are left for it.
    pub short: bool,
}

impl StageExplanation {
    /// The rule of the stage, in words.
    pub fn rule(&self) -> String {
        let who = if self.needed == 1 {
            "One of its approvers has".to_owned()
        } else {
            format!("{} of its approvers have", self.needed)
        };
        format!(
            "{who} to approve, each of them an approver still and never who asked; one person counts once over all stages."
        )
    }
}

/// Explains an approval to somebody who may read it. `reason` is what a decision would come with.
pub fn explain(
    facts: &Facts<'_>,
    people: &People,
    reason: Option<&str>,
    now: Moment,
) -> Result<Explanation, Refusal> {
    let elevation = facts.elevation.ok_or(Refusal::AccessDenied)?;
    rights::reads_elevation(facts.caller, elevation, facts.role)?;
    let (Some(approval), Some(status)) = (&elevation.approval, elevation.approval_status(now)) else {
        return Err(Refusal::AccessDenied);
    };
    let would = |verdict| {
        let reason = reason.map(str::to_owned);
        decide(facts, Command::Decide { verdict, reason }, now).map(drop)
    };
    let role = facts.role.map(|role| &role.value);
    let stages = role.map_or_else(Vec::new, |role| {
        Stages { facts, elevation, approval, role, people, pending: status == ApprovalStatus::Pending }
            .explained()
    });
    Ok(Explanation {
        status,
        requester_is_candidate: rights::requests(facts.requester, role).is_ok(),
        undecidable: is_undecidable(elevation, facts.role, facts.deciders, people, now),
        stages,
        approve: would(Verdict::Approve),
        reject: would(Verdict::Reject),
    })
}

/// Whether an elevation waits for approval and too few people are left to give it. `deciders` are as in
/// [`Facts::deciders`].
pub fn is_undecidable(
    elevation: &Elevation,
    role: Option<&Versioned<Role>>,
    deciders: &[Principals],
    people: &People,
    now: Moment,
) -> bool {
    let Some(approval) =
        elevation.approval.as_ref().filter(|_| elevation.status(now) == Status::PendingApproval)
    else {
        return false;
    };
    let Some(role) = role.filter(|role| !role.value.stages.is_empty()) else { return true };
    let progress = Progress::of(&role.value.stages, approval, deciders, elevation.requester.id);
    let left = left(people, elevation, approval);
    !shortages(&progress.wanted(approval.stage), &left).is_empty()
}

/// The stages of a role for which the directory knows too few people, whoever asks.
pub fn role_shortages(role: &Role, people: &People) -> Vec<Shortage> {
    let needed: Vec<u32> = role.stages.iter().map(|stage| stage.needed).collect();
    shortages(&needed, people)
}

/// The people who could still decide: without who asked, and without those who have decided.
fn left(people: &People, elevation: &Elevation, approval: &Approval) -> Vec<Option<HashSet<AccountId>>> {
    let is_left = |id: &AccountId| *id != elevation.requester.id && !has_decided(approval, *id);
    let of_stage = |known: &HashSet<AccountId>| known.iter().copied().filter(is_left).collect();
    people.iter().map(|known| known.as_ref().map(of_stage)).collect()
}

fn has_decided(approval: &Approval, id: AccountId) -> bool {
    approval.decisions.iter().any(|decision| decision.approver.id == id)
}

struct Stages<'a> {
    facts: &'a Facts<'a>,
    elevation: &'a Elevation,
    approval: &'a Approval,
    role: &'a Role,
    people: &'a People,
    pending: bool,
}

impl Stages<'_> {
    fn explained(&self) -> Vec<StageExplanation> {
        let Self { facts, elevation, approval, role, people, pending } = *self;
        let progress = Progress::of(&role.stages, approval, facts.deciders, elevation.requester.id);
        let left = left(people, elevation, approval);
        let short = if pending { shortages(&progress.wanted(approval.stage), &left) } else { Vec::new() };
        let knows = rights::reads_role(facts.caller, role).is_ok();
        let explained = |(index, stage): (usize, &Stage)| {
            let open = pending && progress.takes(index, approval.stage);
            let missing = progress.missing().get(index).copied().unwrap_or_default();
            let known = left.get(index).and_then(Option::as_ref).filter(|_| open);
            StageExplanation {
                open,
                needed: stage.needed,
                missing,
                decisions: self.decisions(index, stage),
                deciders: knows.then(|| self.deciders(stage, open)),
                people: known.map(|known| u32::try_from(known.len()).unwrap_or(u32::MAX)),
                short: short.iter().any(|shortage| shortage.stage == index),
            }
        };
        role.stages.iter().enumerate().map(explained).collect()
    }

    fn decisions(&self, index: usize, stage: &Stage) -> Vec<(Decision, bool)> {
        let with_decider = self.approval.decisions.iter().zip(self.facts.deciders);
        let of_stage = with_decider.filter(|(decision, _)| decision.stage == index);
        let requester = self.elevation.requester.id;
        of_stage
            .map(|(decision, decider)| (decision.clone(), stage.counts(decision, decider, requester)))
            .collect()
    }

    fn deciders(&self, stage: &Stage, open: bool) -> Vec<Principal> {
        let could = |principal: &&Principal| match principal {
            Principal::Account(account) => {
                account.id != self.elevation.requester.id && !has_decided(self.approval, account.id)
            }
            Principal::Group(_) => true,
        };
        stage.approvers.iter().filter(|_| open).filter(could).cloned().collect()
    }
}
