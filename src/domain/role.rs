//! Roles: what may be held, by whom, for how long, and who approves it.

use std::collections::HashSet;

use super::account::Principal;
use super::caller::Principals;
use super::error::Error;
use super::id::{AccountId, RoleId};
use super::moment::Life;
use super::reason::ReasonRule;
use super::stages::{Stage, shortages};
use super::text;
use super::window::Window;

/// What may be held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Role {
    /// Names the role for ever.
    pub id: RoleId,
    /// What people see, 1 to 256 characters, kept as it is.
    pub display_name: String,
    /// What it is for, at most 1,024 characters.
    pub description: String,
    /// The longest an elevation of this role lives.
    pub longest_life: Life,
    /// Who may ask: 1 to 1,000.
    pub candidates: Vec<Principal>,
    /// Who approves, one stage after the other, at most 8; none activates at once.
    pub stages: Vec<Stage>,
    /// What else it asks for.
    pub rules: Rules,
}

/// What a role asks for beside its approvers; nothing by default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// Whether a requester whom every stage names needs nobody else. Only this makes one approve one's own request.
    pub auto_approve_owners: bool,
    /// How long an approval waits before it expires; `None` is as long as the operator says.
    pub pending_timeout: Option<Life>,
    /// The time of day at which an elevation may start; `None` is any.
    pub window: Option<Window>,
    /// What a justification must be like.
    pub justification: ReasonRule,
    /// What the reason of a decision must be like.
    pub decision_reason: ReasonRule,
}

impl Role {
    /// The role, when it keeps its bounds and can be decided: it names as many people as have to approve.
    pub fn checked(self) -> Result<Self, Error> {
        text::name(&self.display_name, 256)?;
        text::bounded(&self.description)?;
        bounded(&self.candidates)?;
        if self.longest_life == Life::ZERO {
            return Err(Error::invalid("The longest life of a role is at least a second."));
        }
        check_stages(&self.stages)?;
        Ok(Self { rules: self.rules.checked()?, ..self })
    }

    /// The candidate that one of these is, who may ask to hold the role.
    pub fn candidate(&self, principals: &Principals) -> Option<&Principal> {
        principals.any_of(&self.candidates)
    }

    /// The approver that one of these is in any stage, who decides requests for the role. That never includes one's own
    /// request.
    pub fn approver(&self, principals: &Principals) -> Option<&Principal> {
        self.stages.iter().find_map(|stage| stage.approver(principals))
    }

    /// Whom the first stage names that one of these is, when every stage names one of them and the role approves such a
    /// requester by itself.
    pub fn auto_approves(&self, principals: &Principals) -> Option<&Principal> {
        let every = self.stages.iter().all(|stage| stage.approver(principals).is_some());
        self.stages.first().filter(|_| self.rules.auto_approve_owners && every)?.approver(principals)
    }
}

impl Rules {
    fn checked(self) -> Result<Self, Error> {
        if self.pending_timeout == Some(Life::ZERO) {
            return Err(Error::invalid("An approval waits for at least a second."));
        }
        Ok(Self {
            justification: self.justification.checked()?,
            decision_reason: self.decision_reason.checked()?,
            ..self
        })
    }
}

fn check_stages(stages: &[Stage]) -> Result<(), Error> {
    if stages.len() > MOST_STAGES {
        return Err(Error::invalid("A role has at most 8 stages."));
    }
    for stage in stages {
        bounded(&stage.approvers)?;
        if !(1..=MOST_NEEDED).contains(&stage.needed) {
            return Err(Error::invalid("A stage needs 1 to 100 approvers."));
        }
    }
    let needed: Vec<u32> = stages.iter().map(|stage| stage.needed).collect();
    let people: Vec<_> = stages.iter().map(people_named).collect();
    if shortages(&needed, &people).is_empty() {
        Ok(())
    } else {
        let message =
            "The stages name fewer people than have to approve, and one person counts once over all stages.";
        Err(Error::invalid(message))
    }
}

/// The people that a stage names; `None` when it names a group, which may have any number.
fn people_named(stage: &Stage) -> Option<HashSet<AccountId>> {
    let account = |principal: &Principal| match principal {
        Principal::Account(account) => Some(account.id),
        Principal::Group(_) => None,
    };
    stage.approvers.iter().map(account).collect()
}

fn bounded(principals: &[Principal]) -> Result<(), Error> {
    match principals.len() {
        1..=MOST_PRINCIPALS => Ok(()),
        _ => Err(Error::invalid("Candidates and approvers are 1 to 1,000 accounts or groups.")),
    }
}

const MOST_NEEDED: u32 = 100;
const MOST_PRINCIPALS: usize = 1_000;
const MOST_STAGES: usize = 8;
