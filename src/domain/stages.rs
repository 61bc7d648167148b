//! Stages: who approves one after another, how far an approval has come, and whether enough people are left.

use std::collections::{HashMap, HashSet};

use super::account::Principal;
use super::approval::{Approval, Decision, Verdict};
use super::caller::Principals;
use super::id::AccountId;

/// A set of approvers, and how many of them must approve.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stage {
    /// Who may decide: 1 to 1,000.
    pub approvers: Vec<Principal>,
    /// How many distinct people must approve, 1 to 100.
    pub required_approvals: u32,
}

impl Stage {
    /// The approver that one of these is.
    pub fn approver(&self, principals: &Principals) -> Option<&Principal> {
        principals.any_of(&self.approvers)
    }

    /// Whether a decision that was made for the stage counts: `decider` is what whoever made it counts as now.
    pub fn counts(&self, decision: &Decision, decider: &Principals, requester: AccountId) -> bool {
        let approved = decision.verdict == Verdict::Approve && decision.approver.id != requester;
        approved && self.approver(decider).is_some()
    }
}

/// How far an approval has come, by the role and by the people as they are now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Progress(Vec<u32>);

impl Progress {
    /// Counts the approvals that count for each stage. `deciders` is what those who decided count as, in the order of the
    /// decisions; whoever is named by the stage no more, and whoever asked, does not count.
    pub fn of(
        stages: &[Stage],
        approval: &Approval,
        deciders: &[Principals],
        requester: AccountId,
    ) -> Self {
        let mut missing: Vec<u32> = stages
            .iter()
            .map(|stage| stage.required_approvals)
            .collect();
        for (decision, decider) in approval.decisions.iter().zip(deciders) {
            let stage = stages
                .get(decision.stage)
                .zip(missing.get_mut(decision.stage));
            if let Some((stage, missing)) = stage
                && stage.counts(decision, decider, requester)
            {
                *missing = missing.saturating_sub(1);
            }
        }
        Self(missing)
    }

    /// The same with one more approval of that stage.
    #[must_use]
    pub fn and_approved(mut self, stage: usize) -> Self {
        if let Some(missing) = self.0.get_mut(stage) {
            *missing = missing.saturating_sub(1);
        }
        self
    }

    /// How many approvals are missing, stage by stage.
    pub fn missing(&self) -> &[u32] {
        &self.0
    }

    /// How many approvals have to come yet, stage by stage: those that are missing. Where none is, one more for the stage
    /// that was reached, since a decision is what completes an approval.
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

    /// The first stage that lacks an approval; `None` when nothing is missing.
    pub fn open(&self) -> Option<usize> {
        self.0.iter().position(|missing| *missing > 0)
    }

    /// Whether a stage takes decisions, where `reached` is the one that was open after the last of them. It stays open, and
    /// so does every one up to the first that lacks approvals by now; what is missing in an earlier one again can be made
    /// good. The one that was reached takes a decision though it lacks none, as it does once the role was changed to need
    /// fewer: somebody has to complete the approval.
    pub fn takes(&self, stage: usize, reached: usize) -> bool {
        let last = self.last();
        let reached = reached.min(last);
        let lacks = self.0.get(stage).is_some_and(|missing| *missing > 0);
        stage == reached || (lacks && stage <= self.open().unwrap_or(last).max(reached))
    }

    fn last(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// The stage that a decision of somebody would be for, with whom that stage names: the first that takes it, and
    /// rather one that lacks approvals.
    pub fn stage_of<'a>(
        &self,
        stages: &'a [Stage],
        reached: usize,
        principals: &Principals,
    ) -> Option<(usize, &'a Principal)> {
        let taking = stages
            .iter()
            .enumerate()
            .filter(|(index, _)| self.takes(*index, reached));
        let named = taking.filter_map(|(index, stage)| Some((index, stage.approver(principals)?)));
        named.min_by_key(|(index, _)| (self.0.get(*index) == Some(&0), *index))
    }
}

/// A stage for which too few people are left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shortage {
    /// The stage.
    pub stage: usize,
    /// How many approvals it lacks.
    pub missing: u32,
    /// How many people could give them, those that other stages need first left out.
    pub available: u32,
}

/// Finds the stages that lack more approvals than there are people to give them, when one person counts once over all.
/// `people` are those who could still decide, stage by stage; `None` where nobody knows how many there are.
pub fn shortages(missing: &[u32], people: &[Option<HashSet<AccountId>>]) -> Vec<Shortage> {
    placed(missing, people).0
}

/// Finds the same for a requester who is one of `candidates` and never counts: the shortages that every one of them would
/// meet. There are none if there are no candidates, or if one of them leaves enough people.
pub fn shortages_for_all(
    missing: &[u32],
    people: &[Option<HashSet<AccountId>>],
    candidates: &HashSet<AccountId>,
) -> Vec<Shortage> {
    let (short, placed) = placed(missing, people);
    let Some(first) = candidates.iter().min().filter(|_| short.is_empty()) else {
        return short;
    };
    let spare: Vec<bool> = (0..missing.len())
        .map(|stage| has_spare(stage, people, &placed))
        .collect();
    let is_needed = |candidate| placed.get(candidate).is_some_and(|stage| !spare[*stage]);
    if candidates.iter().all(is_needed) {
        shortages(missing, &without(people, *first))
    } else {
        Vec::new()
    }
}

/// Whether one more person could be placed in a stage, so that none of those who are there is needed.
fn has_spare(
    stage: usize,
    people: &[Option<HashSet<AccountId>>],
    placed: &HashMap<AccountId, usize>,
) -> bool {
    place(stage, people, &mut placed.clone(), &mut HashSet::new())
}

