//! The outbox: the effects that were not carried out.

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::error::failed;
use crate::domain::effect::{Effect, EffectPayload};
use crate::domain::error::Error;
use crate::domain::id::EffectId;
use crate::domain::moment::Moment;
use crate::domain::version::{Version, Versioned};

/// Writes an effect. `since` is the sequence of the last event of its change, and `number` its place in the change. They
/// are its order, which a later attempt does not change.
pub(super) fn put(
    connection: &Connection,
    effect: &Effect,
    version: Version,
    since: u64,
    number: usize,
) -> rusqlite::Result<()> {
    let (id, due, attempts) = (effect.id.0.as_bytes(), effect.due.ticks(), effect.attempts);
    if version == Version::ABSENT.next() {
        connection.prepare_cached(NEW)?.execute(params![
            id,
            version.0,
            effect.subject.as_bytes(),
            since,
            number,
            due,
            attempts,
            effect.payload.bytes()
        ])?;
    } else {
        connection
            .prepare_cached(POSTPONEMENT)?
            .execute(params![version.0, due, attempts, id])?;
    }
    Ok(())
}

/// Deletes an effect.
pub(super) fn settle(connection: &Connection, id: EffectId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(SETTLEMENT)?
        .execute([id.0.as_bytes()])?;
    Ok(())
}

/// Reads the effects that are due at `now`.
pub(super) fn due(
    connection: &Connection,
    now: Moment,
    limit: u32,
) -> Result<Vec<Versioned<Effect>>, Error> {
    let mut statement = connection.prepare_cached(DUE).map_err(failed)?;
    let mut rows = statement
        .query(params![now.ticks(), limit])
        .map_err(failed)?;
    let mut effects = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        effects.push(read(row)?);
    }
    Ok(effects)
}

fn read(row: &Row<'_>) -> Result<Versioned<Effect>, Error> {
    let effect = Effect {
        id: EffectId(Uuid::from_bytes(row.get(0).map_err(failed)?)),
        subject: Uuid::from_bytes(row.get(2).map_err(failed)?),
        due: Moment::from_ticks(row.get(3).map_err(failed)?),
        attempts: row.get(4).map_err(failed)?,
        payload: EffectPayload::new(row.get(5).map_err(failed)?)?,
    };
    Ok(Versioned {
        version: Version(row.get(1).map_err(failed)?),
        value: effect,
    })
}

const NEW: &str = "INSERT INTO effect (id, version, subject, sequence, number, due, attempts, payload) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const POSTPONEMENT: &str = "UPDATE effect SET version = ?1, due = ?2, attempts = ?3 WHERE id = ?4";
const SETTLEMENT: &str = "DELETE FROM effect WHERE id = ?1";
const DUE: &str = "SELECT id, version, subject, due, attempts, payload FROM effect WHERE due <= ?1 \
     AND id = (SELECT first.id FROM effect AS first WHERE first.subject = effect.subject \
     ORDER BY first.sequence, first.number LIMIT 1) \
     ORDER BY due, sequence, number LIMIT ?2";
