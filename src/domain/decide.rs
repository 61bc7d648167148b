//! The rules: may this happen, and what happened?

mod approval;
mod due;
mod filing;
mod role;

use super::account::Principal;
use super::caller::{Caller, Principals};
use super::elevation::{Elevation, Status, Verdict};
use super::event::{Activated, Actor, ClientRequest, Event, Fact, Origin, Subject};
use super::id::{ApprovalId, ElevationId};
use super::moment::{Moment, Seconds};
use super::policy::Policy;
use super::quota::Load;
use super::refusal::Refusal;
use super::rights;
use super::role::Role;
use super::version::{Version, Versioned};
pub use due::{Due, advance};

/// What a decision may rely on. The service loaded it; the commit expects that it still holds.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// Where the request came from.
    pub origin: &'a Origin,
    /// What the operator sets.
    pub policy: &'a Policy,
    /// The elevation that the command is about; `None` when there is none, or not yet.
    pub elevation: Option<&'a Elevation>,
    /// Everything that those who have decided the approval count as, by the directory, now, in the order of the decisions.
    pub deciders: &'a [Principals],
    /// How much the caller asks for already; only loaded where there is a quota, for who files.
    pub load: Load,
    /// Everything that the requester of the elevation counts as, by the directory, now.
    pub requester: &'a Principals,
    /// The elevations of the role that the caller holds or waits for; only loaded for who gives the role up.
    pub live: &'a [Versioned<Elevation>],
    /// The last elevation that the caller filed under the same name of the client's; only loaded where there is a name.
    pub filed_before: Option<&'a Elevation>,
    /// The role that the command is about, as it is now; `None` when there is none.
    pub role: Option<&'a Versioned<Role>>,
    /// Whether the id of the role is taken, if only by a role that was deleted.
    pub role_id_taken: bool,
    /// Whether elevations of the role are pending, scheduled or active; only loaded for who deletes it.
    pub role_in_use: bool,
}

impl<'a> Facts<'a> {
    /// What is known of every command: who calls.
    pub fn of(caller: &'a Caller, origin: &'a Origin, policy: &'a Policy) -> Self {
        Self {
            caller,
            origin,
            policy,
            elevation: None,
            deciders: &[],
            load: Load::default(),
            requester: caller.principals(),
            live: &[],
            filed_before: None,
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
    /// Ask to hold the role, or, with a duration of zero, give it up.
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
    pub duration: Option<Seconds>,
    /// Why, where it is said.
    pub justification: Option<String>,
    /// The start that is asked for; `None` is now.
    pub requested_start_time: Option<Moment>,
    /// The client's own name of the request, where it gives one.
    pub client_request: Option<ClientRequest>,
}

/// Decides `command` at `now`: the events that happened, in order, or why nothing did. No events means that the command
/// repeats what is true already.
pub fn decide(facts: &Facts<'_>, command: Command, now: Moment) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Close => close(facts, now),
        Command::CreateRole(role) => role::create(facts, role, now),
        Command::Decide { verdict, reason } => approval::decide(facts, verdict, reason, now),
        Command::DeleteRole => role::delete(facts, now),
        Command::File(filing) => filing::file(facts, &filing, now),
        Command::UpdateRole(role, version) => role::update(facts, role, version, now),
    }
}

fn close(facts: &Facts<'_>, now: Moment) -> Result<Vec<Event>, Refusal> {
    let elevation = rights::closes(facts.caller, facts.elevation)?;
    match elevation.status(now) {
        Status::Closed => Ok(Vec::new()),
        ended @ (Status::Expired | Status::Rejected) => Err(Refusal::ElevationEnded(ended)),
        Status::Active | Status::PendingApproval | Status::Scheduled => Ok(events(
            elevation.id,
            now,
            Some(&facts.actor(None)),
            [Some(Fact::Closed), None],
        )),
    }
}

/// What happens once nothing but the start is missing: the duration begins, or the start is waited for.
fn begin(
    start: Moment,
    duration: Seconds,
    role: &Versioned<Role>,
    via: &Principal,
    now: Moment,
) -> Fact {
    if start > now {
        return Fact::Scheduled;
    }
    Fact::Activated(Activated {
        expire_time: now.after(duration.min(role.value.max_duration)),
        role_revision: role.version.0,
        requester_via: Some(via.clone()),
    })
}

fn events(
    subject: ElevationId,
    time: Moment,
    by: Option<&Actor>,
    facts: [Option<Fact>; 2],
) -> Vec<Event> {
    let event = |fact| Event {
        time,
        subject: Subject::Elevation(subject),
        by: by.cloned(),
        fact,
    };
    facts.into_iter().flatten().map(event).collect()
}
