//! Roles: their candidates, their durations and their approvers.

use std::collections::HashSet;

use super::account::Principal;
use super::caller::Principals;
use super::error::Error;
use super::id::{AccountId, RoleId};
use super::moment::Seconds;
use super::people::StagePeople;
use super::reason::ReasonRule;
use super::shortage::shortages;
use super::stages::Stage;
use super::text;
use super::window::Window;

/// A role, which candidates may hold for a time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Role {
    /// The id, which never changes.
    pub id: RoleId,
    /// The display name, 1 to 256 characters, kept unchanged.
    pub display_name: String,
    /// The description, at most 1,024 characters.
    pub description: String,
    /// The maximum duration of an elevation of this role.
    pub max_duration: Seconds,
    /// The principals that may request the role: 1 to 1,000.
    pub candidates: Vec<Principal>,
    /// The stages of approvers, one after another, at most 8. Without a stage, an elevation becomes active at once.
    pub stages: Vec<Stage>,
    /// The other rules of the role.
    pub rules: Rules,
}

/// The rules of a role in addition to its approvers; none by default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// Whether a requester named by every stage needs no other approver. This is the only way to approve one's own
    /// request.
    pub auto_approve_owners: bool,
    /// How long an approval waits before it expires; `None` for the operator's setting.
    pub pending_timeout: Option<Seconds>,
    /// The time of day at which an elevation may start; `None` for any time.
    pub window: Option<Window>,
    /// The requirements for a justification.
    pub justification: ReasonRule,
    /// The requirements for the reason of a decision.
    pub decision_reason: ReasonRule,
}

impl Role {
    /// Returns the role, if it is within its bounds and names enough people to approve.
    pub fn checked(self) -> Result<Self, Error> {
        text::display_name(&self.display_name, 256)
            .map_err(|error| error.in_field("display_name"))?;
        text::bounded(&self.description).map_err(|error| error.in_field("description"))?;
        bounded(&self.candidates, "candidates")?;
        if self.max_duration == Seconds::ZERO {
            return Err(Error::invalid("must be at least a second.").in_field("max_duration"));
        }
        check_stages(&self.stages)?;
        let stages = self.stages.iter().map(|stage| names(&stage.approvers));
        if names(&self.candidates) + stages.sum::<usize>() > LONGEST_NAMES {
            return Err(Error::invalid(
                "The names of all candidates and approvers must fit into 1 MiB.",
            ));
        }
        Ok(Self {
            rules: self.rules.checked()?,
            ..self
        })
    }

    /// Returns the candidate that is one of these principals.
    pub fn candidate(&self, principals: &Principals) -> Option<&Principal> {
        principals.any_of(&self.candidates)
    }

    /// Returns the approver of any stage that is one of these principals and decides requests for the role. An approver
    /// never decides their own request.
    pub fn approver(&self, principals: &Principals) -> Option<&Principal> {
        self.stages
            .iter()
            .find_map(|stage| stage.approver(principals))
    }

    /// Returns the approver of the first stage that is one of these principals. Returns it only if every stage names
    /// one of them and the role approves such a requester by itself.
    pub fn auto_approves(&self, principals: &Principals) -> Option<&Principal> {
        let every = self
            .stages
            .iter()
            .all(|stage| stage.approver(principals).is_some());
        self.stages
            .first()
            .filter(|_| self.rules.auto_approve_owners && every)?
            .approver(principals)
    }
}

impl Rules {
    fn checked(self) -> Result<Self, Error> {
        if self.pending_timeout == Some(Seconds::ZERO) {
            return Err(Error::invalid("must be at least a second.").in_field("pending_timeout"));
        }
        Ok(Self {
            justification: self
                .justification
                .checked()
                .map_err(|error| error.within("justification_rule"))?,
            decision_reason: self
                .decision_reason
                .checked()
                .map_err(|error| error.within("decision_reason_rule"))?,
            ..self
        })
    }
}

/// Returns the most octets that the names of accounts and groups take up in a response.
pub(super) fn names(principals: &[Principal]) -> usize {
    principals
        .iter()
        .map(|principal| NAME_PREFIX + principal.name().len())
        .sum()
}

