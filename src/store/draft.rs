//! A change in the form that the writers of the backends need.

use super::{Alarm, Change, Key, Record};
use crate::domain::error::Error;
use crate::domain::event::Subject;
use crate::domain::version::Version;
use crate::record::Draft;
use crate::time::Deadline;

/// A change with its events already encoded. That happens before the queue, so that the writer need not do it.
#[derive(Debug)]
pub(super) struct ChangeDraft {
    /// The expected versions.
    pub(super) expects: Vec<(Key, Version)>,
    /// The records, each with the version that it gets.
    pub(super) puts: Vec<(Record, Version)>,
    /// The events.
    pub(super) events: Vec<Draft>,
    /// The alarms to delete, if they are spent.
    pub(super) spent: Vec<Alarm>,
    /// The time until which the caller waits for it.
    pub(super) deadline: Option<Deadline>,
}

impl ChangeDraft {
    /// Returns whether the change only confirms.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.puts.is_empty() && self.spent.is_empty()
    }
}

impl From<Vec<Alarm>> for ChangeDraft {
    fn from(spent: Vec<Alarm>) -> Self {
        Self {
            expects: Vec::new(),
            puts: Vec::new(),
            events: Vec::new(),
            spent,
            deadline: None,
        }
    }
}

impl TryFrom<Change> for ChangeDraft {
    type Error = Error;

    fn try_from(change: Change) -> Result<Self, Error> {
        let mut puts = Vec::with_capacity(change.puts.len());
        for record in change.puts {
            let expected = change.expects.iter().find(|(key, _)| *key == record.key());
            let (_, version) = expected
                .ok_or_else(|| Error::internal("a change writes what it does not expect"))?;
            if change.events.is_empty() && !is_outcome(&record, *version) {
                return Err(Error::internal("a change writes a record without an event"));
            }
            puts.push((record, version.next()));
        }
        for event in &change.events {
            let key = Key::from(event.subject);
            if !puts.iter().any(|(record, _)| record.key() == key) {
                return Err(Error::internal(
                    "a change has an event of a record that it does not write",
                ));
            }
        }
        Ok(Self {
            puts,
            events: change.events.into_iter().map(Draft::of).collect(),
            expects: change.expects,
            spent: Vec::new(),
            deadline: change.deadline,
        })
    }
}

impl From<Subject> for Key {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::Elevation(id) => Self::Elevation(id),
            Subject::Role(id) => Self::Role(id),
        }
    }
}

/// The last event of each subject of a change, while the change is written.
#[derive(Debug, Default)]
pub(super) struct LastEvents(Vec<(Key, u64)>);

impl LastEvents {
    /// Takes in a subject whose row was read. `since` is the sequence of its last event.
    pub(super) fn found(&mut self, key: Key, since: u64) {
        self.0.push((key, since));
    }

    /// Takes in the next event of a subject. Returns the sequence of its event before, or 0 if it is the first.
    pub(super) fn append(&mut self, subject: Subject, sequence: u64) -> u64 {
        let key = Key::from(subject);
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, last)) => std::mem::replace(last, sequence),
            None => {
                self.0.push((key, sequence));
                0
            }
        }
    }

    /// Returns the sequence of the last event of a record. `None` if it is not the subject of events.
    pub(super) fn of(&self, key: Key) -> Option<u64> {
        let (_, last) = self.0.iter().find(|(known, _)| *known == key)?;
        Some(*last)
    }
}

/// Returns whether a record is the outcome of an attempt at an effect that exists, which is not a decision.
fn is_outcome(record: &Record, expected: Version) -> bool {
    matches!(record, Record::Effect(_) | Record::EffectSettled(_)) && expected != Version::ABSENT
}
