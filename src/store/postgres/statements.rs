//! Writes the rows of a group, each kind by one statement.

use tokio::try_join;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};

use super::effects::EffectStatements;
use super::plan::{Plan, Put};
use super::row::Json;
use crate::domain::id::RoleId;
use crate::domain::role::Role;
use crate::domain::version::Version;
use crate::record::Head;
use crate::store::Record;
use crate::store::columns::{RolePrincipal, named};
use crate::store::tables::{
    Column, ColumnValue, ELEVATION, NewRow, ROLE, joined, of_change, of_update,
};

/// The statements that write.
pub(super) struct WriteStatements {
    effects: EffectStatements,
    events: Statement,
    head: Statement,
    new_elevations: Statement,
    changed_elevations: Statement,
    alarms: Statement,
    sweep: Statement,
    guards: Statement,
    role: Statement,
    role_deletion: Statement,
    principals_deletion: Statement,
    principals: Statement,
}

impl WriteStatements {
    /// Prepares the statements.
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        let (new_elevations, elevation_change, role_row) = (
            insert("elevation", ELEVATION),
            elevation_change(),
            role_row(),
        );
        let (alarms, sweep) = try_join!(client.prepare(ALARMS), client.prepare(SWEEP))?;
        let (events, head, new_elevations, changed_elevations, guards) = try_join!(
            client.prepare(EVENTS),
            client.prepare(HEAD),
            client.prepare(&new_elevations),
            client.prepare(&elevation_change),
            client.prepare(GUARDS),
        )?;
        let (role, role_deletion, principals_deletion, principals) = try_join!(
            client.prepare(&role_row),
            client.prepare(ROLE_DELETION),
            client.prepare(PRINCIPALS_DELETION),
            client.prepare(PRINCIPALS),
        )?;
        Ok(Self {
            effects: EffectStatements::prepare(client).await?,
            events,
            head,
            new_elevations,
            changed_elevations,
            alarms,
            sweep,
            guards,
            role,
            role_deletion,
            principals_deletion,
            principals,
        })
    }

    /// Writes everything of the plan except roles. Sends all statements when it is first polled. A statement that cannot
    /// be sent fails then, and no later one is sent. The first statement that fails aborts the transaction, and causes
    /// the failures of the later ones.
    pub(super) async fn write(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        try_join!(
            biased;
            self.put_events(client, plan),
            self.put_elevations(client, plan),
            self.put_alarms(client, plan),
            self.put_guards(client, plan),
            self.sweep(client, plan),
            self.effects.write(client, plan),
            self.move_head(client, plan.head),
        )?;
        Ok(())
    }

    /// Writes the end of the record.
    async fn move_head(&self, client: &Client, head: Head) -> Result<(), Error> {
        let (sequence, hash) = (head.sequence.cast_signed(), &head.hash.0[..]);
        client.execute(&self.head, &[&sequence, &hash]).await?;
        Ok(())
    }

    async fn put_events(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        if plan.events.is_empty() {
            return Ok(());
        }
        let sequences = column(&plan.events, |event| event.header.sequence.cast_signed());
        let previous = column(&plan.events, |event| event.previous.cast_signed());
        let headers = column(&plan.events, |event| &event.header.bytes[..]);
        let payloads = column(&plan.events, |event| event.draft.payload());
        client
            .execute(&self.events, &[&sequences, &previous, &headers, &payloads])
            .await?;
        Ok(())
    }

    /// Writes the elevations of the plan, new ones by one statement and changed ones by another.
    async fn put_elevations(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        let (mut new, mut changed) = (Vec::new(), Vec::new());
        for put in &plan.puts {
            if let Record::Elevation(elevation) = put.record {
                let row = put.row(&**elevation);
                if put.version == Version::ABSENT.next() {
                    new.push(row);
                } else {
                    changed.push(row);
                }
            }
        }
        try_join!(
            biased;
            put_rows(client, &self.new_elevations, ELEVATION, &new),
            put_rows(client, &self.changed_elevations, of_update(ELEVATION), &changed),
        )?;
        Ok(())
    }

    /// Writes an alarm for each elevation of the plan that is due at some time.
    async fn put_alarms(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        let alarms = plan.puts.iter().filter_map(|put| match put.record {
            Record::Elevation(elevation) => Some((elevation.due()?.ticks(), elevation.id.0)),
            _ => None,
        });
        let (dues, ids): (Vec<_>, Vec<_>) = alarms.unzip();
        if !ids.is_empty() {
            client.execute(&self.alarms, &[&dues, &ids]).await?;
        }
        Ok(())
    }

    /// Deletes alarms, except those whose elevation is due at their moment after the writes of the plan.
    async fn sweep(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        if plan.spent.is_empty() {
            return Ok(());
        }
        let dues = column(&plan.spent, |alarm| alarm.due.ticks());
        let ids = column(&plan.spent, |alarm| alarm.id.0);
        client.execute(&self.sweep, &[&dues, &ids]).await?;
        Ok(())
    }

    async fn put_guards(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        let guards = plan.puts.iter().filter_map(|put| match put.record {
            Record::Guard(account) => Some((account.0, put.version.0.cast_signed())),
            _ => None,
        });
        let (accounts, versions): (Vec<_>, Vec<_>) = guards.unzip();
        if !accounts.is_empty() {
            client
                .execute(&self.guards, &[&accounts, &versions])
                .await?;
        }
        Ok(())
    }

    /// Writes the roles of the plan. Waits for each statement, since roles change seldom.
    pub(super) async fn write_roles(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        for put in &plan.puts {
            match put.record {
                Record::Effect(_) | Record::EffectSettled(_) => {}
                Record::Elevation(_) | Record::Guard(_) => {}
                Record::Role(role) => self.put_role(client, role, put).await?,
                Record::RoleDeleted(id) => self.delete_role(client, *id, put).await?,
            }
        }
        Ok(())
    }

    /// Writes a role in place of its earlier version, with the index of its principals.
    async fn put_role(&self, client: &Client, role: &Role, put: &Put<'_>) -> Result<(), Error> {
        client
            .execute(&self.principals_deletion, &[&role.id.0])
            .await?;
        put_rows(client, &self.role, ROLE, &[put.row(role)]).await?;
        let named: Vec<RolePrincipal> = named(role).collect();
        let principals = column(&named, |named| named.principal.0);
        let parts = column(&named, |named| named.part);
        let stages = column(&named, |named| named.stage);
        client
            .execute(
                &self.principals,
                &[&principals, &parts, &stages, &role.id.0],
            )
            .await?;
        Ok(())
    }

    /// Deletes a role with the index of its principals. The row stays, so that the id is never used again.
    async fn delete_role(&self, client: &Client, id: RoleId, put: &Put<'_>) -> Result<(), Error> {
        client.execute(&self.principals_deletion, &[&id.0]).await?;
        let (version, since) = (put.version.0.cast_signed(), put.since.cast_signed());
        client
            .execute(&self.role_deletion, &[&version, &since, &id.0])
            .await?;
        Ok(())
    }
}

