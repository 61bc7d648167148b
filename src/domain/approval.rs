//! Approvals, and the decisions on them.

use super::account::Account;
use super::id::{AccountId, ApprovalId};
use super::moment::Moment;

/// An approval, which the approvers of the role decide.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approval {
    /// The id, which never changes.
    pub id: ApprovalId,
    /// The time at which it expires unless it is decided before.
    pub pending_expire_time: Moment,
    /// The decision as a whole; `None` while it is open, and always if it expired.
    pub outcome: Option<Verdict>,
    /// The index of the stage that was open after the last decision, from 0.
    pub stage: usize,
    /// All decisions, oldest first, at most one of each approver.
    pub decisions: Vec<Decision>,
}

/// The decision of one approver.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    /// The approver.
    pub approver: Account,
    /// The index of the stage that it counts for, from 0.
    pub stage: usize,
    /// Whether the approver approved or rejected.
    pub verdict: Verdict,
    /// The reason, if the approver gave one.
    pub reason: Option<String>,
    /// The time of the decision.
    pub decide_time: Moment,
}

/// The direction of a decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// For the elevation.
    Approve,
    /// Against the elevation.
    Reject,
}

impl Approval {
    /// Returns the decision of an account, if it has decided.
    pub fn decision_of(&self, approver: AccountId) -> Option<&Decision> {
        self.decisions
            .iter()
            .find(|decision| decision.approver.id == approver)
    }
}
