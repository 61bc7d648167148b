//! The rules: may this happen, and what happened?

use super::account::{Account, Principal};
use super::caller::{Caller, Principals};
use super::elevation::{Approval, ApprovalStatus, Elevation, Status, Verdict};
use super::error::{Error, Kind};
use super::event::{Actor, Decided, Event, Fact, Filed, Opened, Origin, Subject};
use super::id::{AccountId, ApprovalId, ElevationId, RoleId};
use super::moment::{Life, Moment};
use super::quota::{Load, Quota};
use super::rights;
use super::role::{Role, Stage};
use super::version::{Version, Versioned};

/// What a decision may rely on. The service loaded it; the commit expects that it still holds.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// Where the request came from.
    pub origin: &'a Origin,
    /// The elevation that the command is about; `None` when there is none, or not yet.
    pub elevation: Option<&'a Elevation>,
    /// Those who have decided before and still are approvers of the role, by the directory, now.
    pub standing: &'a [AccountId],
    /// How long an approval waits before it expires.
    pub pending_timeout: Life,
    /// How much one requester may ask for.
    pub quota: Quota,
    /// How much the caller asks for already; only loaded where there is a quota, for who files.
    pub load: Load,
    /// Everything that the requester of the elevation counts as, by the directory, now.
    pub requester: &'a Principals,
    /// The elevations of the role that the caller holds or waits for; only loaded for who gives the role up.
    pub live: &'a [Versioned<Elevation>],
    /// The role that the command is about, as it is now; `None` when there is none.
    pub role: Option<&'a Versioned<Role>>,
    /// Whether the id of the role is taken, if only by a role that was deleted.
    pub role_id_taken: bool,
    /// Whether elevations of the role are pending or active; only loaded for who deletes it.
    pub role_in_use: bool,
}

impl<'a> Facts<'a> {
    /// What is known of every command: who calls.
    pub fn of(caller: &'a Caller, origin: &'a Origin, pending_timeout: Life, quota: Quota) -> Self {
        Self {
            caller,
            origin,
            elevation: None,
            pending_timeout,
            quota,
            load: Load::default(),
            requester: caller.principals(),
            standing: &[],
            live: &[],
            role: None,
            role_id_taken: false,
            role_in_use: false,
        }
    }

    /// The caller as the record knows who acted, by the right of being named by the role as `via`.
    fn actor(&self, via: Option<&Principal>) -> Actor {
        Actor {
            account: self.caller.account.clone(),
            via: via.cloned(),
            credential: self.caller.credential.clone(),
            origin: self.origin.clone(),
        }
    }

    fn role_revision(&self) -> u64 {
        self.role.map_or(0, |role| role.version.0)
    }
}

/// What somebody wants to happen.
#[derive(Clone, Debug)]
pub enum Command {
    /// Give an elevation up.
    Close,
    /// Create a role.
    CreateRole(Role),
    /// Approve or reject what was asked.
    Decide {
        /// Which way.
        verdict: Verdict,
        /// Why, where a reason is given.
        reason: Option<String>,
    },
    /// Delete a role.
    DeleteRole,
    /// Ask to hold the role, or, with a life of zero, give it up.
    File(Filing),
    /// Put a role in the place of the one at that version.
    UpdateRole(Role, Version),
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
    /// The start that is asked for; `None` is now.
    pub requested_start: Option<Moment>,
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
    /// The elevation was rejected or has expired.
    ElevationEnded(Status),
    /// The requester is not a candidate of the role any more.
    RequesterNotCandidate,
    /// Somebody else changed the role.
    RoleChanged,
    /// The id of the role is taken.
    RoleExists,
    /// Elevations of the role are pending or active.
    RoleInUse,
    /// The caller has filed as many elevations within an hour as one may.
    TooManyFilings(u32),
    /// As many of the caller's elevations wait for approval as may.
    TooManyPending(u32),
}