/// Executes a statement that takes each column of the rows as an array. Does nothing if there are no rows.
async fn put_rows<T: 'static>(
    client: &Client,
    statement: &Statement,
    columns: impl IntoIterator<Item = &'static Column<T>>,
    rows: &[NewRow<'_, T>],
) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let arrays: Vec<Box<dyn ToSql + Sync + '_>> = columns
        .into_iter()
        .map(|column| array(column, rows))
        .collect();
    let arrays: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(|array| &**array).collect();
    client.execute(statement, &arrays).await?;
    Ok(())
}

/// Returns the values of one column.
fn array<'a, T>(column: &Column<T>, rows: &'a [NewRow<'_, T>]) -> Box<dyn ToSql + Sync + 'a> {
    match &column.value {
        ColumnValue::Id(of) => Box::new(rows.iter().map(of).collect::<Vec<_>>()),
        ColumnValue::Integer(of) => Box::new(rows.iter().map(of).collect::<Vec<_>>()),
        ColumnValue::Json(of) => Box::new(rows.iter().map(|row| Json(of(row))).collect::<Vec<_>>()),
        ColumnValue::Text(of) => Box::new(rows.iter().map(of).collect::<Vec<_>>()),
    }
}

/// Returns the `unnest` of arrays for these columns.
fn unnest<T: 'static>(columns: impl IntoIterator<Item = &'static Column<T>>) -> String {
    let mut number = 0;
    let arrays = columns.into_iter().map(|column| {
        number += 1;
        match column.value {
            ColumnValue::Id(_) => format!("${number}::uuid[]"),
            ColumnValue::Integer(_) => format!("${number}::bigint[]"),
            ColumnValue::Json(_) => format!("${number}::jsonb[]"),
            ColumnValue::Text(_) => format!("${number}::text[]"),
        }
    });
    let arrays: Vec<String> = arrays.collect();
    format!("unnest({})", arrays.join(", "))
}

