//! One method per operation: load the facts, decide, apply, commit.
//!
//! Both dialects end here. The service owns the clock and the ids, and knows the store only by its law.

mod approvals;
mod census;
mod elevations;
mod filing;
mod roles;
mod scheduler;
mod turns;

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::directory::Directory;
use crate::domain::caller::{Caller, Principals};
use crate::domain::decide::Facts;
use crate::domain::elevation::{Elevation, Status};
use crate::domain::error::{Error, Kind};
use crate::domain::event::{Event, Origin};
use crate::domain::explain::is_undecidable;
use crate::domain::id::AccountId;
use crate::domain::moment::Moment;
use crate::domain::policy::Policy;
use crate::domain::refusal::Refusal;
use crate::domain::role::Role;
use crate::domain::version::{Version, Versioned};
use crate::ids::Ids;
use crate::store::{Change, Commit, Key, Record, Store};
use crate::time::{Deadline, Time};
use census::LastCensus;
use scheduler::Wake;
use turns::Turns;

pub use approvals::ApprovalDecision;
pub use elevations::History;
pub use filing::{Filed, Request};
pub use roles::Checked;

/// The operations.
pub struct Service {
    store: Arc<dyn Store>,
    directory: Arc<dyn Directory>,
    time: Arc<Time>,
    ids: Arc<dyn Ids>,
    policy: Policy,
    wake: Wake,
    census: LastCensus,
    turns: Turns,
}

/// What comes with every request that changes something.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where it came from, for the record.
    pub origin: Origin,
    /// Until when somebody waits for the answer.
    pub deadline: Option<Deadline>,
}

/// An elevation, and the moment at which its status is told.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The elevation.
    pub elevation: Versioned<Elevation>,
    /// The moment.
    pub now: Moment,
}

impl Service {
    /// The operations on that store, with those peers.
    pub fn new(
        store: Arc<dyn Store>,
        directory: Arc<dyn Directory>,
        time: Arc<Time>,
        ids: Arc<dyn Ids>,
        policy: Policy,
    ) -> Self {
        let (wake, census, turns) = (Wake::new(), LastCensus::new(), Turns::default());
        Self {
            store,
            directory,
            time,
            ids,
            policy,
            wake,
            census,
            turns,
        }
    }

    /// Whether the clock of the machine was fit to decide by when it was last looked at, and when that changes.
    pub fn right_time(&self) -> watch::Receiver<bool> {
        self.time.right()
    }

    /// What is known of every command.
    fn facts<'a>(&'a self, caller: &'a Caller, request: &'a Context) -> Facts<'a> {
        Facts::of(caller, &request.origin, &self.policy)
    }

    /// Everything that those count as who have decided the approval of an elevation, in the order of the decisions.
    async fn deciders(&self, elevation: &Elevation, now: Moment) -> Result<Vec<Principals>, Error> {
        let mut deciders = Vec::new();
        for decision in elevation
            .approval
            .iter()
            .flat_map(|approval| &approval.decisions)
        {
            deciders.push(self.directory.principals(&decision.approver, now).await?);
        }
        Ok(deciders)
    }

    /// The people of each stage of a role, as many as it takes to tell whether a request can be decided on which there are
    /// so many decisions.
    async fn people(
        &self,
        role: Option<&Versioned<Role>>,
        decisions: usize,
        now: Moment,
    ) -> Result<Vec<Option<HashSet<AccountId>>>, Error> {
        self.most_people(role, enough(role, decisions), now).await
    }

    /// The people of each stage of a role, `most` of each at most.
    async fn most_people(
        &self,
        role: Option<&Versioned<Role>>,
        most: usize,
        now: Moment,
    ) -> Result<Vec<Option<HashSet<AccountId>>>, Error> {
        let mut people = Vec::new();
        for stage in role.iter().flat_map(|role| &role.value.stages) {
            people.push(self.directory.members(&stage.approvers, most, now).await?);
        }
        Ok(people)
    }

    /// Whether an elevation waits for approval and too few people are left to give it.
    async fn is_undecidable(
        &self,
        elevation: &Elevation,
        role: Option<&Versioned<Role>>,
        now: Moment,
    ) -> Result<bool, Error> {
        if elevation.status(now) != Status::PendingApproval {
            return Ok(false);
        }
        let deciders = self.deciders(elevation, now).await?;
        let people = self.people(role, deciders.len(), now).await?;
        Ok(is_undecidable(elevation, role, &deciders, &people, now))
    }

    /// Passes on what was decided, after a commit that confirms `reported` if the response would only report that record.
    /// Without the commit a failover could undo what the caller was told. Returns the events to commit, or `None` if the
    /// record has changed since it was read; then the facts have to be loaded again.
    async fn confirmed(
        &self,
        decided: Result<Vec<Event>, Refusal>,
        reported: Option<(Key, Version)>,
        deadline: Option<Deadline>,
    ) -> Result<Option<Vec<Event>>, Error> {
        let only_reports = match &decided {
            Ok(events) => events.is_empty(),
            Err(refusal) => refusal.reports_a_record(),
        };
        if only_reports {
            let expects = reported.into_iter().collect();
            let nothing = Change {
                expects,
                puts: Vec::new(),
                events: Vec::new(),
                deadline,
            };
            if self.store.commit(nothing).await? == Commit::Conflict {
                return Ok(None);
            }
        }
        Ok(Some(decided?))
    }

    /// Commits the outcome of a decision; answers the elevation that its first event is about. `None` when somebody else
    /// was faster; then the facts have to be loaded again.
    async fn commit(
        &self,
        outcome: Outcome,
        deadline: Option<Deadline>,
    ) -> Result<Option<Versioned<Elevation>>, Error> {
        let mut after = Vec::new();
        let mut before = outcome.before;
        let mut expects = outcome.relied_on;
        for event in &outcome.events {
            fold(&mut before, &mut after, event)?;
        }
        expects.extend(
            after
                .iter()
                .map(|(version, elevation)| (Key::Elevation(elevation.id), *version)),
        );
        let mut puts = outcome.puts;
        puts.extend(
            after
                .iter()
                .map(|(_, elevation)| Record::Elevation(Box::new(elevation.clone()))),
        );
        // Before the commit too: whoever asked may be gone by its end.
        after
            .iter()
            .for_each(|(_, elevation)| self.wake.tell(elevation));
        let change = Change {
            expects,
            puts,
            events: outcome.events,
            deadline,
        };
        match self.store.commit(change).await? {
            Commit::Committed { .. } => {
                after
                    .iter()
                    .for_each(|(_, elevation)| self.wake.tell(elevation));
                let first = after.into_iter().next();
                let (version, value) = first
                    .ok_or_else(|| Error::internal("a decision without events was committed"))?;
                Ok(Some(Versioned {
                    version: version.next(),
                    value,
                }))
            }
            Commit::Conflict => Ok(None),
        }
    }
}