/// Decides `command` at `now`: the events that happened, in order, or why nothing did. No events means that the command
/// repeats what is true already.
pub fn decide(facts: &Facts<'_>, command: Command, now: Moment) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Close => close(facts, now),
        Command::CreateRole(role) => create_role(facts, role, now),
        Command::Decide { verdict, reason } => decide_approval(facts, verdict, reason, now),
        Command::DeleteRole => delete_role(facts, now),
        Command::File(filing) if filing.life == Some(Life::ZERO) => give_up(facts, &filing, now),
        Command::File(filing) => file(facts, &filing, now),
        Command::UpdateRole(role, version) => update_role(facts, role, version, now),
    }
}

fn create_role(facts: &Facts<'_>, role: Role, now: Moment) -> Result<Vec<Event>, Refusal> {
    rights::administers(facts.caller)?;
    if facts.role_id_taken {
        return Err(Refusal::RoleExists);
    }
    Ok(vec![role_event(facts, role.id, now, Fact::RoleCreated(Box::new(role)))])
}

fn update_role(facts: &Facts<'_>, role: Role, version: Version, now: Moment) -> Result<Vec<Event>, Refusal> {
    rights::administers(facts.caller)?;
    let before = facts.role.ok_or(Refusal::AccessDenied)?;
    if before.version != version {
        return Err(Refusal::RoleChanged);
    }
    Ok(vec![role_event(facts, role.id, now, Fact::RoleUpdated(Box::new(role)))])
}

fn delete_role(facts: &Facts<'_>, now: Moment) -> Result<Vec<Event>, Refusal> {
    rights::administers(facts.caller)?;
    let role = facts.role.ok_or(Refusal::AccessDenied)?;
    if facts.role_in_use {
        return Err(Refusal::RoleInUse);
    }
    Ok(vec![role_event(facts, role.value.id, now, Fact::RoleDeleted)])
}

fn role_event(facts: &Facts<'_>, role: RoleId, time: Moment, fact: Fact) -> Event {
    Event { time, subject: Subject::Role(role), by: facts.actor(None), fact }
}

fn close(facts: &Facts<'_>, now: Moment) -> Result<Vec<Event>, Refusal> {
    let elevation = rights::closes(facts.caller, facts.elevation)?;
    match elevation.status(now) {
        Status::Closed => Ok(Vec::new()),
        ended @ (Status::Expired | Status::Rejected) => Err(Refusal::ElevationEnded(ended)),
        Status::Active | Status::PendingApproval | Status::Scheduled => {
            Ok(events(elevation.id, now, &facts.actor(None), [Some(Fact::Closed), None]))
        }
    }
}

/// Closes what is live of the role, and files an elevation of no life that says so in the caller's history. Whoever holds
/// a role may give it up, candidate or not, and however much was filed before.
fn give_up(facts: &Facts<'_>, filing: &Filing, now: Moment) -> Result<Vec<Event>, Refusal> {
    let role = facts.role.ok_or(Refusal::AccessDenied)?;
    let candidate = rights::requests(facts.caller.principals(), Some(&role.value));
    if facts.live.is_empty() {
        candidate?;
        facts.quota.allow_filing(facts.load)?;
    }
    let filed = filed(facts, filing, &role.value, now, None);
    let mut happened = events(filing.elevation, now, &facts.actor(candidate.ok()), [Some(filed), None]);
    let by = facts.actor(None);
    happened.extend(events(filing.elevation, now, &by, [Some(Fact::Closed), None]));
    let closed =
        facts.live.iter().flat_map(|live| events(live.value.id, now, &by, [Some(Fact::Closed), None]));
    happened.extend(closed);
    Ok(happened)
}

fn file(facts: &Facts<'_>, filing: &Filing, now: Moment) -> Result<Vec<Event>, Refusal> {
    let role = &facts.role.ok_or(Refusal::AccessDenied)?.value;
    let by = facts.actor(Some(rights::requests(facts.caller.principals(), Some(role))?));
    facts.quota.allow_filing(facts.load)?;
    if role.stage.is_some() {
        facts.quota.allow_pending(facts.load)?;
    }
    let approval = role
        .stage
        .as_ref()
        .map(|_| Opened { id: filing.approval, pending_until: now.after(facts.pending_timeout) });
    let filed = filed(facts, filing, role, now, approval);
    let life = filing.life.unwrap_or(role.longest_life).min(role.longest_life);
    let activated = approval.is_none().then(|| Fact::Activated { expires_at: now.after(life) });
    Ok(events(filing.elevation, now, &by, [Some(filed), activated]))
}

