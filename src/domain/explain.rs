//! Where an approval stands and why, in the same terms by which it is decided.

use std::collections::HashSet;

use super::account::Principal;
use super::approval::{Approval, Decision, Verdict};
use super::caller::Principals;
use super::decide::{self, ApprovalFacts};
use super::elevation::Elevation;
use super::id::AccountId;
use super::moment::Moment;
use super::refusal::Refusal;
use super::rights;
use super::role::Role;
use super::stages::{Progress, Shortage, Stage, shortages, shortages_for_all};
use super::status::{ApprovalStatus, Status};
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
    /// Whether the caller is the requester, who never decides.
    pub caller_is_requester: bool,
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
    pub required_approvals: u32,
    /// How many approvals are missing.
    pub missing: u32,
    /// The decisions that were made for it, with whether each of them counts.
    pub decisions: Vec<(Decision, bool)>,
    /// Whom the role names that could still decide; `None` when the caller may not know.
    pub deciders: Option<Vec<Principal>>,
    /// How many people that are, by the directory; `None` when it cannot tell.
    pub people: Option<u32>,
    /// Whether too few people are left for it.
    pub insufficient: bool,
}

impl StageExplanation {
    /// The rule of the stage, in words.
    pub fn rule(&self) -> String {
        let who = if self.required_approvals == 1 {
            "One of its approvers has".to_owned()
        } else {
            format!("{} of its approvers have", self.required_approvals)
        };
        format!(
            "{who} to approve, each of them an approver still and never who asked; one person counts once over all stages."
        )
    }
}

