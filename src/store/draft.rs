//! A change in the form that the writers of the backends need.

use super::{Change, Key, Record};
use crate::domain::error::Error;
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
    /// The time until which the caller waits for it.
    pub(super) deadline: Option<Deadline>,
}

impl ChangeDraft {
    /// Returns whether the change only confirms.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.puts.is_empty()
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
        Ok(Self {
            puts,
            events: change.events.into_iter().map(Draft::of).collect(),
            expects: change.expects,
            deadline: change.deadline,
        })
    }
}

/// Returns whether a record is the outcome of an attempt at an effect that exists, which is not a decision.
fn is_outcome(record: &Record, expected: Version) -> bool {
    matches!(record, Record::Effect(_) | Record::EffectSettled(_)) && expected != Version::ABSENT
}