fn filed(facts: &Facts<'_>, filing: &Filing, role: &Role, now: Moment, approval: Option<Opened>) -> Fact {
    let requested_life = filing.life.unwrap_or(role.longest_life);
    Fact::Filed(Box::new(Filed {
        role: role.id,
        role_revision: facts.role_revision(),
        role_display_name: role.display_name.clone(),
        justification: filing.justification.clone(),
        requested_life,
        life: requested_life.min(role.longest_life),
        requested_start: filing.requested_start.unwrap_or(now),
        approval,
    }))
}

fn decide_approval(
    facts: &Facts<'_>,
    verdict: Verdict,
    reason: Option<String>,
    now: Moment,
) -> Result<Vec<Event>, Refusal> {
    let elevation = facts.elevation.ok_or(Refusal::AccessDenied)?;
    let role = facts.role.map(|role| &role.value);
    let by = facts.actor(Some(rights::decides(facts.caller, elevation, role)?));
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
    let decided = |requester_via| Decided { reason, role_revision: facts.role_revision(), requester_via };
    let happened = match verdict {
        Verdict::Reject => [Some(Fact::Rejected(decided(None))), None],
        Verdict::Approve => {
            let candidate =
                rights::requests(facts.requester, role).map_err(|_| Refusal::RequesterNotCandidate)?;
            let activated = completes(approval, stage, facts.standing)
                .then(|| Fact::Activated { expires_at: now.after(elevation.life) });
            [Some(Fact::Approved(decided(Some(candidate.clone())))), activated]
        }
    };
    Ok(events(elevation.id, now, &by, happened))
}

fn own_decision(approval: &Approval, caller: &Account) -> Option<Verdict> {
    let own = approval.decisions.iter().find(|decision| decision.approver.id == caller.id);
    own.map(|decision| decision.verdict)
}

/// Whether one more approval is enough. Every stored decision is of another person, an open approval has only approvals,
/// and those of people who are approvers no more do not count.
fn completes(approval: &Approval, stage: &Stage, standing: &[AccountId]) -> bool {
    let counted =
        approval.decisions.iter().filter(|decision| standing.contains(&decision.approver.id)).count();
    counted + 1 >= usize::try_from(stage.needed).unwrap_or(usize::MAX)
}

fn events(subject: ElevationId, time: Moment, by: &Actor, facts: [Option<Fact>; 2]) -> Vec<Event> {
    let event = |fact| Event { time, subject: Subject::Elevation(subject), by: by.clone(), fact };
    facts.into_iter().flatten().map(event).collect()
}

impl ApprovalStatus {
    /// The status in one word, as callers are told it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::Closed => "CLOSED",
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
                    ApprovalStatus::Closed => "The approval is no longer pending: the request was closed.",
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
            Refusal::ElevationEnded(status) => {
                let (name, message) = match status {
                    Status::Rejected => ("REJECTED", "The request has ended: it was rejected."),
                    _ => ("EXPIRED", "The request has ended: it expired."),
                };
                Self { status: Some(name), ..Self::new(Kind::ElevationEnded, message) }
            }
            Refusal::RoleChanged => {
                Self::new(Kind::RoleChanged, "The role was changed since it was read. Read it again.")
            }
            Refusal::RoleInUse => Self::new(
                Kind::RoleInUse,
                "Elevations of the role are pending or active; they have to end first.",
            ),
            Refusal::RoleExists => Self::new(Kind::RoleExists, "There is, or was, a role with this id."),
            Refusal::TooManyFilings(most) => Self::new(
                Kind::TooManyFilings,
                format!("You have filed {most} requests within an hour, and one may not file more."),
            ),
            Refusal::TooManyPending(most) => Self::new(
                Kind::TooManyPending,
                format!("{most} of your requests wait for approval, and no more may wait at once."),
            ),
        }
    }
}
