//! One method per operation: load the facts, decide, apply, commit.
//!
//! Both dialects end here. The service owns the clock and the ids, and knows the store only by its law.

mod approvals;
mod elevations;
mod roles;

use std::sync::Arc;

use crate::domain::caller::Caller;
use crate::domain::decide::Facts;
use crate::domain::elevation::Elevation;
use crate::domain::error::{Error, Kind};
use crate::domain::event::{Event, Origin};
use crate::domain::moment::{Life, Moment};
use crate::domain::query::{Query, Snapshot};
use crate::domain::quota::Quota;
use crate::domain::version::{Version, Versioned};
use crate::ports::{Clock, Directory, Ids};
use crate::steady::Deadline;
use crate::store::{Change, Commit, Key, Record, Store};

pub use approvals::ApprovalDecision;
pub use elevations::Request;

/// The operations.
pub struct Service {
    store: Arc<dyn Store>,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    settings: Settings,
}

/// What the operator sets.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long an approval waits before it expires.
    pub pending_timeout: Life,
    /// How much one requester may ask for.
    pub quota: Quota,
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
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        settings: Settings,
    ) -> Self {
        Self { store, directory, clock, ids, settings }
    }

    /// What is known of every command.
    fn facts<'a>(&self, caller: &'a Caller, request: &'a Context) -> Facts<'a> {
        Facts::of(caller, &request.origin, self.settings.pending_timeout, self.settings.quota)
    }

    /// Commits the outcome of a decision; answers the elevation that its first event is about. `None` when somebody else
    /// was faster; then the facts have to be loaded again.
    async fn commit(
        &self,
        outcome: Outcome,
        request: &Context,
    ) -> Result<Option<Versioned<Elevation>>, Error> {
        let mut after = Vec::new();
        let mut before = outcome.before;
        let mut expects = outcome.relied_on;
        for event in &outcome.events {
            fold(&mut before, &mut after, event)?;
        }
        expects.extend(after.iter().map(|(version, elevation)| (Key::Elevation(elevation.id), *version)));
        let mut puts = outcome.puts;
        puts.extend(after.iter().map(|(_, elevation)| Record::Elevation(Box::new(elevation.clone()))));
        let change = Change { expects, puts, events: outcome.events, deadline: request.deadline };
        match self.store.commit(change).await? {
            Commit::Committed { .. } => {
                let first = after.into_iter().next();
                let (version, value) =
                    first.ok_or_else(|| Error::internal("a decision without events was committed"))?;
                Ok(Some(Versioned { version: version.next(), value }))
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
    if let Some((_, elevation)) = after.iter_mut().find(|(_, elevation)| elevation.id.0 == subject) {
        *elevation = Elevation::apply(Some(elevation.clone()), event)?;
        return Ok(());
    }
    let known = before.iter().position(|known| known.value.id.0 == subject);
    let known = known.map(|position| before.swap_remove(position));
    let version = known.as_ref().map_or(Version::ABSENT, |known| known.version);
    after.push((version, Elevation::apply(known.map(|known| known.value), event)?));
    Ok(())
}

/// Whether the pages of the list can still be read.
fn check_snapshot<F>(query: &Query<F>, now: Moment) -> Result<(), Error> {
    let expired = |snapshot: Snapshot| now.ticks().saturating_sub(snapshot.now.ticks()) > Snapshot::LIFE;
    if query.snapshot.is_some_and(expired) {
        let message = "The page token is older than an hour. List from the start.";
        return Err(Error::new(Kind::PageTokenExpired, message).in_field("page_token"));
    }
    Ok(())
}

/// How often a decision is made anew because others were faster, before the caller is asked to come back.
const MOST_ATTEMPTS: usize = 16;

fn contended() -> Error {
    Error::new(Kind::Overloaded, "Others kept changing what this relied on. Repeat it in a moment.")
}
