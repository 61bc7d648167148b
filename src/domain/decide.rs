//! The rules: may this happen, and what happened?

use super::account::Account;
use super::caller::{Caller, Principals};
use super::elevation::{Approval, ApprovalStatus, Elevation, Verdict};
use super::error::{Error, Kind};
use super::event::{Decided, Event, Fact, Filed, Opened, Subject};
use super::id::{ApprovalId, ElevationId};
use super::moment::{Life, Moment};
use super::rights;
use super::role::{Role, Stage};
use super::version::Versioned;

/// What a decision may rely on. The service loaded it; the commit expects that it still holds.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// The elevation that the command is about; `None` when there is none, or not yet.
    pub elevation: Option<&'a Elevation>,
    /// How long an approval waits before it expires.
    pub pending_timeout: Life,
    /// Everything that the requester of the elevation counts as, by the directory, now.
    pub requester: &'a Principals,
    /// The role that the command is about, as it is now; `None` when there is none.
    pub role: Option<&'a Versioned<Role>>,
}

/// What somebody wants to happen.
#[derive(Clone, Debug)]
pub enum Command {
    /// Create a role.
    CreateRole(Role),
    /// Approve or reject what was asked.
    Decide {
        /// Which way.
        verdict: Verdict,
        /// Why, where a reason is given.
        reason: Option<String>,
    },
    /// Ask to hold the role.
    File(Filing),
}

/// What somebody asks for, with the ids that it gets if it is accepted.
#[derive(Clone, Debug)]
pub struct Filing {
    /// The id of the elevation.
    pub elevation: ElevationId,
    /// The id of its approval, should the role need one.
    pub approval: ApprovalId,
    /// How long to hold the role; `None` is as long as it allows.
    pub life: Option<Life>,
    /// Why, where it is said.
    pub justification: Option<String>,
}

/// Why something may not happen: an expected outcome, to be told to the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The caller may not do this, or the thing is not there; which of the two is not told.
    AccessDenied,
    /// The caller has decided the other way before.
    AlreadyDecided,
    /// The approval is decided or expired.
    ApprovalNotPending(ApprovalStatus),
    /// The requester is not a candidate of the role any more.
    RequesterNotCandidate,
    /// The id of the role is taken.
    RoleExists,
}

/// Decides `command` at `now`: the events that happened, in order, or why nothing did. No events means that the command
/// repeats what is true already.
pub fn decide(facts: &Facts<'_>, command: Command, now: Moment) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::CreateRole(role) => create_role(facts, role, now),
        Command::Decide { verdict, reason } => decide_approval(facts, verdict, reason, now),
        Command::File(filing) => file(facts, filing, now),
    }
}

fn create_role(facts: &Facts<'_>, role: Role, now: Moment) -> Result<Vec<Event>, Refusal> {
    rights::administers(facts.caller)?;
    if facts.role.is_some() {
        return Err(Refusal::RoleExists);
    }
    let by = facts.caller.account.clone();
    let subject = Subject::Role(role.id);
    Ok(vec![Event { time: now, subject, fact: Fact::RoleCreated { by, role: Box::new(role) } }])
}

fn file(facts: &Facts<'_>, filing: Filing, now: Moment) -> Result<Vec<Event>, Refusal> {
    let role = rights::requests(facts.caller.principals(), facts.role.map(|role| &role.value))?;
    let requested_life = filing.life.unwrap_or(role.longest_life);
    let life = requested_life.min(role.longest_life);
    let approval = role
        .stage
        .as_ref()
        .map(|_| Opened { id: filing.approval, pending_until: now.after(facts.pending_timeout) });
    let filed = Fact::Filed(Box::new(Filed {
        requester: facts.caller.account.clone(),
        role: role.id,
        role_revision: facts.role_revision(),
        role_display_name: role.display_name.clone(),
        justification: filing.justification,
        requested_life,
        life,
        requested_start: now,
        approval,
    }));
    let activated = approval.is_none().then(|| Fact::Activated { expires_at: now.after(life) });
    Ok(events(filing.elevation, now, [Some(filed), activated]))
}