/// Explains an approval to somebody who may read it. `reason` is what a decision would come with.
pub fn explain(
    facts: &ApprovalFacts<'_>,
    people: &People,
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
    let stages = role.map_or_else(Vec::new, |role| {
        Stages {
            facts,
            elevation,
            approval,
            role,
            people,
            pending: status == ApprovalStatus::Pending,
        }
        .explained()
    });
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

/// Whether an elevation waits for approval and too few people are left to give it. `deciders` are as in
/// [`ApprovalFacts::deciders`].
pub fn is_undecidable(
    elevation: &Elevation,
    role: Option<&Versioned<Role>>,
    deciders: &[Principals],
    people: &People,
    now: Moment,
) -> bool {
    let Some(approval) = elevation
        .approval
        .as_ref()
        .filter(|_| elevation.status_at(now) == Status::PendingApproval)
    else {
        return false;
    };
    let Some(role) = role.filter(|role| !role.value.stages.is_empty()) else {
        return true;
    };
    let progress = Progress::of(
        &role.value.stages,
        approval,
        deciders,
        elevation.requester.id,
    );
    !shortages(
        &progress.to_come(approval.stage),
        &left(people, elevation, approval),
    )
    .is_empty()
}

/// Returns the stages of a role for which the directory knows too few people, for every requester. A request is never decided by
/// its requester, so the people must be enough without one of the `candidates`, unless the role approves a candidate who
/// owns every stage by itself. `None` are candidates of whom the directory cannot tell who they are.
pub fn role_shortages(
    role: &Role,
    people: &People,
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

/// Whether the role approves one of the candidates by itself.
fn approves_by_itself(role: &Role, people: &People, candidates: &HashSet<AccountId>) -> bool {
    let owns = |candidate: &AccountId| {
        people
            .iter()
            .all(|known| known.as_ref().is_none_or(|known| known.contains(candidate)))
    };
    role.rules.auto_approve_owners && candidates.iter().any(owns)
}

/// The people who could still decide: without who asked, and without those who have decided.
fn left(
    people: &People,
    elevation: &Elevation,
    approval: &Approval,
) -> Vec<Option<HashSet<AccountId>>> {
    let is_left = |id: &AccountId| *id != elevation.requester.id && !has_decided(approval, *id);
    let of_stage = |known: &HashSet<AccountId>| known.iter().copied().filter(is_left).collect();
    people
        .iter()
        .map(|known| known.as_ref().map(of_stage))
        .collect()
}

fn has_decided(approval: &Approval, id: AccountId) -> bool {
    approval
        .decisions
        .iter()
        .any(|decision| decision.approver.id == id)
}

struct Stages<'a> {
    facts: &'a ApprovalFacts<'a>,
    elevation: &'a Elevation,
    approval: &'a Approval,
    role: &'a Role,
    people: &'a People,
    pending: bool,
}

impl Stages<'_> {
    fn explained(&self) -> Vec<StageExplanation> {
        let Self {
            facts,
            elevation,
            approval,
            role,
            people,
            pending,
        } = *self;
        let progress = Progress::of(
            &role.stages,
            approval,
            facts.deciders,
            elevation.requester.id,
        );
        let left = left(people, elevation, approval);
        let to_come = progress.to_come(approval.stage);
        let short = if pending {
            shortages(&to_come, &left)
        } else {
            Vec::new()
        };
        let knows = rights::reads_role(facts.call.caller, role).is_ok();
        let explained = |(index, stage): (usize, &Stage)| {
            let open = pending && progress.takes(index, approval.stage);
            let missing = progress.missing().get(index).copied().unwrap_or_default();
            let known = left.get(index).and_then(Option::as_ref).filter(|_| open);
            StageExplanation {
                open,
                required_approvals: stage.required_approvals,
                missing,
                decisions: self.decisions(index, stage),
                deciders: knows.then(|| {
                    if open {
                        self.deciders(stage)
                    } else {
                        Vec::new()
                    }
                }),
                people: known.map(|known| u32::try_from(known.len()).unwrap_or(u32::MAX)),
                insufficient: short.iter().any(|shortage| shortage.stage == index),
            }
        };
        role.stages.iter().enumerate().map(explained).collect()
    }

    fn decisions(&self, index: usize, stage: &Stage) -> Vec<(Decision, bool)> {
        let with_decider = self.approval.decisions.iter().zip(self.facts.deciders);
        let of_stage = with_decider.filter(|(decision, _)| decision.stage == index);
        let requester = self.elevation.requester.id;
        of_stage
            .map(|(decision, decider)| {
                (decision.clone(), stage.counts(decision, decider, requester))
            })
            .collect()
    }

    fn deciders(&self, stage: &Stage) -> Vec<Principal> {
        let could = |principal: &&Principal| match principal {
            Principal::Account(account) => {
                account.id != self.elevation.requester.id && !has_decided(self.approval, account.id)
            }
            Principal::Group(_) => true,
        };
        stage.approvers.iter().filter(could).cloned().collect()
    }
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
            let rest = "to approve, each of them an approver still and never who asked; one person counts once over all \
                        stages.";
            assert_eq!(stage.rule(), format!("{who} {rest}"));
        }
    }

    /// The approvers of a stage, and how many of them are needed.
    type Named = (&'static [&'static str], u32);

    /// Sam has approved, two were needed of Sam, Kim and Lee; then the role was changed.
    #[test]
    fn an_approval_that_lacks_nothing_is_undecidable_when_nobody_is_left_to_say_so() {
        let table: [(&[Named], bool); 6] = [
            (&[(&["sam", "kim", "lee"], 2)], false),
            (&[(&["sam"], 2)], true),
            (&[(&["sam", "kim"], 1)], false),
            (&[(&["sam"], 1)], true),
            (&[(&["sam", "jen"], 1)], true),
            (&[], true),
        ];
        for (stages, undecidable) in table {
            let (role, elevation) = (role(stages), pending(&["sam"]));
            let people: Vec<_> = stages.iter().map(|(names, _)| Some(ids(names))).collect();
            let deciders = [Principals::new(&account("sam"), &[])];
            let answer = is_undecidable(&elevation, Some(&role), &deciders, &people, NOW);
            assert_eq!(answer, undecidable, "{stages:?}");
            let unknown = vec![None; people.len()];
            let answer = is_undecidable(&elevation, Some(&role), &deciders, &unknown, NOW);
            assert_eq!(answer, stages.is_empty(), "{stages:?}");
        }
    }

    #[test]
    fn only_what_waits_is_undecidable() {
        let elevation = pending(&[]);
        assert!(is_undecidable(&elevation, None, &[], &[], NOW));
        assert!(!is_undecidable(
            &elevation,
            None,
            &[],
            &[],
            NOW.after(Seconds::HOUR)
        ));
        let closed = Elevation {
            status: Status::Closed,
            ..elevation
        };
        assert!(!is_undecidable(&closed, None, &[], &[], NOW));
        let without = Elevation {
            approval: None,
            ..closed
        };
        assert!(!is_undecidable(&without, None, &[], &[], NOW));
    }

    #[test]
    fn a_role_is_short_of_people_whoever_asks() {
        let Versioned { value, .. } = role(&[(&["sam"], 1), (&["sam", "kim"], 2)]);
        let people = [Some(ids(&["sam"])), Some(ids(&["sam", "kim"]))];
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
            let found = role_shortages(&value, &[Some(ids(approvers))], Some(&ids(candidates)));
            assert_eq!(
                !found.is_empty(),
                short,
                "{candidates:?} {approvers:?} {auto_approve_owners}"
            );
        }
    }

    /// Jen asked, and those approved.
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

    fn role(stages: &[Named]) -> Versioned<Role> {
        let named = |name: &&str| Principal::Account(account(name));
        let stage = |(names, required_approvals): &Named| Stage {
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