/// What a decision on elevations leads to.
#[derive(Default)]
struct Outcome {
    /// The elevations that its events are about, as far as there were any before.
    before: Vec<Versioned<Elevation>>,
    /// What else it relied on.
    relied_on: Vec<(Key, Version)>,
    /// What it writes beside the elevations.
    puts: Vec<Record>,
    /// What happened.
    events: Vec<Event>,
}

/// Applies an event to the elevation that it is about, which moves from `before` to `after` with the version that it had.
fn fold(
    before: &mut Vec<Versioned<Elevation>>,
    after: &mut Vec<(Version, Elevation)>,
    event: &Event,
) -> Result<(), Error> {
    let subject = event.subject.id();
    if let Some((_, elevation)) = after
        .iter_mut()
        .find(|(_, elevation)| elevation.id.0 == subject)
    {
        *elevation = Elevation::apply(Some(elevation.clone()), event)?;
        return Ok(());
    }
    let known = before.iter().position(|known| known.value.id.0 == subject);
    let known = known.map(|position| before.swap_remove(position));
    let version = known
        .as_ref()
        .map_or(Version::ABSENT, |known| known.version);
    after.push((
        version,
        Elevation::apply(known.map(|known| known.value), event)?,
    ));
    Ok(())
}

/// Whether somebody would be told of an end that time alone has brought about, and that is not written. A decision of the
/// moment before may be under way still, so that it has to be written first, or it would not be what stays.
fn tells_unwritten_end(
    decided: &Result<Vec<Event>, Refusal>,
    elevation: &Elevation,
    now: Moment,
) -> bool {
    let tells = match decided {
        Ok(events) => events.is_empty(),
        Err(refusal) => *refusal != Refusal::AccessDenied,
    };
    tells && elevation.status(now) == Status::Expired && elevation.due().is_some()
}

/// How many people of a stage have to be known to tell whether a request can be decided: as many as all stages need, and
/// who cannot decide any more.
fn enough(role: Option<&Versioned<Role>>, decisions: usize) -> usize {
    let required_approvals = role
        .iter()
        .flat_map(|role| &role.value.stages)
        .map(|stage| stage.required_approvals);
    let required_approvals =
        usize::try_from(required_approvals.fold(0, u32::saturating_add)).unwrap_or(usize::MAX);
    required_approvals
        .saturating_add(decisions)
        .saturating_add(1)
}

/// How often a decision is made anew because others were faster, before the caller is asked to come back.
const MOST_ATTEMPTS: usize = 16;

fn contended() -> Error {
    Error::new(
        Kind::Overloaded,
        "Others kept changing what this relied on. Repeat it in a moment.",
    )
}
