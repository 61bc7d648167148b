//! Explanations of approvals, by the same rules that decide them.

use std::collections::HashSet;

use super::account::Principal;
use super::approval::{Approval, Decision, Verdict};
use super::caller::Principals;
use super::decide::{self, ApprovalFacts};
use super::elevation::Elevation;
use super::id::AccountId;
use super::moment::Moment;
use super::people::StagePeople;
use super::refusal::Refusal;
use super::rights;
use super::role::Role;
use super::shortage::{Shortage, shortages, shortages_for_all};
use super::stages::{Progress, Stage};
use super::status::{ApprovalStatus, Status};
use super::version::Versioned;

/// The explanation of an approval for one caller.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Its status.
    pub status: ApprovalStatus,
    /// The stages of the role as it is now, in their order.
    pub stages: Vec<StageExplanation>,
    /// Whether the requester may still hold the role. Otherwise the approval can only be rejected.
    pub requester_is_candidate: bool,
    /// Whether too few people are left to approve it.
    pub undecidable: bool,
    /// Whether the caller is the requester, and so never decides.
    pub caller_is_requester: bool,
    /// The result of an approval by the caller now.
    pub approve: Result<(), Refusal>,
    /// The result of a rejection by the caller now.
    pub reject: Result<(), Refusal>,
}

/// The explanation of one stage.
#[derive(Clone, Debug)]
pub struct StageExplanation {
    /// Whether decisions are taken for it now.
    pub open: bool,
    /// The number of distinct people required to approve.
    pub required_approvals: u32,
    /// The number of missing approvals.
    pub missing: u32,
    /// The decisions that were made for it.
    pub decisions: Vec<CountedDecision>,
    /// The approvers that the role names and that can still decide; `None` if the caller may not read the role.
    pub deciders: Option<Vec<Principal>>,
    /// The number of people among the approvers, by the directory; `None` if it is unknown or the stage is not open.
    pub people: Option<u32>,
    /// Whether too few people are left for it.
    pub insufficient: bool,
}

/// A decision, and whether it counts.
#[derive(Clone, Debug)]
pub struct CountedDecision {
    /// The decision.
    pub decision: Decision,
    /// Whether it counts: it approves, and its stage still names the approver, and that is not the requester.
    pub counts: bool,
}

impl StageExplanation {
    /// Returns the rule of the stage in words.
    pub fn rule(&self) -> String {
        let approvers = if self.required_approvals == 1 {
            "One of its approvers has".to_owned()
        } else {
            format!("{} of its approvers have", self.required_approvals)
        };
        format!(
            "{approvers} to approve. Each must still be an approver and must not be the requester. One person counts once over \
             all stages."
        )
    }
}

/// Explains an approval to a caller who may read it. `reason` is the reason that a decision would have.
pub fn explain(
    facts: &ApprovalFacts<'_>,
    people: &StagePeople,
    reason: Option<&str>,
    now: Moment,
) -> Result<Explanation, Refusal> {
    let ApprovalFacts {
        call, elevation, ..
    } = facts;
    rights::reads_elevation(call.caller, elevation, facts.role)?;
    let (Some(approval), Some(status)) = (&elevation.approval, elevation.approval_status_at(now))
    else {
        return Err(Refusal::AccessDenied);
    };
    let role = facts.role.map(|role| &role.value);
    let stages = match role {
        Some(role) => {
            let pending = status == ApprovalStatus::Pending;
            explain_stages(facts, approval, role, people, pending)
        }
        None => Vec::new(),
    };
    Ok(Explanation {
        status,
        requester_is_candidate: role
            .is_some_and(|role| rights::requests(facts.requester, role).is_ok()),
        caller_is_requester: call.caller.account.id == elevation.requester.id,
        undecidable: is_undecidable(elevation, facts.role, facts.deciders, people, now),
        stages,
        approve: decide::approval(facts, Verdict::Approve, reason, now).map(drop),
        reject: decide::approval(facts, Verdict::Reject, reason, now).map(drop),
    })
}

/// Returns whether an elevation waits for approval and too few people are left to approve it. `deciders` are as in
/// [`ApprovalFacts::deciders`].
pub fn is_undecidable(
    elevation: &Elevation,
    role: Option<&Versioned<Role>>,
    deciders: &[Principals],
    people: &StagePeople,
    now: Moment,
) -> bool {
    let Some(approval) = &elevation.approval else {
        return false;
    };
    if elevation.status_at(now) != Status::PendingApproval {
        return false;
    }
    let stages = match role {
        Some(role) if !role.value.stages.is_empty() => &role.value.stages,
        _ => return true,
    };
    let progress = Progress::of(stages, approval, deciders, elevation.requester.id);
    let to_come = progress.to_come(approval.stage);
    !shortages(&to_come, &left(people, elevation, approval)).is_empty()
}

