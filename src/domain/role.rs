//! Roles: what may be held, by whom, for how long, and who approves it.

use super::account::Principal;
use super::caller::Principals;
use super::error::Error;
use super::id::RoleId;
use super::moment::Life;
use super::text;

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
    /// Who approves; `None` activates at once.
    pub stage: Option<Stage>,
}

impl Role {
    /// The role, when it keeps its bounds.
    pub fn checked(self) -> Result<Self, Error> {
        text::name(&self.display_name, 256)?;
        text::bounded(&self.description)?;
        bounded(&self.candidates)?;
        if self.longest_life == Life::ZERO {
            return Err(Error::invalid("The longest life of a role is at least a second."));
        }
        if let Some(stage) = &self.stage {
            bounded(&stage.approvers)?;
            if !(1..=MOST_NEEDED).contains(&stage.needed) {
                return Err(Error::invalid("A stage needs 1 to 100 approvers."));
            }
        }
        Ok(self)
    }

    /// The candidate that one of these is, who may ask to hold the role.
    pub fn candidate(&self, principals: &Principals) -> Option<&Principal> {
        principals.any_of(&self.candidates)
    }

    /// The approver that one of these is, who decides requests for the role. That never includes one's own request.
    pub fn approver(&self, principals: &Principals) -> Option<&Principal> {
        principals.any_of(&self.stage.as_ref()?.approvers)
    }
}

/// A set of approvers, and how many of them must approve.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stage {
    /// Who may decide: 1 to 1,000.
    pub approvers: Vec<Principal>,
    /// How many distinct people must approve, 1 to 100.
    pub needed: u32,
}

fn bounded(principals: &[Principal]) -> Result<(), Error> {
    match principals.len() {
        1..=MOST_PRINCIPALS => Ok(()),
        _ => Err(Error::invalid("Candidates and approvers are 1 to 1,000 accounts or groups.")),
    }
}

const MOST_NEEDED: u32 = 100;
const MOST_PRINCIPALS: usize = 1_000;
