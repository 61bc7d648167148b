//! The plan of a group: which changes happen, decided in memory from the versions that the transaction read under the
//! lock.
//!
//! A group reads all versions by a few statements and writes all rows by a few more. When a change is decided, the
//! database does not have the changes before it in the group. So the plan keeps track of their effects itself, in their
//! order.

use std::collections::{HashMap, HashSet};

use super::versions::RecordVersions;
use crate::domain::elevation::Elevation;
use crate::domain::id::AccountId;
use crate::domain::version::Version;
use crate::record::{Draft, Head, Header};
use crate::store::draft::{ChangeDraft, LastEvents};
use crate::store::queue::Outcome;
use crate::store::tables::NewRow;
use crate::store::{Alarm, Commit, Key, Record};
use crate::time::Deadline;

/// The part of a group that goes into one transaction, and its writes.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// The outcomes of the first changes of the group. The others wait for the next transaction, because they depend on
    /// the writes of this one.
    pub(super) outcomes: Vec<Outcome>,
    /// The end of the record afterwards.
    pub(super) head: Head,
    /// The events, sealed.
    pub(super) events: Vec<NewEvent<'a>>,
    /// The records, no two of one key.
    pub(super) puts: Vec<Put<'a>>,
    /// The alarms to delete, if they are spent.
    pub(super) spent: Vec<Alarm>,
    /// The position of each guard among the puts.
    guards: HashMap<AccountId, usize>,
}

/// An event to write.
#[derive(Debug)]
pub(super) struct NewEvent<'a> {
    /// The sealed header.
    pub(super) header: Header,
    /// The sequence of the event before of its subject, or 0.
    pub(super) previous: u64,
    /// The event.
    pub(super) draft: &'a Draft,
}

/// A record to write.
#[derive(Debug)]
pub(super) struct Put<'a> {
    /// The record.
    pub(super) record: &'a Record,
    /// The version that it gets.
    pub(super) version: Version,
    /// The sequence of its last event, for an effect that of its change.
    pub(super) since: u64,
}

impl Put<'_> {
    /// Returns the row of the record.
    pub(super) fn row<'a, T>(&self, record: &'a T) -> NewRow<'a, T> {
        NewRow {
            record,
            version: self.version,
            since: self.since,
        }
    }
}

impl<'a> Plan<'a> {
    /// Decides the changes in order. `head` is the end of the record before them, `known` the versions of the records
    /// that they expect.
    pub(super) fn of(
        changes: impl IntoIterator<Item = &'a ChangeDraft>,
        head: Head,
        known: RecordVersions,
    ) -> Self {
        let mut projection = Projection::from(known);
        let mut plan = Self {
            outcomes: Vec::new(),
            head,
            events: Vec::new(),
            puts: Vec::new(),
            spent: Vec::new(),
            guards: HashMap::new(),
        };
        for change in changes {
            let outcome = match projection.look_at(change) {
                Assessment::TooLate => Outcome::TooLate,
                Assessment::Unmet => Outcome::Commit(Commit::Conflict),
                Assessment::DependsOnThisGroup => break,
                Assessment::Met => {
                    let last = plan.take(change, &projection.since);
                    projection.take(change, &last);
                    Outcome::Commit(Commit::Committed {
                        sequence: plan.head.sequence,
                    })
                }
            };
            plan.outcomes.push(outcome);
        }
        plan
    }

    /// Returns whether the group writes rows.
    pub(super) fn writes(&self) -> bool {
        !self.events.is_empty() || !self.puts.is_empty() || !self.spent.is_empty()
    }