fn without(
    people: &[Option<HashSet<AccountId>>],
    left_out: AccountId,
) -> Vec<Option<HashSet<AccountId>>> {
    let mut people = people.to_vec();
    for known in people.iter_mut().flatten() {
        known.remove(&left_out);
    }
    people
}

/// The shortages, and the stage that each person would decide in.
fn placed(
    missing: &[u32],
    people: &[Option<HashSet<AccountId>>],
) -> (Vec<Shortage>, HashMap<AccountId, usize>) {
    let mut placed = HashMap::new();
    let mut found = Vec::new();
    for (stage, (missing, known)) in missing.iter().zip(people).enumerate() {
        if known.is_none() {
            continue;
        }
        let available = (0..*missing)
            .take_while(|_| place(stage, people, &mut placed, &mut HashSet::new()))
            .fold(0, |count: u32, _| count.saturating_add(1));
        if available < *missing {
            found.push(Shortage {
                stage,
                missing: *missing,
                available,
            });
        }
    }
    (found, placed)
}

/// Finds somebody for a stage; whoever is taken by another stage is freed where that stage has somebody else.
fn place(
    stage: usize,
    people: &[Option<HashSet<AccountId>>],
    placed: &mut HashMap<AccountId, usize>,
    tried: &mut HashSet<AccountId>,
) -> bool {
    let Some(Some(candidates)) = people.get(stage) else {
        return false;
    };
    if let Some(free) = candidates
        .iter()
        .find(|person| !placed.contains_key(*person))
    {
        placed.insert(*free, stage);
        return true;
    }
    for person in candidates {
        let Some(other) = placed.get(person).copied().filter(|other| *other != stage) else {
            continue;
        };
        if tried.insert(*person) && place(other, people, placed, tried) {
            placed.insert(*person, stage);
            return true;
        }
    }
    false
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

    /// `taking` has a letter for each stage that was reached, and of each stage whether it takes decisions then.
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

    /// How many approvals a stage lacks, who could give them, each a letter, and how many there are when that is too few.
    type Lacking = (u32, Option<&'static str>, Option<u32>);

    #[test]
    fn one_person_counts_once_over_all_stages() {
        let table: [&[Lacking]; 11] = [
            &[],
            &[(1, Some("a"), None)],
            &[(1, Some(""), Some(0))],
            &[(3, Some("ab"), Some(2))],
            &[(0, Some(""), None)],
            &[(1, Some("a"), None), (1, Some("a"), Some(0))],
            &[(1, Some("ab"), None), (1, Some("a"), None)],
            &[(2, Some("abc"), None), (2, Some("ab"), Some(1))],
            &[
                (1, Some("ab"), None),
                (1, Some("bc"), None),
                (1, Some("a"), None),
                (1, Some("b"), Some(0)),
            ],
            &[(9, None, None), (1, Some("a"), None)],
            &[
                (1, Some("ab"), None),
                (9, None, None),
                (2, Some("ab"), Some(1)),
            ],
        ];
        for stages in table {
            let (missing, people, short) = lacking(stages);
            assert_eq!(shortages(&missing, &people), short, "{stages:?}");
        }
    }

    /// Stages as above, the candidates, and how many people a stage has where no candidate leaves enough.
    #[test]
    fn a_role_is_short_when_no_candidate_leaves_enough() {
        let table: [(&[Lacking], &str); 12] = [
            (&[(1, Some("a"), Some(0))], "a"),
            (&[(1, Some("a"), None)], ""),
            (&[(1, Some("a"), None)], "b"),
            (&[(1, Some("a"), None)], "ab"),
            (&[(1, Some("ab"), None)], "a"),
            (&[(1, Some("ab"), None)], "ab"),
            (&[(2, Some("ab"), Some(1))], "ab"),
            (&[(2, Some("ab"), None)], "abc"),
            (&[(1, Some("ab"), None), (1, Some("ab"), Some(0))], "ab"),
            (&[(1, Some("abc"), None), (1, Some("ab"), None)], "ab"),
            (&[(1, Some("ac"), None), (1, Some("b"), Some(0))], "b"),
            (&[(1, Some("a"), Some(0)), (9, None, None)], "a"),
        ];
        for (stages, candidates) in table {
            let (missing, people, short) = lacking(stages);
            let found = shortages_for_all(&missing, &people, &persons(candidates));
            assert_eq!(found, short, "{stages:?} {candidates}");
        }
        let (missing, people, short) = lacking(&[(2, Some("a"), Some(1))]);
        assert_eq!(
            shortages_for_all(&missing, &people, &persons("b")),
            short,
            "whoever asks"
        );
    }

    fn lacking(stages: &[Lacking]) -> (Vec<u32>, Vec<Option<HashSet<AccountId>>>, Vec<Shortage>) {
        let missing = stages.iter().map(|(missing, ..)| *missing).collect();
        let people = stages
            .iter()
            .map(|(_, names, _)| names.map(persons))
            .collect();
        let short = stages
            .iter()
            .enumerate()
            .filter_map(|(stage, (missing, _, available))| {
                Some(Shortage {
                    stage,
                    missing: *missing,
                    available: (*available)?,
                })
            });
        (missing, people, short.collect())
    }

    fn persons(letters: &str) -> HashSet<AccountId> {
        let person = |letter: char| AccountId(Uuid::from_u128(u128::from(u32::from(letter))));
        letters.chars().map(person).collect()
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