fn check_stages(stages: &[Stage]) -> Result<(), Error> {
    if stages.len() > MOST_STAGES {
        return Err(Error::invalid("A role has at most 8 stages.").in_field("stages"));
    }
    for (index, stage) in stages.iter().enumerate() {
        bounded(&stage.approvers, "approvers").map_err(|error| error.at("stages", index))?;
        if !(1..=MAX_REQUIRED_APPROVALS).contains(&stage.required_approvals) {
            return Err(Error::invalid("must be 1 to 100.")
                .in_field("required_approvals")
                .at("stages", index));
        }
    }
    let required_approvals: Vec<u32> = stages
        .iter()
        .map(|stage| stage.required_approvals)
        .collect();
    if required_approvals.iter().sum::<u32>() > MAX_REQUIRED_APPROVALS_OF_ROLE {
        return Err(Error::invalid(
            "The stages of a role need at most 400 approvals in all.",
        ));
    }
    let people: StagePeople = stages.iter().map(people_named).collect();
    if shortages(&required_approvals, &people).is_empty() {
        Ok(())
    } else {
        let message = "The stages name fewer people than have to approve, and one person counts once over all stages.";
        Err(Error::invalid(message).in_field("stages"))
    }
}

/// Returns the people that a stage names; `None` if it names a group, which may have any number of members.
fn people_named(stage: &Stage) -> Option<HashSet<AccountId>> {
    let mut people = HashSet::new();
    for principal in &stage.approvers {
        match principal {
            Principal::Account(account) => people.insert(account.id),
            Principal::Group(_) => return None,
        };
    }
    Some(people)
}

fn bounded(principals: &[Principal], field: &'static str) -> Result<(), Error> {
    match principals.len() {
        1..=MOST_PRINCIPALS => Ok(()),
        _ => Err(Error::invalid("must be 1 to 1,000 accounts or groups.").in_field(field)),
    }
}

const MAX_REQUIRED_APPROVALS: u32 = 100;
/// A response with this many decisions, each with a long reason, fits into the 4 MiB that gRPC clients accept by
/// default.
const MAX_REQUIRED_APPROVALS_OF_ROLE: u32 = 400;
/// Names of this total size fit into the 4 MiB in addition to the decisions. Each counts a little more than its own
/// octets.
const LONGEST_NAMES: usize = 1024 * 1024;
const MOST_PRINCIPALS: usize = 1_000;
const MOST_STAGES: usize = 8;

