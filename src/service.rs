//! One method per operation: load the facts, decide, apply, commit.
//!
//! Both dialects end here. The service owns the clock and the ids, and knows the store only by its law.

mod approvals;
mod elevations;
mod roles;

use std::sync::Arc;

use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::event::Event;
use crate::domain::moment::{Life, Moment};
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

    /// Commits the events of a decision on `before`, which relied on `expects` too. `None` when somebody else was
    /// faster; then the facts have to be loaded again.
    async fn commit_elevation(
        &self,
        before: Option<Versioned<Elevation>>,
        relied_on: (Key, Version),
        events: Vec<Event>,
        deadline: Option<Deadline>,
    ) -> Result<Option<Versioned<Elevation>>, Error> {
        let version = before.as_ref().map_or(Version::ABSENT, |before| before.version);
        let mut after = before.map(|before| before.value);
        for event in &events {
            after = Some(Elevation::apply(after, event)?);
        }
        let after = after.ok_or_else(|| Error::internal("a decision without events was committed"))?;
        let change = Change {
            expects: vec![(Key::Elevation(after.id), version), relied_on],
            puts: vec![Record::Elevation(Box::new(after.clone()))],
            events,
            deadline,
        };
        Ok(match self.store.commit(change).await? {
            Commit::Committed { .. } => Some(Versioned { version: version.next(), value: after }),
            Commit::Conflict => None,
        })
    }
}

/// How often a decision is made anew because others were faster, before the caller is asked to come back.
const MOST_ATTEMPTS: usize = 16;

fn contended() -> Error {
    Error::unavailable("others kept changing what the decision relied on")
}
