//! Attempts: decide from the records read, commit, and start again if they have changed meanwhile.

use std::collections::{BTreeMap, HashMap};

use super::shared::{ElevationView, Service};
use crate::domain::decide::Ruling;
use crate::domain::elevation::Elevation;
use crate::domain::error::{Error, Kind};
use crate::domain::event::{Event, Subject};
use crate::domain::id::ElevationId;
use crate::domain::moment::Moment;
use crate::domain::refusal::Refusal;
use crate::domain::status::Status;
use crate::domain::version::{Version, Versioned};
use crate::store::{Change, Commit, ElevationRead, Key, Record};
use crate::time::Deadline;

/// Runs `attempt` until it settles. An attempt returns `None` if the records that it read have changed since; then it
/// has to read them again.
///
/// # Errors
///
/// The error of the attempt. `Overloaded` if 16 attempts have not settled; then nothing has happened.
pub(super) async fn until_settled<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<Option<T>, Error>>,
{
    for _ in 0..MOST_ATTEMPTS {
        if let Some(settled) = attempt().await? {
            return Ok(settled);
        }
    }
    Err(Error::new(
        Kind::Overloaded,
        "Other requests kept changing the same records. Repeat the request in a moment.",
    ))
}

/// The changes of a decision.
#[derive(Default)]
pub(super) struct ElevationChange {
    /// The elevations that exist and that the events are about, as they were read.
    pub(super) before: Vec<Versioned<Elevation>>,
    /// The other records that the decision relied on.
    pub(super) relied_on: Vec<(Key, Version)>,
    /// The other records that it writes.
    pub(super) puts: Vec<Record>,
    /// The events of the elevations, in order.
    pub(super) events: Vec<Event>,
}

impl Service {
    /// Carries out a decision on one elevation that was read at `now`, and returns the elevation. `relied_on` are the
    /// other records that the decision relied on. `None` if the attempt has to be repeated.
    pub(super) async fn settle(
        &self,
        read: ElevationRead,
        relied_on: Vec<(Key, Version)>,
        ruling: Result<Ruling, Refusal>,
        now: Moment,
        deadline: Option<Deadline>,
    ) -> Result<Option<ElevationView>, Error> {
        if reports_unrecorded_end(&ruling, &read.elevation.value, now) {
            self.pass_time(read, now, deadline).await?;
            return Ok(None);
        }
        let elevation = read.elevation;
        let reported = Some((Key::Elevation(elevation.value.id), elevation.version));
        let settled = match ruling {
            Err(refusal) => return self.refuse(refusal, reported, deadline).await,
            Ok(Ruling::AlreadySo) => {
                let confirmed = self.confirm(reported, deadline).await?;
                if confirmed { Some(elevation) } else { None }
            }
            Ok(Ruling::Happened(events)) => {
                let change = ElevationChange {
                    before: vec![elevation],
                    relied_on,
                    events,
                    ..ElevationChange::default()
                };
                self.commit(change, deadline).await?
            }
        };
        Ok(settled.map(|elevation| ElevationView { elevation, now }))
    }

    /// Returns the refusal as an error. If the refusal reports a record, that is confirmed first; `None` if the record
    /// has changed.
    pub(super) async fn refuse<T>(
        &self,
        refusal: Refusal,
        reported: Option<(Key, Version)>,
        deadline: Option<Deadline>,
    ) -> Result<Option<T>, Error> {
        if refusal.reports_a_record() && !self.confirm(reported, deadline).await? {
            return Ok(None);
        }
        Err(refusal.into())
    }

    /// Commits only the expectation that a record is still at that version, and returns whether it is. Without this
    /// commit a failover could undo what the response reports.
    pub(super) async fn confirm(
        &self,
        reported: Option<(Key, Version)>,
        deadline: Option<Deadline>,
    ) -> Result<bool, Error> {
        let nothing = Change {
            expects: reported.into_iter().collect(),
            puts: Vec::new(),
            events: Vec::new(),
            deadline,
        };
        Ok(self.store.commit(nothing).await? != Commit::Conflict)
    }

    /// Commits a change, and returns the elevation of its first event. `None` if a record that it relied on has
    /// changed.
    pub(super) async fn commit(
        &self,
        change: ElevationChange,
        deadline: Option<Deadline>,
    ) -> Result<Option<Versioned<Elevation>>, Error> {
        let ElevationChange {
            before,
            relied_on: mut expects,
            mut puts,
            events,
        } = change;
        let Some(Subject::Elevation(first)) = events.first().map(|event| event.subject) else {
            return Err(Error::internal("a change of no elevation was committed"));
        };
        let mut after = fold(before, &events)?;
        for (id, elevation) in &after {
            expects.push((Key::Elevation(*id), elevation.version));
            puts.push(Record::Elevation(Box::new(elevation.value.clone())));
            // Also before the commit: if the caller disconnects meanwhile, the code after it may not run.
            self.wake.tell(&elevation.value);
        }
        let change = Change {
            expects,
            puts,
            events,
            deadline,
        };
        match self.store.commit(change).await? {
            Commit::Conflict => Ok(None),
            Commit::Committed { .. } => {
                for elevation in after.values() {
                    self.wake.tell(&elevation.value);
                }
                Ok(after.remove(&first).map(|before| Versioned {
                    version: before.version.next(),
                    value: before.value,
                }))
            }
        }
    }
}

/// Applies the events to the elevations that they are about. Returns those elevations, each with the version that it
/// had before.
fn fold(
    before: Vec<Versioned<Elevation>>,
    events: &[Event],
) -> Result<BTreeMap<ElevationId, Versioned<Elevation>>, Error> {
    let mut before: HashMap<ElevationId, Versioned<Elevation>> = before
        .into_iter()
        .map(|elevation| (elevation.value.id, elevation))
        .collect();
    let mut after: BTreeMap<ElevationId, Versioned<Elevation>> = BTreeMap::new();
    for event in events {
        let id = ElevationId(event.subject.id());
        let (version, value) = match after.remove(&id).or_else(|| before.remove(&id)) {
            Some(known) => (known.version, Some(known.value)),
            None => (Version::ABSENT, None),
        };
        let value = Elevation::apply(value, event)?;
        after.insert(id, Versioned { version, value });
    }
    Ok(after)
}

/// Returns whether the response would report an expiry that is not recorded. It must be recorded first; otherwise a
/// decision still in flight could overwrite it.
fn reports_unrecorded_end(
    ruling: &Result<Ruling, Refusal>,
    elevation: &Elevation,
    now: Moment,
) -> bool {
    let reports = match ruling {
        Ok(Ruling::AlreadySo) => true,
        Ok(Ruling::Happened(_)) => false,
        Err(refusal) => *refusal != Refusal::AccessDenied,
    };
    reports && elevation.status_at(now) == Status::Expired && elevation.due().is_some()
}

/// The maximum number of attempts of a decision whose records keep changing.
const MOST_ATTEMPTS: usize = 16;
