//! Checks what the record proves of the other rows: the links of events, which are not hashed, and the alarms.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row};

use super::error::failed;
use super::row::read_event;
use super::versions::state;
use crate::domain::error::Error;
use crate::domain::event::Fact;
use crate::domain::id::ElevationId;
use crate::record::Envelope;
use crate::store::Key;

/// Checks the links of all events after sequence `after`, and that the row of each subject names its last event. Also checks
/// that each elevation among them that has not ended has its alarm.
pub(super) fn verify(connection: &Connection, after: u64) -> Result<(), Error> {
    let mut last: HashMap<Key, u64> = HashMap::new();
    let mut statement = connection.prepare(LINKS).map_err(failed)?;
    let mut rows = statement.query([after]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let (envelope, previous) = read(row).map_err(failed)?;
        let event = envelope.event()?;
        let subject = Key::from(event.subject);
        let is_right = match last.insert(subject, envelope.sequence) {
            Some(before) => previous == before,
            None if previous == 0 => matches!(event.fact, Fact::Filed(_) | Fact::RoleCreated(_)),
            None => previous <= after && is_of(connection, previous, subject)?,
        };
        if !is_right {
            return Err(Error::internal(format!(
                "event {} of the record does not name the event before of its subject",
                envelope.sequence
            )));
        }
    }
    for (subject, sequence) in last {
        if state(connection, subject).map_err(failed)?.since != Some(sequence) {
            return Err(Error::internal(format!(
                "the row of a subject does not name event {sequence} of the record, which is its last"
            )));
        }
        if let Key::Elevation(id) = subject
            && !is_found_in_time(connection, id)?
        {
            return Err(Error::internal(format!(
                "the elevation of event {sequence} of the record has not ended, and has no alarm"
            )));
        }
    }
    Ok(())
}

/// Returns whether an elevation has ended, or has the alarm by which the scheduler finds it.
fn is_found_in_time(connection: &Connection, id: ElevationId) -> Result<bool, Error> {
    connection
        .prepare_cached(IS_FOUND_IN_TIME)
        .and_then(|mut statement| statement.query_row([id.0.as_bytes()], |row| row.get(0)))
        .map_err(failed)
}

/// Returns whether an event is of that subject.
fn is_of(connection: &Connection, sequence: u64, subject: Key) -> Result<bool, Error> {
    let found = connection
        .prepare_cached(EVENT)
        .and_then(|mut statement| statement.query_row([sequence], read).optional())
        .map_err(failed)?;
    match found {
        Some((envelope, _)) => Ok(Key::from(envelope.event()?.subject) == subject),
        None => Ok(false),
    }
}

/// Reads an event, and the sequence of the event before of its subject.
fn read(row: &Row<'_>) -> rusqlite::Result<(Envelope, u64)> {
    Ok((read_event(row)?, row.get(3)?))
}

const EVENT: &str = "SELECT sequence, header, payload, previous FROM event WHERE sequence = ?1";
const IS_FOUND_IN_TIME: &str = "SELECT ended OR EXISTS (SELECT 1 FROM alarm \
     WHERE alarm.due = elevation.due AND alarm.id = elevation.id) FROM elevation WHERE id = ?1";
const LINKS: &str =
    "SELECT sequence, header, payload, previous FROM event WHERE sequence > ?1 ORDER BY sequence";
