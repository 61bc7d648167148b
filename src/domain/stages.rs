//! Stages: which approvers decide one after another, and how far an approval has come.

use super::account::Principal;
use super::approval::{Approval, Decision, Verdict};
use super::caller::Principals;
use super::id::AccountId;

/// A set of approvers, and how many of them must approve.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stage {
    /// The principals that may decide: 1 to 1,000.
    pub approvers: Vec<Principal>,
    /// The number of distinct people who must approve, 1 to 100.
    pub required_approvals: u32,
}

impl Stage {
    /// Returns the approver of the stage that is one of these principals.
    pub fn approver(&self, principals: &Principals) -> Option<&Principal> {
        principals.any_of(&self.approvers)
    }

    /// Returns whether a decision made for the stage counts. `decider` are the current principals of its approver.
    pub fn counts(&self, decision: &Decision, decider: &Principals, requester: AccountId) -> bool {
        let approved = decision.verdict == Verdict::Approve && decision.approver.id != requester;
        approved && self.approver(decider).is_some()
    }
}

/// The number of approvals that each stage lacks, by the role and the people as they are now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Progress(Vec<u32>);

impl Progress {
    /// Counts the approvals that count for each stage. `deciders[i]` are the current principals of the person who made
    /// `decisions[i]`. A decision does not count if its stage no longer names that person, or if that person is the
    /// requester.
    pub fn of(
        stages: &[Stage],
        approval: &Approval,
        deciders: &[Principals],
        requester: AccountId,
    ) -> Self {
        let mut missing = Vec::new();
        for (index, stage) in stages.iter().enumerate() {
            let mut lacks = stage.required_approvals;
            for (decision, decider) in approval.decisions.iter().zip(deciders) {
                if decision.stage == index && stage.counts(decision, decider, requester) {
                    lacks = lacks.saturating_sub(1);
                }
            }
            missing.push(lacks);
        }
        Self(missing)
    }

    /// Returns the progress after one more approval of that stage.
    #[must_use]
    pub fn and_approved(mut self, stage: usize) -> Self {
        if let Some(missing) = self.0.get_mut(stage) {
            *missing = missing.saturating_sub(1);
        }
        self
    }

    /// Returns the number of missing approvals, stage by stage.
    pub fn missing(&self) -> &[u32] {
        &self.0
    }

    /// Returns the number of approvals that must still be made, stage by stage. These are the missing ones. If none is
    /// missing, one more is needed for the stage that was reached, since only a decision completes an approval.
    pub fn to_come(&self, reached: usize) -> Vec<u32> {
        let mut to_come = self.0.clone();
        let reached = reached.min(self.last());
        if self.open().is_none()
            && let Some(stage) = to_come.get_mut(reached)
        {
            *stage = 1;
        }
        to_come
    }

    /// Returns the first stage that lacks an approval; `None` if nothing is missing.
    pub fn open(&self) -> Option<usize> {
        self.0.iter().position(|missing| *missing > 0)
    }

    /// Returns whether a stage takes decisions. `reached` is the stage that was open after the last decision.
    ///
    /// The stage that was reached takes decisions even if it lacks none. That happens if the role now requires fewer
    /// approvals, and without such a decision nothing could complete the approval. Any other stage takes decisions if
    /// it lacks approvals and is not after both the first open stage and the one that was reached. So no stage opens
    /// early, and an earlier stage whose approver has left can be approved again.
    pub fn takes(&self, stage: usize, reached: usize) -> bool {
        let last = self.last();
        let reached = reached.min(last);
        let lacks = self.0.get(stage).is_some_and(|missing| *missing > 0);
        stage == reached || (lacks && stage <= self.open().unwrap_or(last).max(reached))
    }