/// The prefix of a name in a response, in octets.
const NAME_PREFIX: usize = 24;

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::account::{Account, Group};

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table reads best in one piece")]
    fn a_role_keeps_its_bounds() {
        type Change = fn(&mut Role);
        let table: [(&str, bool, Change); 29] = [
            ("as it is", true, |_| {}),
            ("without approval", true, |role| role.stages.clear()),
            ("no name", false, |role| role.display_name.clear()),
            ("a name of 257", false, |role| {
                role.display_name = "x".repeat(257)
            }),
            ("a name of nothing to see", false, |role| {
                role.display_name = "\u{3164}".into()
            }),
            ("a name of a space", false, |role| {
                role.display_name = " ".into()
            }),
            ("a name that turns around", false, |role| {
                role.display_name = "Readers \u{202e}toor".into()
            }),
            ("a name of the original", true, |role| {
                role.display_name = "Allow AD Access ".into()
            }),
            ("a description of 1,024", true, |role| {
                role.description = "x".repeat(1_024)
            }),
            ("a description of 1,025", false, |role| {
                role.description = "x".repeat(1_025)
            }),
            ("no duration", false, |role| {
                role.max_duration = Seconds::ZERO
            }),
            ("no candidates", false, |role| role.candidates.clear()),
            ("1,000 candidates", true, |role| {
                role.candidates = vec![named("g"); 1_000]
            }),
            ("1,001 candidates", false, |role| {
                role.candidates = vec![named("g"); 1_001]
            }),
            ("8 stages", true, |role| {
                role.stages = vec![stage(&["g"], 1); 8]
            }),
            ("9 stages", false, |role| {
                role.stages = vec![stage(&["g"], 1); 9]
            }),
            ("a stage without approvers", false, |role| {
                role.stages = vec![stage(&[], 1)]
            }),
            ("none needed", false, |role| {
                role.stages = vec![stage(&["g"], 0)]
            }),
            ("100 needed", true, |role| {
                role.stages = vec![stage(&["g"], 100)]
            }),
            ("400 needed in all", true, |role| {
                role.stages = vec![stage(&["g"], 100); 4]
            }),
            ("401 needed in all", false, |role| {
                role.stages = vec![stage(&["g"], 100); 4];
                role.stages.push(stage(&["g"], 1));
            }),
            ("long names", true, |role| {
                role.stages = vec![
                    Stage {
                        approvers: vec![named(&"g".repeat(200)); 500],
                        required_approvals: 1
                    };
                    8
                ]
            }),
            ("longer names", false, |role| {
                role.stages = vec![
                    Stage {
                        approvers: vec![named(&"g".repeat(200)); 600],
                        required_approvals: 1
                    };
                    8
                ]
            }),
            ("101 needed", false, |role| {
                role.stages = vec![stage(&["g"], 101)]
            }),
            ("fewer named than needed", false, |role| {
                role.stages = vec![stage(&["PRIV\\a"], 2)]
            }),
            ("one in two stages", false, |role| {
                role.stages = vec![stage(&["PRIV\\a"], 1); 2]
            }),
            ("a group beside", true, |role| {
                role.stages = vec![stage(&["PRIV\\a", "g"], 2)]
            }),
            ("no timeout", false, |role| {
                role.rules.pending_timeout = Some(Seconds::ZERO)
            }),
            ("a timeout", true, |role| {
                role.rules.pending_timeout = Some(Seconds::HOUR)
            }),
        ];
        for (case, valid, change) in table {
            let mut role = role();
            change(&mut role);
            assert_eq!(role.checked().is_ok(), valid, "{case}");
        }
    }

    #[test]
    fn the_rules_of_reasons_are_bounded_too() {
        let too_long = ReasonRule {
            min_length: 1_025,
            ..ReasonRule::default()
        };
        for rules in [
            Rules {
                justification: too_long.clone(),
                ..Rules::default()
            },
            Rules {
                decision_reason: too_long.clone(),
                ..Rules::default()
            },
        ] {
            assert!(Role { rules, ..role() }.checked().is_err());
        }
    }

    #[test]
    fn who_owns_every_stage_is_approved_only_where_the_role_says_so() {
        let stages = vec![stage(&["PRIV\\a", "g"], 1), stage(&["PRIV\\b", "g"], 1)];
        let table = [
            (true, vec!["g"], Some("g")),
            (true, vec![], None),
            (false, vec!["g"], None),
        ];
        for (auto_approve_owners, groups, approved_as) in table {
            let rules = Rules {
                auto_approve_owners,
                ..Rules::default()
            };
            let owned = Role {
                stages: stages.clone(),
                rules,
                ..role()
            };
            let groups: Vec<Group> = groups
                .into_iter()
                .map(|name| Group::named(name).unwrap())
                .collect();
            let principals = Principals::new(&Account::named("PRIV\\c").unwrap(), &groups);
            assert_eq!(
                owned.auto_approves(&principals).cloned(),
                approved_as.map(named)
            );
            assert_eq!(
                Role {
                    stages: Vec::new(),
                    ..owned
                }
                .auto_approves(&principals),
                None
            );
        }
    }

    fn role() -> Role {
        Role {
            id: RoleId(Uuid::nil()),
            display_name: "SQL".into(),
            description: String::new(),
            max_duration: Seconds::HOUR,
            candidates: vec![named("PRIV\\jen")],
            stages: vec![stage(&["PRIV\\sam"], 1)],
            rules: Rules::default(),
        }
    }

    fn stage(approvers: &[&str], required_approvals: u32) -> Stage {
        Stage {
            approvers: approvers.iter().copied().map(named).collect(),
            required_approvals,
        }
    }

    fn named(name: &str) -> Principal {
        match Account::named(name) {
            Ok(account) => Principal::Account(account),
            Err(_) => Principal::Group(Group::named(name).unwrap()),
        }
    }
}
