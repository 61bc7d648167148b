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
        self.events.is_empty()
    }
}

impl TryFrom<Change> for ChangeDraft {
    type Error = Error;

    fn try_from(change: Change) -> Result<Self, Error> {
        if change.events.is_empty() && !change.puts.is_empty() {
            return Err(Error::internal("a change writes a record without an event"));
        }
        let put = |record: Record| {
            let expected = change.expects.iter().find(|(key, _)| *key == record.key());
            let (_, version) = expected
                .ok_or_else(|| Error::internal("a change writes what it does not expect"))?;
            Ok((record, version.next()))
        };
        Ok(Self {
            puts: change
                .puts
                .into_iter()
                .map(put)
                .collect::<Result<_, Error>>()?,
            events: change.events.into_iter().map(Draft::of).collect(),
            expects: change.expects,
            deadline: change.deadline,
        })
    }
}