/// Returns the stages of a role for which the directory knows too few people, for every requester. A request is never
/// decided by its requester, so the people must be enough without one of the `candidates`. The exception is a role that
/// approves a candidate who owns every stage by itself. `candidates` is `None` if they are unknown.
pub fn role_shortages(
    role: &Role,
    people: &StagePeople,
    candidates: Option<&HashSet<AccountId>>,
) -> Vec<Shortage> {
    let required_approvals: Vec<u32> = role
        .stages
        .iter()
        .map(|stage| stage.required_approvals)
        .collect();
    match candidates {
        Some(candidates) if !approves_by_itself(role, people, candidates) => {
            shortages_for_all(&required_approvals, people, candidates)
        }
        _ => shortages(&required_approvals, people),
    }
}

/// Returns whether the role approves one of the candidates by itself.
fn approves_by_itself(role: &Role, people: &StagePeople, candidates: &HashSet<AccountId>) -> bool {
    let owner = candidates
        .iter()
        .find(|candidate| people.all_have(**candidate));
    role.rules.auto_approve_owners && owner.is_some()
}

/// Returns the people who could still decide: all except the requester and the people who have decided.
fn left(people: &StagePeople, elevation: &Elevation, approval: &Approval) -> StagePeople {
    people.without(|account| !can_decide(account, elevation, approval))
}

fn can_decide(account: AccountId, elevation: &Elevation, approval: &Approval) -> bool {
    account != elevation.requester.id && approval.decision_of(account).is_none()
}

fn explain_stages(
    facts: &ApprovalFacts<'_>,
    approval: &Approval,
    role: &Role,
    people: &StagePeople,
    pending: bool,
) -> Vec<StageExplanation> {
    let elevation = facts.elevation;
    let requester = elevation.requester.id;
    let progress = Progress::of(&role.stages, approval, facts.deciders, requester);
    let left = left(people, elevation, approval);
    let short = if pending {
        shortages(&progress.to_come(approval.stage), &left)
    } else {
        Vec::new()
    };
    let may_know = rights::reads_role(facts.call.caller, role).is_ok();
    let mut explanations = Vec::new();
    for (index, stage) in role.stages.iter().enumerate() {
        let open = pending && progress.takes(index, approval.stage);
        let (mut deciders, mut count) = (Vec::new(), None);
        if open {
            deciders = able_approvers(stage, elevation, approval);
            count = left.of(index).map(HashSet::len);
        }
        explanations.push(StageExplanation {
            open,
            required_approvals: stage.required_approvals,
            missing: progress.missing()[index],
            decisions: counted_decisions(facts, approval, index, stage),
            deciders: if may_know { Some(deciders) } else { None },
            people: count.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
            insufficient: short.iter().any(|shortage| shortage.stage == index),
        });
    }
    explanations
}

/// Returns the decisions that were made for a stage.
fn counted_decisions(
    facts: &ApprovalFacts<'_>,
    approval: &Approval,
    index: usize,
    stage: &Stage,
) -> Vec<CountedDecision> {
    let requester = facts.elevation.requester.id;
    let mut counted = Vec::new();
    for (decision, decider) in approval.decisions.iter().zip(facts.deciders) {
        if decision.stage == index {
            counted.push(CountedDecision {
                decision: decision.clone(),
                counts: stage.counts(decision, decider, requester),
            });
        }
    }
    counted
}

