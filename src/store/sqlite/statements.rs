//! Writes the rows of a change.

use std::borrow::Cow;
use std::sync::LazyLock;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Params, params, params_from_iter};
use uuid::Uuid;

use super::effects;
use crate::domain::elevation::Elevation;
use crate::domain::id::{AccountId, RoleId};
use crate::domain::role::Role;
use crate::domain::version::Version;
use crate::record::{Draft, Header};
use crate::store::columns::named;
use crate::store::tables::{
    Column, ColumnValue, ELEVATION, NewRow, ROLE, joined, of_change, of_update,
};
use crate::store::{Alarm, Record};

/// Writes an event. `previous` is the sequence of the event before of its subject, or 0.
pub(super) fn put_event(
    connection: &Connection,
    header: &Header,
    previous: u64,
    draft: &Draft,
) -> rusqlite::Result<()> {
    connection.prepare_cached(EVENT)?.execute(params![
        header.sequence,
        previous,
        header.bytes,
        draft.payload()
    ])?;
    Ok(())
}

/// Writes a record in place of its earlier version. `since` is the sequence of its last event, for an effect that of its
/// change. `number` is its place in the change.
pub(super) fn put(
    connection: &Connection,
    record: &Record,
    version: Version,
    since: u64,
    number: usize,
) -> rusqlite::Result<()> {
    match record {
        Record::Effect(effect) => effects::put(connection, effect, version, since, number),
        Record::EffectSettled(id) => effects::settle(connection, *id),
        Record::Elevation(elevation) => put_elevation(
            connection,
            &NewRow {
                record: elevation,
                version,
                since,
            },
        ),
        Record::Guard(account) => put_guard(connection, *account, version),
        Record::Role(role) => put_role(
            connection,
            &NewRow {
                record: role,
                version,
                since,
            },
        ),
        Record::RoleDeleted(id) => delete_role(connection, *id, version, since),
    }
}

fn put_elevation(connection: &Connection, row: &NewRow<'_, Elevation>) -> rusqlite::Result<()> {
    if row.version == Version::ABSENT.next() {
        connection
            .prepare_cached(&NEW_ELEVATION)?
            .execute(values(ELEVATION, row))?;
    } else if row.record.due().is_some() {
        connection
            .prepare_cached(&ELEVATION_CHANGE)?
            .execute(values(of_update(ELEVATION), row))?;
    } else {
        connection
            .prepare_cached(&ELEVATION_END)?
            .execute(values(of_update(ELEVATION), row))?;
    }
    if let Some(due) = row.record.due() {
        let (due, id) = (due.ticks(), row.record.id.0);
        connection
            .prepare_cached(ALARM)?
            .execute(params![due, id.as_bytes()])?;
    }
    Ok(())
}

/// Deletes an alarm, unless its elevation is due at its moment.
pub(super) fn sweep(connection: &Connection, alarm: Alarm) -> rusqlite::Result<()> {
    let (due, id) = (alarm.due.ticks(), alarm.id.0);
    connection
        .prepare_cached(SWEEP)?
        .execute(params![due, id.as_bytes()])?;
    Ok(())
}

fn put_guard(
    connection: &Connection,
    account: AccountId,
    version: Version,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(GUARD)?
        .execute(params![account.0.as_bytes(), version.0])?;
    Ok(())
}

/// Writes a role with the index of its principals.
fn put_role(connection: &Connection, row: &NewRow<'_, Role>) -> rusqlite::Result<()> {
    let id = row.record.id.0;
    delete_principals(connection, row.record.id)?;
    connection
        .prepare_cached(&ROLE_ROW)?
        .execute(values(ROLE, row))?;
    let mut insert = connection.prepare_cached(PRINCIPAL)?;
    for named in named(row.record) {
        insert.execute(params![
            named.principal.0.as_bytes(),
            named.part,
            named.stage,
            id.as_bytes()
        ])?;
    }
    Ok(())
}

