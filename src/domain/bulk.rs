//! The size of objects in a response, which is bounded.

use super::account::Account;
use super::approval::Decision;
use super::elevation::Elevation;
use super::reason::{Pattern, ReasonRule};
use super::role::{Role, names};
use super::version::Versioned;

/// An object that takes up room in a response.
pub trait Bulk {
    /// Returns the maximum number of octets that it takes up, in either dialect of the services.
    fn octets(&self) -> usize;
}

impl Bulk for Versioned<Elevation> {
    fn octets(&self) -> usize {
        let elevation = &self.value;
        let decisions = elevation
            .approval
            .iter()
            .flat_map(|approval| &approval.decisions);
        ROW + account(&elevation.requester)
            + elevation.role_display_name.len()
            + elevation.justification.as_ref().map_or(0, String::len)
            + decisions.map(decision).sum::<usize>()
    }
}

impl Bulk for Versioned<Role> {
    fn octets(&self) -> usize {
        let role = &self.value;
        let rules = [&role.rules.justification, &role.rules.decision_reason];
        let stages = role
            .stages
            .iter()
            .map(|stage| PART + names(&stage.approvers));
        ROW + role.display_name.len()
            + role.description.len()
            + names(&role.candidates)
            + rules.into_iter().map(rule).sum::<usize>()
            + stages.sum::<usize>()
    }
}

/// Returns the octets of an account: the response contains its whole name, and the name without its domain.
fn account(account: &Account) -> usize {
    ACCOUNT + 2 * account.name.len()
}

fn decision(decision: &Decision) -> usize {
    ROW + account(&decision.approver) + decision.reason.as_ref().map_or(0, String::len)
}

fn rule(rule: &ReasonRule) -> usize {
    PART + rule
        .pattern
        .as_ref()
        .map_or(0, |pattern| Pattern::as_str(pattern).len())
}

/// Ids, moments, lengths of time and numbers of an elevation, a role or a decision.
const ROW: usize = 320;
/// An id, and the bytes before the texts.
const ACCOUNT: usize = 64;
/// Numbers, and the prefix of a text.
const PART: usize = 24;