/// Returns the statement that inserts rows into a table.
fn insert<T>(table: &str, columns: &'static [Column<T>]) -> String {
    let names = joined(columns, |column| column.name.to_owned());
    format!(
        "INSERT INTO {table} ({names}) SELECT * FROM {}",
        unnest(columns)
    )
}

fn elevation_change() -> String {
    let changes = joined(of_change(ELEVATION), |column| {
        format!("{0} = put.{0}", column.name)
    });
    let changes = format!("{changes}, ended = CASE WHEN put.due IS NULL THEN 1 ELSE 0 END");
    let names = joined(of_update(ELEVATION), |column| column.name.to_owned());
    let rows = unnest(of_update(ELEVATION));
    format!(
        "UPDATE elevation SET {changes} FROM {rows} AS put ({names}) WHERE elevation.id = put.id"
    )
}

fn role_row() -> String {
    let changes = joined(of_change(ROLE), |column| {
        format!("{0} = excluded.{0}", column.name)
    });
    let insert = insert("role", ROLE);
    format!("{insert} ON CONFLICT (id) DO UPDATE SET {changes}")
}

/// Returns the values of one column of all rows, the form that `unnest` takes.
fn column<'a, R, T>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

const EVENTS: &str = "INSERT INTO event (sequence, previous, header, payload) \
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[])";
const HEAD: &str = "UPDATE head SET sequence = $1, hash = $2";
const ALARMS: &str = "INSERT INTO alarm (due, id) SELECT * FROM unnest($1::bigint[], $2::uuid[]) ON CONFLICT DO NOTHING";
const SWEEP: &str = "DELETE FROM alarm USING unnest($1::bigint[], $2::uuid[]) AS spent (due, id) \
     WHERE alarm.due = spent.due AND alarm.id = spent.id \
     AND NOT EXISTS (SELECT 1 FROM elevation WHERE elevation.id = alarm.id AND elevation.due = alarm.due)";
const GUARDS: &str = "INSERT INTO guard (account, version) SELECT * FROM unnest($1::uuid[], $2::bigint[]) \
     ON CONFLICT (account) DO UPDATE SET version = excluded.version";
const ROLE_DELETION: &str =
    "UPDATE role SET deleted = true, version = $1, since = $2 WHERE id = $3";
const PRINCIPALS_DELETION: &str = "DELETE FROM role_principal WHERE role = $1";
// A role may name a principal twice, in different letter case.
const PRINCIPALS: &str = "INSERT INTO role_principal (principal, part, stage, role) \
     SELECT named.*, $4 FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS named ON CONFLICT DO NOTHING";