    fn last(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// Returns the stage that a decision of these principals counts for, with the approver that the stage names. It is
    /// the first stage that takes the decision and lacks approvals, otherwise the first that takes it.
    pub fn stage_of<'a>(
        &self,
        stages: &'a [Stage],
        reached: usize,
        principals: &Principals,
    ) -> Option<(usize, &'a Principal)> {
        let mut complete = None;
        for (index, stage) in stages.iter().enumerate() {
            let Some(approver) = stage.approver(principals) else {
                continue;
            };
            if !self.takes(index, reached) {
                continue;
            }
            if self.0.get(index) != Some(&0) {
                return Some((index, approver));
            }
            complete = complete.or(Some((index, approver)));
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::account::{Account, Group};
    use crate::domain::id::ApprovalId;
    use crate::domain::moment::Moment;

    #[test]
    fn who_is_named_no_more_or_asked_or_rejected_does_not_count() {
        let (ops, sam) = (named("ops"), account("sam"));
        let stage = Stage {
            approvers: vec![ops],
            required_approvals: 1,
        };
        let table = [
            ("sam", Verdict::Approve, vec!["ops"], true),
            ("sam", Verdict::Approve, vec![], false),
            ("sam", Verdict::Reject, vec!["ops"], false),
            ("jen", Verdict::Approve, vec!["ops"], false),
        ];
        for (who, verdict, groups, counts) in table {
            let decision = Decision {
                verdict,
                ..approved(who, 0)
            };
            let decider = principals(who, &groups);
            assert_eq!(
                stage.counts(&decision, &decider, account("jen").id),
                counts,
                "{who} {verdict:?}"
            );
        }
        assert_eq!(stage.approver(&principals("kim", &[])), None);
        assert_ne!(sam.id, account("jen").id);
    }

    #[test]
    fn a_decision_counts_for_its_own_stage_and_never_below_nothing() {
        let stages = stages(&[(&["sam", "kim"], 1), (&["sam", "kim", "lee"], 2)]);
        let table: [(&[Decision], _, _); 5] = [
            (&[], [1, 2], Some(0)),
            (&[approved("sam", 0)], [0, 2], Some(1)),
            (&[approved("sam", 0), approved("kim", 0)], [0, 2], Some(1)),
            (&[approved("sam", 1), approved("kim", 7)], [1, 1], Some(0)),
            (
                &[approved("sam", 0), approved("kim", 1), approved("lee", 1)],
                [0, 0],
                None,
            ),
        ];
        for (decisions, missing, open) in table {
            let progress = progress(&stages, decisions);
            assert_eq!(progress.missing(), missing, "{decisions:?}");
            assert_eq!(progress.open(), open, "{decisions:?}");
        }
        let none = progress(&stages, &[]);
        assert_eq!(none.clone().and_approved(1).missing(), [1, 1]);
        assert_eq!(
            none.clone().and_approved(0).and_approved(0).missing(),
            [0, 2]
        );
        assert_eq!(none.and_approved(7).missing(), [1, 2]);
    }

    /// `taking` has a letter for each stage that was reached, and for each stage whether it takes decisions then.
    #[test]
    fn stages_open_one_after_the_other_and_what_was_reached_takes_decisions_still() {
        let table: [(&[u32], &[&str]); 6] = [
            (&[1], &["y", "y"]),
            (&[0], &["y", "y"]),
            (&[1, 1], &["yn", "yy", "yy"]),
            (&[0, 1], &["yy", "ny", "ny"]),
            (&[1, 0, 1], &["ynn", "yyn", "yny"]),
            (&[0, 0, 0], &["ynn", "nyn", "nny", "nny"]),
        ];
        for (missing, taking) in table {
            for (reached, taking) in taking.iter().enumerate() {
                let progress = Progress(missing.to_vec());
                let takes = |stage| {
                    if progress.takes(stage, reached) {
                        'y'
                    } else {
                        'n'
                    }
                };
                let takes: String = (0..missing.len()).map(takes).collect();
                assert_eq!(takes, *taking, "{missing:?} {reached}");
            }
        }
    }

    #[test]
    fn a_decision_is_for_the_first_stage_that_lacks_some() {
        let stages = stages(&[(&["sam", "kim"], 1), (&["sam", "lee"], 1)]);
        let table = [
            ([1, 1], 0, "sam", Some((0, "sam"))),
            ([1, 1], 0, "lee", None),
            ([0, 1], 0, "sam", Some((1, "sam"))),
            ([0, 1], 0, "kim", Some((0, "kim"))),
            ([0, 1], 1, "kim", None),
            ([1, 1], 1, "lee", Some((1, "lee"))),
            ([0, 0], 1, "sam", Some((1, "sam"))),
            ([0, 0], 1, "jen", None),
        ];
        for (missing, reached, who, expected) in table {
            let found =
                Progress(missing.to_vec()).stage_of(&stages, reached, &principals(who, &[]));
            let expected = expected.map(|(stage, who)| (stage, named(who)));
            assert_eq!(
                found,
                expected.as_ref().map(|(stage, who)| (*stage, who)),
                "{missing:?} {reached} {who}"
            );
        }
    }

    #[test]
    fn what_lacks_nothing_waits_for_one_more_in_the_stage_that_was_reached() {
        let table: [(&[u32], usize, &[u32]); 5] = [
            (&[1, 2], 0, &[1, 2]),
            (&[0, 2], 0, &[0, 2]),
            (&[0, 0], 0, &[1, 0]),
            (&[0, 0], 5, &[0, 1]),
            (&[], 0, &[]),
        ];
        for (missing, reached, to_come) in table {
            assert_eq!(
                Progress(missing.to_vec()).to_come(reached),
                to_come,
                "{missing:?} {reached}"
            );
        }
    }

    fn progress(stages: &[Stage], decisions: &[Decision]) -> Progress {
        let (pending_expire_time, decisions) = (Moment::from_ticks(1), decisions.to_vec());
        let deciders: Vec<Principals> = decisions
            .iter()
            .map(|decision| principals(decision.approver.user(), &[]))
            .collect();
        let approval = Approval {
            id: ApprovalId(Uuid::nil()),
            pending_expire_time,
            outcome: None,
            stage: 0,
            decisions,
        };
        Progress::of(stages, &approval, &deciders, account("jen").id)
    }

    fn approved(who: &str, stage: usize) -> Decision {
        let (approver, verdict) = (account(who), Verdict::Approve);
        Decision {
            approver,
            stage,
            verdict,
            reason: None,
            decide_time: Moment::from_ticks(0),
        }
    }

    fn stages(of: &[(&[&str], u32)]) -> Vec<Stage> {
        let stage = |(approvers, required_approvals): &(&[&str], u32)| Stage {
            approvers: approvers.iter().copied().map(named).collect(),
            required_approvals: *required_approvals,
        };
        of.iter().map(stage).collect()
    }

    fn principals(who: &str, groups: &[&str]) -> Principals {
        let groups: Vec<Group> = groups
            .iter()
            .map(|name| Group::named(name).unwrap())
            .collect();
        Principals::new(&account(who), &groups)
    }

    fn named(name: &str) -> Principal {
        match name {
            "ops" => Principal::Group(Group::named(name).unwrap()),
            person => Principal::Account(account(person)),
        }
    }

    fn account(name: &str) -> Account {
        Account::named(&format!("PRIV\\{name}")).unwrap()
    }
}
