//! The outbox: the effects that were not carried out.

use tokio::try_join;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row, Statement};
use uuid::Uuid;

use super::error::failed;
use super::plan::Plan;
use super::row::get;
use crate::domain::effect::{Effect, EffectPayload};
use crate::domain::error::Error as StoreError;
use crate::domain::id::EffectId;
use crate::domain::moment::Moment;
use crate::domain::version::{Version, Versioned};
use crate::store::Record;

/// The statements that write effects.
pub(super) struct EffectStatements {
    new: Statement,
    postponement: Statement,
    settlement: Statement,
}

impl EffectStatements {
    /// Prepares the statements.
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        let (new, postponement, settlement) = try_join!(
            client.prepare(NEW),
            client.prepare(POSTPONEMENT),
            client.prepare(SETTLEMENT),
        )?;
        Ok(Self {
            new,
            postponement,
            settlement,
        })
    }

    /// Writes the effects of the plan, each kind by one statement. The sequence of the last event of its change and its
    /// place in the plan are the order of an effect, which a later attempt does not change.
    pub(super) async fn write(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        let (mut new, mut postponed, mut settled) = <(Rows, Rows, Vec<_>)>::default();
        for (number, put) in (0..).zip(&plan.puts) {
            match put.record {
                Record::Effect(effect) if put.version == Version::ABSENT.next() => {
                    new.push(effect, put.version, put.since, number);
                }
                Record::Effect(effect) => postponed.push(effect, put.version, put.since, number),
                Record::EffectSettled(id) => settled.push(id.0),
                _ => {}
            }
        }
        try_join!(
            biased;
            self.insert(client, &new),
            self.postpone(client, &postponed),
            self.settle(client, &settled),
        )?;
        Ok(())
    }

    async fn insert(&self, client: &Client, rows: &Rows<'_>) -> Result<(), Error> {
        if rows.ids.is_empty() {
            return Ok(());
        }
        client
            .execute(
                &self.new,
                &[
                    &rows.ids,
                    &rows.versions,
                    &rows.subjects,
                    &rows.sequences,
                    &rows.numbers,
                    &rows.due,
                    &rows.attempts,
                    &rows.payloads,
                ],
            )
            .await?;
        Ok(())
    }

    async fn postpone(&self, client: &Client, rows: &Rows<'_>) -> Result<(), Error> {
        if rows.ids.is_empty() {
            return Ok(());
        }
        client
            .execute(
                &self.postponement,
                &[&rows.ids, &rows.versions, &rows.due, &rows.attempts],
            )
            .await?;
        Ok(())
    }

    async fn settle(&self, client: &Client, ids: &Vec<Uuid>) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        client.execute(&self.settlement, &[ids]).await?;
        Ok(())
    }
}

/// Rows by their columns, the form that `unnest` takes.
#[derive(Default)]
struct Rows<'a> {
    ids: Vec<Uuid>,
    versions: Vec<i64>,
    subjects: Vec<Uuid>,
    sequences: Vec<i64>,
    numbers: Vec<i64>,
    due: Vec<i64>,
    attempts: Vec<i64>,
    payloads: Vec<&'a [u8]>,
}

impl<'a> Rows<'a> {
    fn push(&mut self, effect: &'a Effect, version: Version, since: u64, number: i64) {
        self.ids.push(effect.id.0);
        self.versions.push(version.0.cast_signed());
        self.subjects.push(effect.subject);
        self.sequences.push(since.cast_signed());
        self.numbers.push(number);
        self.due.push(effect.due.ticks());
        self.attempts.push(effect.attempts.into());
        self.payloads.push(effect.payload.bytes());
    }
}

/// Reads the effects that are due at `now`.
pub(super) async fn due(
    client: &Client,
    now: Moment,
    limit: u32,
) -> Result<Vec<Versioned<Effect>>, StoreError> {
    let (now, limit) = (now.ticks(), i64::from(limit));
    let rows = client
        .query_typed(DUE, &[(&now, Type::INT8), (&limit, Type::INT8)])
        .await
        .map_err(failed)?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Versioned<Effect>, StoreError> {
    let effect = Effect {
        id: EffectId(get(row, 0)?),
        subject: get(row, 2)?,
        due: Moment::from_ticks(get(row, 3)?),
        attempts: get::<i64>(row, 4)?
            .try_into()
            .map_err(StoreError::internal)?,
        payload: EffectPayload::new(get(row, 5)?)?,
    };
    Ok(Versioned {
        version: Version(get::<i64>(row, 1)?.cast_unsigned()),
        value: effect,
    })
}

const NEW: &str = "INSERT INTO effect (id, version, subject, sequence, number, due, attempts, payload) \
     SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], \
     $8::bytea[])";
const POSTPONEMENT: &str = "UPDATE effect SET version = put.version, due = put.due, attempts = put.attempts \
     FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) AS put (id, version, due, attempts) \
     WHERE effect.id = put.id";
const SETTLEMENT: &str = "DELETE FROM effect WHERE id = ANY ($1::uuid[])";
// A `NOT EXISTS` of an earlier effect means the same, but the planner may make a join of it, whose cost is the square of the
// number of effects that wait for one subject.
const DUE: &str = "SELECT id, version, subject, due, attempts, payload FROM effect WHERE due <= $1 \
     AND id = (SELECT first.id FROM effect AS first WHERE first.subject = effect.subject \
     ORDER BY first.sequence, first.number LIMIT 1) \
     ORDER BY due, sequence, number LIMIT $2";