/// Deletes a role with the index of its principals. The row stays, so that the id is never used again.
fn delete_role(
    connection: &Connection,
    id: RoleId,
    version: Version,
    since: u64,
) -> rusqlite::Result<()> {
    delete_principals(connection, id)?;
    connection.prepare_cached(ROLE_DELETION)?.execute(params![
        version.0,
        since,
        id.0.as_bytes()
    ])?;
    Ok(())
}

fn delete_principals(connection: &Connection, id: RoleId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(PRINCIPALS_DELETION)?
        .execute([id.0.as_bytes()])?;
    Ok(())
}

/// Returns the values of a row in the order of the columns.
fn values<T: 'static>(
    columns: impl IntoIterator<Item = &'static Column<T>>,
    row: &NewRow<'_, T>,
) -> impl Params {
    let values = columns.into_iter().map(|column| match &column.value {
        ColumnValue::Id(of) => Parameter::Id(of(row)),
        ColumnValue::Integer(of) => Parameter::Integer(of(row)),
        ColumnValue::Json(of) => Parameter::Text(Some(of(row).into())),
        ColumnValue::Text(of) => Parameter::Text(of(row)),
    });
    params_from_iter(values)
}

/// The value of one column.
enum Parameter<'a> {
    Id(Option<Uuid>),
    Integer(Option<i64>),
    Text(Option<Cow<'a, str>>),
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Id(Some(id)) => ValueRef::Blob(id.as_bytes()),
            Self::Integer(Some(number)) => ValueRef::Integer(*number),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Id(None) | Self::Integer(None) | Self::Text(None) => ValueRef::Null,
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

/// Returns the statement that inserts a row into a table.
fn insert<T>(table: &str, columns: &'static [Column<T>]) -> String {
    let names = joined(columns, |column| column.name.to_owned());
    let marks = joined(columns, |_| "?".to_owned());
    format!("INSERT INTO {table} ({names}) VALUES ({marks})")
}

/// Returns the statement that changes an elevation, with `more` changes.
fn elevation_change(more: &str) -> String {
    // The parameters are numbered in the order of `of_update`, the key first.
    let mut number = 1;
    let changes = of_change(ELEVATION).map(|column| {
        number += 1;
        format!("{} = ?{number}", column.name)
    });
    let changes: Vec<String> = changes.collect();
    let changes = changes.join(", ");
    format!("UPDATE elevation SET {changes}{more} WHERE id = ?1")
}

const EVENT: &str =
    "INSERT INTO event (sequence, previous, header, payload) VALUES (?1, ?2, ?3, ?4)";
static NEW_ELEVATION: LazyLock<String> = LazyLock::new(|| insert("elevation", ELEVATION));
// SQLite moves a row in an index if a statement names a column of the index or of its condition, whatever the value. So
// only the statement for an end names `ended`.
static ELEVATION_CHANGE: LazyLock<String> = LazyLock::new(|| elevation_change(""));
static ELEVATION_END: LazyLock<String> = LazyLock::new(|| elevation_change(", ended = 1"));
const ALARM: &str = "INSERT INTO alarm (due, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const SWEEP: &str = "DELETE FROM alarm WHERE due = ?1 AND id = ?2 \
     AND NOT EXISTS (SELECT 1 FROM elevation WHERE id = ?2 AND due = ?1)";
const GUARD: &str = "INSERT INTO guard (account, version) VALUES (?1, ?2) \
     ON CONFLICT (account) DO UPDATE SET version = excluded.version";
static ROLE_ROW: LazyLock<String> = LazyLock::new(|| {
    let changes = joined(of_change(ROLE), |column| {
        format!("{0} = excluded.{0}", column.name)
    });
    let insert = insert("role", ROLE);
    format!("{insert} ON CONFLICT (id) DO UPDATE SET {changes}")
});
const ROLE_DELETION: &str = "UPDATE role SET deleted = 1, version = ?1, since = ?2 WHERE id = ?3";
const PRINCIPALS_DELETION: &str = "DELETE FROM role_principal WHERE role = ?1";
// A role may name a principal twice, in different letter case.
const PRINCIPAL: &str =
    "INSERT OR IGNORE INTO role_principal (principal, part, stage, role) VALUES (?1, ?2, ?3, ?4)";