    /// Returns whether any change is to be acknowledged, so that the transaction must be durable.
    pub(super) fn commits(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.is_committed())
    }

    /// Takes in a change. `since` has the last events of its records before it. Returns those after it.
    fn take(&mut self, change: &'a ChangeDraft, since: &HashMap<Key, u64>) -> LastEvents {
        let mut last = LastEvents::default();
        for (record, _) in &change.puts {
            let key = record.key();
            if let Some(since) = since.get(&key) {
                last.found(key, *since);
            }
        }
        for draft in &change.events {
            let header = draft.seal(&mut self.head);
            let previous = last.append(draft.event().subject, header.sequence);
            self.events.push(NewEvent {
                header,
                previous,
                draft,
            });
        }
        for (record, version) in &change.puts {
            self.put(Put {
                record,
                version: *version,
                since: last.of(record.key()).unwrap_or(self.head.sequence),
            });
        }
        self.spent.extend(&change.spent);
        last
    }

    /// Adds a record. A guard consists only of its version, so only its last one is written.
    fn put(&mut self, put: Put<'a>) {
        if let Record::Guard(account) = put.record
            && let Some(before) = self.guards.insert(*account, self.puts.len())
        {
            self.guards.insert(*account, before);
            self.puts[before] = put;
            return;
        }
        self.puts.push(put);
    }
}

/// The relation of a change to the ones before it.
enum Assessment {
    /// An expectation depends on the writes of this group, and can be checked only after them.
    DependsOnThisGroup,
    /// All its expectations are met.
    Met,
    /// Its deadline has passed.
    TooLate,
    /// One of its expectations is not met.
    Unmet,
}

/// The versions of the records after the changes that were decided.
struct Projection {
    /// `None` is a version that only the database knows, after the group was written.
    versions: HashMap<Key, Option<Version>>,
    since: HashMap<Key, u64>,
    written: HashSet<Key>,
}

impl From<RecordVersions> for Projection {
    fn from(known: RecordVersions) -> Self {
        let versions = known
            .versions
            .into_iter()
            .map(|(key, version)| (key, Some(version)))
            .collect();
        Self {
            versions,
            since: known.since,
            written: HashSet::new(),
        }
    }
}

impl Projection {
    fn look_at(&self, change: &ChangeDraft) -> Assessment {
        if change.deadline.is_some_and(Deadline::passed) {
            return Assessment::TooLate;
        }
        let mut is_known = true;
        for (key, expected) in &change.expects {
            match self.versions.get(key).copied().flatten() {
                Some(version) if version != *expected => return Assessment::Unmet,
                Some(_) => {}
                None => is_known = false,
            }
        }
        // A row is written once in a group, since one statement writes all of them. Of a guard only the last version is
        // written.
        let again = change
            .puts
            .iter()
            .any(|(record, _)| self.written.contains(&record.key()));
        if is_known && !again {
            Assessment::Met
        } else {
            Assessment::DependsOnThisGroup
        }
    }

    fn take(&mut self, change: &ChangeDraft, last: &LastEvents) {
        for (record, version) in &change.puts {
            let key = record.key();
            self.versions.insert(key, Some(*version));
            if !matches!(record, Record::Guard(_)) {
                self.written.insert(key);
            }
            let Some(since) = last.of(key) else {
                continue;
            };
            let before = self.since.insert(key, since).map(Version);
            if let Record::Elevation(elevation) = record {
                self.move_live(elevation, before, Version(since));
            }
        }
    }

    /// Moves the version of the live elevations, which is the largest `since` among them. The new one is larger than
    /// any. After it has gone, only the database knows the largest one.
    fn move_live(&mut self, elevation: &Elevation, before: Option<Version>, since: Version) {
        let requester = elevation.requester.id;
        for key in [
            Key::Live(elevation.role, None),
            Key::Live(elevation.role, Some(requester)),
        ] {
            let Some(version) = self.versions.get_mut(&key) else {
                continue;
            };
            if elevation.due().is_some() {
                // A change may write several of them in any order.
                let larger = version.filter(|version| version.0 > since.0);
                *version = Some(larger.unwrap_or(since));
            } else if *version == before {
                *version = None;
            }
        }
    }
}