fn decide_approval(
    facts: &Facts<'_>,
    verdict: Verdict,
    reason: Option<String>,
    now: Moment,
) -> Result<Vec<Event>, Refusal> {
    let elevation = facts.elevation.ok_or(Refusal::AccessDenied)?;
    let role = facts.role.map(|role| &role.value);
    rights::decides(facts.caller, elevation, role)?;
    let (Some(approval), Some(stage)) = (&elevation.approval, role.and_then(|role| role.stage.as_ref()))
    else {
        return Err(Refusal::AccessDenied);
    };
    let own = own_decision(approval, &facts.caller.account);
    if own == Some(verdict) {
        return Ok(Vec::new());
    }
    match elevation.approval_status(now) {
        Some(ApprovalStatus::Pending) if own.is_some() => return Err(Refusal::AlreadyDecided),
        Some(ApprovalStatus::Pending) => {}
        Some(status) => return Err(Refusal::ApprovalNotPending(status)),
        None => return Err(Refusal::AccessDenied),
    }
    let decided =
        Decided { approver: facts.caller.account.clone(), reason, role_revision: facts.role_revision() };
    let facts = match verdict {
        Verdict::Reject => [Some(Fact::Rejected(decided)), None],
        Verdict::Approve => {
            rights::requests(facts.requester, role).map_err(|_| Refusal::RequesterNotCandidate)?;
            let activated =
                completes(approval, stage).then(|| Fact::Activated { expires_at: now.after(elevation.life) });
            [Some(Fact::Approved(decided)), activated]
        }
    };
    Ok(events(elevation.id, now, facts))
}

fn own_decision(approval: &Approval, caller: &Account) -> Option<Verdict> {
    let own = approval.decisions.iter().find(|decision| decision.approver.id == caller.id);
    own.map(|decision| decision.verdict)
}

/// Whether one more approval is enough. Every stored decision is of another person, and an open approval has only
/// approvals.
fn completes(approval: &Approval, stage: &Stage) -> bool {
    approval.decisions.len() + 1 >= usize::try_from(stage.needed).unwrap_or(usize::MAX)
}

fn events(subject: ElevationId, time: Moment, facts: [Option<Fact>; 2]) -> Vec<Event> {
    let event = |fact| Event { time, subject: Subject::Elevation(subject), fact };
    facts.into_iter().flatten().map(event).collect()
}

impl Facts<'_> {
    fn role_revision(&self) -> u64 {
        self.role.map_or(0, |role| role.version.0)
    }
}

impl ApprovalStatus {
    /// The status in one word, as callers are told it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::Expired => "EXPIRED",
            Self::Pending => "PENDING",
            Self::Rejected => "REJECTED",
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::AccessDenied => {
                Self::new(Kind::AccessDenied, "You may not do this, or there is no such object.")
            }
            Refusal::AlreadyDecided => {
                Self::new(Kind::AlreadyDecided, "You have decided this approval the other way.")
            }
            Refusal::ApprovalNotPending(status) => {
                let message = match status {
                    ApprovalStatus::Approved => "The approval is no longer pending: it was approved.",
                    ApprovalStatus::Expired => "The approval is no longer pending: it expired.",
                    ApprovalStatus::Pending => "The approval is pending.",
                    ApprovalStatus::Rejected => "The approval is no longer pending: it was rejected.",
                };
                Self { status: Some(status.name()), ..Self::new(Kind::ApprovalNotPending, message) }
            }
            Refusal::RequesterNotCandidate => Self::new(
                Kind::RequesterNotCandidate,
                "The requester may not hold this role any more; the request can only be rejected.",
            ),
            Refusal::RoleExists => Self::new(Kind::RoleExists, "There is a role with this id already."),
        }
    }
}
