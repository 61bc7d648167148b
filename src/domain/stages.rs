//! Stages: who approves one after another, how far an approval has come, and whether enough people are left.

use std::collections::{HashMap, HashSet};

use super::account::Principal;
use super::caller::Principals;
use super::elevation::{Approval, Decision, Verdict};
use super::id::AccountId;

/// A set of approvers, and how many of them must approve.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stage {
    /// Who may decide: 1 to 1,000.
    pub approvers: Vec<Principal>,
    /// How many distinct people must approve, 1 to 100.
    pub needed: u32,
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
    pub fn of(stages: &[Stage], approval: &Approval, deciders: &[Principals], requester: AccountId) -> Self {
        let mut missing: Vec<u32> = stages.iter().map(|stage| stage.needed).collect();
        for (decision, decider) in approval.decisions.iter().zip(deciders) {
            let stage = stages.get(decision.stage).zip(missing.get_mut(decision.stage));
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

    /// How many approvals it takes still, stage by stage. Where none is missing because the role was changed, it takes one of
    /// the stage that was reached, as [`Progress::takes`] says.
    pub fn wanted(&self, reached: usize) -> Vec<u32> {
        let mut wanted = self.0.clone();
        let reached = reached.min(wanted.len().saturating_sub(1));
        if let (None, Some(one)) = (self.open(), wanted.get_mut(reached)) {
            *one = 1;
        }
        wanted
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
        let last = self.0.len().saturating_sub(1);
        let reached = reached.min(last);
        let lacks = self.0.get(stage).is_some_and(|missing| *missing > 0);
        stage == reached || (lacks && stage <= self.open().unwrap_or(last).max(reached))
    }

    /// The stage that a decision of somebody would be for, with whom that stage names: the first that takes it, and
    /// rather one that lacks approvals.
    pub fn stage_of<'a>(
        &self,
        stages: &'a [Stage],
        reached: usize,
        principals: &Principals,
    ) -> Option<(usize, &'a Principal)> {
        let taking = stages.iter().enumerate().filter(|(index, _)| self.takes(*index, reached));
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
            found.push(Shortage { stage, missing: *missing, available });
        }
    }
    found
}

/// Finds somebody for a stage; whoever is taken by another stage is freed where that stage has somebody else.
fn place(
    stage: usize,
    people: &[Option<HashSet<AccountId>>],
    placed: &mut HashMap<AccountId, usize>,
    tried: &mut HashSet<AccountId>,
) -> bool {
    let Some(Some(candidates)) = people.get(stage) else { return false };
    if let Some(free) = candidates.iter().find(|person| !placed.contains_key(*person)) {
        placed.insert(*free, stage);
        return true;
    }
    for person in candidates {
        let Some(other) = placed.get(person).copied().filter(|other| *other != stage) else { continue };
        if tried.insert(*person) && place(other, people, placed, tried) {
            placed.insert(*person, stage);
            return true;
        }
    }
    false
}