/// Returns the approvers of a stage that can still decide. A group is always one of them.
fn able_approvers(stage: &Stage, elevation: &Elevation, approval: &Approval) -> Vec<Principal> {
    let mut able = Vec::new();
    for approver in &stage.approvers {
        let can_decide = match approver {
            Principal::Account(account) => can_decide(account.id, elevation, approval),
            Principal::Group(_) => true,
        };
        if can_decide {
            able.push(approver.clone());
        }
    }
    able
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::account::{Account, Group};
    use crate::domain::event::Channel;
    use crate::domain::id::{ApprovalId, ElevationId, RoleId};
    use crate::domain::moment::Seconds;
    use crate::domain::role::Rules;
    use crate::domain::status::Status;
    use crate::domain::version::Version;

    #[test]
    fn the_rule_of_a_stage_is_in_words() {
        for (required_approvals, who) in [
            (1, "One of its approvers has"),
            (2, "2 of its approvers have"),
        ] {
            let stage = StageExplanation {
                open: true,
                required_approvals,
                missing: required_approvals,
                decisions: Vec::new(),
                deciders: None,
                people: None,
                insufficient: false,
            };
            let rest = "to approve. Each must still be an approver and must not be the requester. One person \
                        counts once over all stages.";
            assert_eq!(stage.rule(), format!("{who} {rest}"));
        }
    }

    /// A stage: its approvers, and the number of approvals that it requires.
    type StageRow = (&'static [&'static str], u32);

    /// Sam has approved. Two approvals of Sam, Kim and Lee were required; then the role was changed.
    #[test]
    fn an_approval_that_lacks_nothing_is_undecidable_when_nobody_is_left_to_say_so() {
        let table: [(&[StageRow], bool); 6] = [
            (&[(&["sam", "kim", "lee"], 2)], false),
            (&[(&["sam"], 2)], true),
            (&[(&["sam", "kim"], 1)], false),
            (&[(&["sam"], 1)], true),
            (&[(&["sam", "jen"], 1)], true),
            (&[], true),
        ];
        for (stages, undecidable) in table {
            let (role, elevation) = (role(stages), pending(&["sam"]));
            let people = stages.iter().map(|(names, _)| Some(ids(names))).collect();
            let deciders = [Principals::new(&account("sam"), &[])];
            let answer = is_undecidable(&elevation, Some(&role), &deciders, &people, NOW);
            assert_eq!(answer, undecidable, "{stages:?}");
            let unknown = stages.iter().map(|_| None).collect();
            let answer = is_undecidable(&elevation, Some(&role), &deciders, &unknown, NOW);
            assert_eq!(answer, stages.is_empty(), "{stages:?}");
        }
    }

    #[test]
    fn only_what_waits_is_undecidable() {
        let elevation = pending(&[]);
        assert!(is_undecidable(
            &elevation,
            None,
            &[],
            &StagePeople::default(),
            NOW
        ));
        assert!(!is_undecidable(
            &elevation,
            None,
            &[],
            &StagePeople::default(),
            NOW.after(Seconds::HOUR)
        ));
        let closed = Elevation {
            status: Status::Closed,
            ..elevation
        };
        assert!(!is_undecidable(
            &closed,
            None,
            &[],
            &StagePeople::default(),
            NOW
        ));
        let without = Elevation {
            approval: None,
            ..closed
        };
        assert!(!is_undecidable(
            &without,
            None,
            &[],
            &StagePeople::default(),
            NOW
        ));
    }

    #[test]
    fn a_role_is_short_of_people_whoever_asks() {
        let Versioned { value, .. } = role(&[(&["sam"], 1), (&["sam", "kim"], 2)]);
        let people = [Some(ids(&["sam"])), Some(ids(&["sam", "kim"]))]
            .into_iter()
            .collect();
        let short = [Shortage {
            stage: 1,
            missing: 2,
            available: 1,
        }];
        assert_eq!(role_shortages(&value, &people, None), short);
        assert_eq!(role_shortages(&value, &people, Some(&ids(&["jen"]))), short);
    }

    #[test]
    fn a_role_is_short_of_people_when_only_the_requester_could_approve() {
        let table: [(&[&str], &[&str], bool, bool); 6] = [
            (&["jen"], &["jen"], false, true),
            (&["jen"], &["jen"], true, false),
            (&["jen", "kim"], &["jen"], false, false),
            (&["jen"], &["jen", "sam"], false, false),
            (&["jen", "sam"], &["jen", "sam"], false, false),
            (&[], &["jen"], false, false),
        ];
        for (candidates, approvers, auto_approve_owners, short) in table {
            let mut value = role(&[(&["jen"], 1)]).value;
            value.rules.auto_approve_owners = auto_approve_owners;
            let found = role_shortages(
                &value,
                &[Some(ids(approvers))].into_iter().collect(),
                Some(&ids(candidates)),
            );
            assert_eq!(
                !found.is_empty(),
                short,
                "{candidates:?} {approvers:?} {auto_approve_owners}"
            );
        }
    }

    /// Returns an elevation of Jen, approved by the given people.
    fn pending(approved: &[&str]) -> Elevation {
        let decision = |name: &&str| Decision {
            approver: account(name),
            stage: 0,
            verdict: Verdict::Approve,
            reason: None,
            decide_time: NOW,
        };
        let approval = Approval {
            id: ApprovalId(Uuid::nil()),
            pending_expire_time: NOW.after(Seconds::HOUR),
            outcome: None,
            stage: 0,
            decisions: approved.iter().map(decision).collect(),
        };
        Elevation {
            id: ElevationId(Uuid::nil()),
            requester: account("jen"),
            role: RoleId(Uuid::nil()),
            role_display_name: "SQL".into(),
            justification: None,
            requested_duration: Seconds::HOUR,
            duration: Seconds::HOUR,
            requested_start_time: NOW,
            create_time: NOW,
            channel: Channel::Grpc,
            activate_time: None,
            expire_time: None,
            status: Status::PendingApproval,
            approval: Some(approval),
            client_request: None,
        }
    }

    fn role(stages: &[StageRow]) -> Versioned<Role> {
        let named = |name: &&str| Principal::Account(account(name));
        let stage = |(names, required_approvals): &StageRow| Stage {
            approvers: names.iter().map(named).collect(),
            required_approvals: *required_approvals,
        };
        let role = Role {
            id: RoleId(Uuid::nil()),
            display_name: "SQL".into(),
            description: String::new(),
            max_duration: Seconds::HOUR,
            candidates: vec![Principal::Group(Group::named("Users").unwrap())],
            stages: stages.iter().map(stage).collect(),
            rules: Rules::default(),
        };
        Versioned {
            version: Version(1),
            value: role,
        }
    }

    fn ids(names: &[&str]) -> HashSet<AccountId> {
        names.iter().map(|name| account(name).id).collect()
    }

    fn account(name: &str) -> Account {
        Account::named(&format!("PRIV\\{name}")).unwrap()
    }

    const NOW: Moment = Moment::from_ticks(0);
}
