//! Whether enough people are left to approve.

use std::collections::{HashMap, HashSet};

use super::id::AccountId;
use super::people::StagePeople;

/// A stage for which too few people are left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shortage {
    /// The index of the stage, from 0.
    pub stage: usize,
    /// The number of approvals that it lacks.
    pub missing: u32,
    /// The number of people available, not counting those needed by other stages.
    pub available: u32,
}

/// Finds the stages that lack more approvals than there are people to approve, if one person counts once over all
/// stages. `missing` is the number of approvals that each stage lacks, and `people` are those who could still decide. A
/// stage whose people are unknown has no shortage.
pub fn shortages(missing: &[u32], people: &StagePeople) -> Vec<Shortage> {
    let mut assignment = Assignment::new(people);
    assignment.fill(missing)
}

/// Finds the shortages that remain for each requester. The requester is one of `candidates` and never counts. There are
/// none if there are no candidates, or if one of them leaves enough people.
pub fn shortages_for_all(
    missing: &[u32],
    people: &StagePeople,
    candidates: &HashSet<AccountId>,
) -> Vec<Shortage> {
    let mut assignment = Assignment::new(people);
    let found = assignment.fill(missing);
    let Some(first) = candidates.iter().min() else {
        return found;
    };
    if !found.is_empty() {
        return found;
    }
    // A candidate is dispensable if it has no stage, or if its stage could be assigned one person more.
    let spare: Vec<bool> = (0..missing.len())
        .map(|stage| assignment.has_spare(stage))
        .collect();
    for candidate in candidates {
        match assignment.stages.get(candidate) {
            Some(stage) if !spare[*stage] => {}
            _ => return Vec::new(),
        }
    }
    shortages(missing, &people.without(|account| account == *first))
}

/// The stage that each person is assigned to.
///
/// The assignment is built by Kuhn's augmenting paths. A stage takes a free person, or one of another stage that in
/// turn can take another person. Such a path never takes a person away from a stage without a replacement, so every
/// assigned approval stays assigned. If a stage finds no path, no assignment of the same approvals has room for it
/// (Berge), and no later path changes that. So each stage, in order, gets as many people as it can without harm to
/// earlier stages.
#[derive(Clone)]
struct Assignment<'a> {
    people: &'a StagePeople,
    stages: HashMap<AccountId, usize>,
}

impl<'a> Assignment<'a> {
    fn new(people: &'a StagePeople) -> Self {
        Self {
            people,
            stages: HashMap::new(),
        }
    }

    /// Assigns a person to each missing approval, and returns the stages that are left with too few.
    fn fill(&mut self, missing: &[u32]) -> Vec<Shortage> {
        let mut found = Vec::new();
        for (stage, missing) in missing.iter().copied().enumerate() {
            if self.people.of(stage).is_none() {
                continue;
            }
            let mut available = 0;
            while available < missing && self.assign(stage, &mut HashSet::new()) {
                available += 1;
            }
            if available < missing {
                found.push(Shortage {
                    stage,
                    missing,
                    available,
                });
            }
        }
        found
    }

    /// Assigns one more person to a stage, and returns whether there is one. To end the search, `tried` are the people
    /// whose stage was already searched for a replacement.
    fn assign(&mut self, stage: usize, tried: &mut HashSet<AccountId>) -> bool {
        let Some(people) = self.people.of(stage) else {
            return false;
        };
        for person in people {
            if !self.stages.contains_key(person) {
                self.stages.insert(*person, stage);
                return true;
            }
        }
        for person in people {
            let Some(other) = self.stages.get(person).copied() else {
                continue;
            };
            if other != stage && tried.insert(*person) && self.assign(other, tried) {
                self.stages.insert(*person, stage);
                return true;
            }
        }
        false
    }

    /// Returns whether one more person could be assigned to a stage, so that the stage needs none of its people.
    fn has_spare(&self, stage: usize) -> bool {
        self.clone().assign(stage, &mut HashSet::new())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// The number of approvals that a stage lacks, its people, each a letter, and the number available if that is too
    /// few.
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

    /// Stages as above, the candidates, and the number of people of a stage if no candidate leaves enough.
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
            "for each requester"
        );
    }

    fn lacking(stages: &[Lacking]) -> (Vec<u32>, StagePeople, Vec<Shortage>) {
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
}
