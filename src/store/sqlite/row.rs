//! Records as rows, and back.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Params, Row, params, params_from_iter};
use uuid::Uuid;

use super::error::failed;
use crate::domain::account::Account;
use crate::domain::elevation::{Approval, Elevation, State};
use crate::domain::error::Error;
use crate::domain::event::ClientRequest;
use crate::domain::id::{AccountId, ApprovalId, ElevationId, RoleId};
use crate::domain::moment::{Moment, Seconds};
use crate::domain::role::Role;
use crate::domain::version::{Version, Versioned};
use crate::domain::window::Window;
use crate::record::Envelope;
use crate::store::columns::{
    channel_name, channel_named, decisions_from_json, decisions_to_json, named,
    principals_from_json, principals_to_json, rules_from_columns, rules_to_json, stages_from_json,
    stages_to_json, time_of_day, verdict_name, verdict_named,
};
use crate::store::list::{ELEVATION_COLUMNS, ROLE_COLUMNS};
use crate::store::{ElevationKey, Key};

/// Reads one elevation.
pub(super) fn elevation(
    connection: &Connection,
    key: ElevationKey,
) -> Result<Option<Versioned<Elevation>>, Error> {
    let (column, id) = match key {
        ElevationKey::Approval(id) => ("approval", id.0),
        ElevationKey::Elevation(id) => ("id", id.0),
    };
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT {ELEVATION_COLUMNS} FROM elevation WHERE {column} = ?1"
        ))
        .map_err(failed)?;
    statement
        .query_row([id.as_bytes()], read_elevation)
        .optional()
        .map_err(failed)
}

/// Reads one role.
pub(super) fn role(connection: &Connection, id: RoleId) -> Result<Option<Versioned<Role>>, Error> {
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT {ROLE_COLUMNS} FROM role WHERE id = ?1 AND NOT deleted"
        ))
        .map_err(failed)?;
    statement
        .query_row([id.0.as_bytes()], read_role)
        .optional()
        .map_err(failed)
}

/// The version of a record, as the connection sees it now.
pub(super) fn version(connection: &Connection, key: Key) -> rusqlite::Result<Version> {
    let query = |sql: &str, ids: &[&[u8; 16]]| {
        connection
            .prepare_cached(sql)?
            .query_row(params_from_iter(ids), |row| row.get(0))
            .optional()
    };
    let version = match key {
        Key::Elevation(id) => query(
            "SELECT version FROM elevation WHERE id = ?1",
            &[id.0.as_bytes()],
        )?,
        Key::Guard(account) => query(
            "SELECT version FROM guard WHERE account = ?1",
            &[account.0.as_bytes()],
        )?,
        Key::Live(role, None) => query(LIVE_OF_ROLE, &[role.0.as_bytes()])?,
        Key::Live(role, Some(requester)) => query(
            LIVE_OF_REQUESTER,
            &[role.0.as_bytes(), requester.0.as_bytes()],
        )?,
        Key::Role(id) => query("SELECT version FROM role WHERE id = ?1", &[id.0.as_bytes()])?,
    };
    Ok(version.map_or(Version::ABSENT, Version))
}

/// Writes an elevation, in place of its earlier version.
pub(super) fn put_elevation(
    connection: &Connection,
    elevation: &Elevation,
    version: Version,
    since: u64,
) -> rusqlite::Result<()> {
    if version == Version::ABSENT.next() {
        return insert_elevation(connection, elevation, version, since);
    }
    let approval = elevation.approval.as_ref();
    connection
        .prepare_cached(
            "UPDATE elevation SET version = ?2, since = ?3, activate_time = ?4, expire_time = ?5, state = ?6, \
             outcome = ?7, decisions = ?8, duration = ?9, due = ?10, stage = ?11 WHERE id = ?1",
        )?
        .execute(params![
            elevation.id.0.as_bytes(),
            version.0,
            since,
            elevation.activate_time.map(Moment::ticks),
            elevation.expire_time.map(Moment::ticks),
            elevation.state.name(),
            approval.and_then(|approval| approval.outcome).map(verdict_name),
            decisions_to_json(approval.map_or(&[], |approval| &approval.decisions)),
            elevation.duration.seconds(),
            elevation.due().map(Moment::ticks),
            approval.map_or(0, |approval| approval.stage),
        ])?;
    Ok(())
}

fn insert_elevation(
    connection: &Connection,
    elevation: &Elevation,
    version: Version,
    since: u64,
) -> rusqlite::Result<()> {
    let approval = elevation.approval.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO elevation (id, version, since, requester_id, requester_name, role, role_display_name, \
             justification, requested_duration, duration, requested_start_time, create_time, activate_time, expire_time, state, \
             fim_request_id, approval, pending_expire_time, outcome, decisions, channel, due, stage, client_request, \
             fingerprint) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
             ?19, ?20, ?21, ?22, ?23, ?24, ?25)",
        )?
        .execute(params![
            elevation.id.0.as_bytes(),
            version.0,
            since,
            elevation.requester.id.0.as_bytes(),
            elevation.requester.name,
            elevation.role.0.as_bytes(),
            elevation.role_display_name,
            elevation.justification,
            elevation.requested_duration.seconds(),
            elevation.duration.seconds(),
            elevation.requested_start_time.ticks(),
            elevation.create_time.ticks(),
            elevation.activate_time.map(Moment::ticks),
            elevation.expire_time.map(Moment::ticks),
            elevation.state.name(),
            elevation.id.fim_request_id().as_bytes(),
            approval.map(|approval| approval.id.0.into_bytes()),
            approval.map(|approval| approval.pending_expire_time.ticks()),
            approval.and_then(|approval| approval.outcome).map(verdict_name),
            decisions_to_json(approval.map_or(&[], |approval| &approval.decisions)),
            channel_name(elevation.channel),
            elevation.due().map(Moment::ticks),
            approval.map_or(0, |approval| approval.stage),
            elevation.client_request.map(|request| request.id.into_bytes()),
            elevation.client_request.map(|request| request.fingerprint.into_bytes()),
        ])?;
    Ok(())
}

/// Writes the guard of a requester.
pub(super) fn put_guard(
    connection: &Connection,
    account: AccountId,
    version: Version,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO guard (account, version) VALUES (?1, ?2) \
             ON CONFLICT (account) DO UPDATE SET version = excluded.version",
        )?
        .execute(params![account.0.as_bytes(), version.0])?;
    Ok(())
}

/// Writes a role in place of its earlier version, with the index of its principals.
pub(super) fn put_role(
    connection: &Connection,
    role: &Role,
    version: Version,
    since: u64,
) -> rusqlite::Result<()> {
    let id = role.id.0;
    delete_principals(connection, role.id)?;
    connection
        .prepare_cached(
            "INSERT INTO role (id, version, since, display_name, description, max_duration, candidates, stages, \
             available_from, available_to, rules) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
             ON CONFLICT (id) DO UPDATE SET version = excluded.version, since = excluded.since, \
             display_name = excluded.display_name, description = excluded.description, \
             max_duration = excluded.max_duration, candidates = excluded.candidates, stages = excluded.stages, \
             available_from = excluded.available_from, available_to = excluded.available_to, \
             rules = excluded.rules",
        )?
        .execute(params![
            id.as_bytes(),
            version.0,
            since,
            role.display_name,
            role.description,
            role.max_duration.seconds(),
            principals_to_json(&role.candidates),
            stages_to_json(&role.stages),
            time_of_day(role.rules.window.map(Window::from)),
            time_of_day(role.rules.window.map(Window::to)),
            rules_to_json(&role.rules),
        ])?;
    // Somebody may be named twice, in different letters.
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO role_principal (principal, part, stage, role) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for named in named(role) {
        insert.execute(params![
            named.principal.0.as_bytes(),
            named.part,
            named.stage,
            id.as_bytes()
        ])?;
    }
    Ok(())
}

/// Ends a role: nobody is named by it any more, and its id stays taken.
pub(super) fn delete_role(
    connection: &Connection,
    id: RoleId,
    version: Version,
    since: u64,
) -> rusqlite::Result<()> {
    delete_principals(connection, id)?;
    connection
        .prepare_cached("UPDATE role SET deleted = 1, version = ?1, since = ?2 WHERE id = ?3")?
        .execute(params![version.0, since, id.0.as_bytes()])?;
    Ok(())
}

/// Deletes the principals of a role from their index.
fn delete_principals(connection: &Connection, id: RoleId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM role_principal WHERE role = ?1")?
        .execute([id.0.as_bytes()])?;
    Ok(())
}

/// Reads an elevation from a row of [`ELEVATION_COLUMNS`].
pub(super) fn read_elevation(row: &Row<'_>) -> rusqlite::Result<Versioned<Elevation>> {
    let approval = match row.get::<_, Option<[u8; 16]>>(14)? {
        None => None,
        Some(id) => Some(Approval {
            id: ApprovalId(Uuid::from_bytes(id)),
            pending_expire_time: Moment::from_ticks(row.get(15)?),
            outcome: text(row, 16)?
                .map(verdict_named)
                .transpose()
                .map_err(unreadable(16))?,
            stage: row.get(19)?,
            decisions: decisions_from_json(text(row, 17)?.unwrap_or("[]"))
                .map_err(unreadable(17))?,
        }),
    };
    let client_request = match row.get::<_, Option<[u8; 16]>>(20)? {
        None => None,
        Some(id) => Some(ClientRequest {
            id: Uuid::from_bytes(id),
            fingerprint: uuid(row, 21)?,
        }),
    };
    let value = Elevation {
        id: ElevationId(uuid(row, 0)?),
        requester: Account {
            id: AccountId(uuid(row, 2)?),
            name: row.get(3)?,
        },
        role: RoleId(uuid(row, 4)?),
        role_display_name: row.get(5)?,
        justification: row.get(6)?,
        requested_duration: duration(row, 7)?,
        duration: duration(row, 8)?,
        requested_start_time: Moment::from_ticks(row.get(9)?),
        create_time: Moment::from_ticks(row.get(10)?),
        channel: channel_named(text(row, 18)?.unwrap_or_default()).map_err(unreadable(18))?,
        activate_time: row.get::<_, Option<i64>>(11)?.map(Moment::from_ticks),
        expire_time: row.get::<_, Option<i64>>(12)?.map(Moment::from_ticks),
        state: state_named(text(row, 13)?.unwrap_or_default()).map_err(unreadable(13))?,
        approval,
        client_request,
    };
    Ok(Versioned {
        version: Version(row.get(1)?),
        value,
    })
}

/// Reads a role from a row of [`ROLE_COLUMNS`].
pub(super) fn read_role(row: &Row<'_>) -> rusqlite::Result<Versioned<Role>> {
    let [from, to, rules] = [7, 8, 9].map(|column| text(row, column));
    let rules = rules_from_columns(
        rules?.unwrap_or("{}"),
        from?.unwrap_or_default(),
        to?.unwrap_or_default(),
    );
    let value = Role {
        id: RoleId(uuid(row, 0)?),
        display_name: row.get(2)?,
        description: row.get(3)?,
        max_duration: duration(row, 4)?,
        candidates: principals_from_json(text(row, 5)?.unwrap_or("[]")).map_err(unreadable(5))?,
        stages: stages_from_json(text(row, 6)?.unwrap_or("[]")).map_err(unreadable(6))?,
        rules: rules.map_err(unreadable(9))?,
    };
    Ok(Versioned {
        version: Version(row.get(1)?),
        value,
    })
}

/// Reads events by a statement for their sequence, header and payload.
pub(super) fn events(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<Vec<Envelope>, Error> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let events = statement.query_map(parameters, |row| {
        Ok(Envelope {
            sequence: row.get(0)?,
            header: row.get(1)?,
            payload: row.get(2)?,
        })
    });
    events.and_then(Iterator::collect).map_err(failed)
}

fn state_named(name: &str) -> Result<State, Error> {
    let state = State::ALL.into_iter().find(|state| state.name() == name);
    state.ok_or_else(|| Error::internal("the store holds an unknown state"))
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<Option<&'a str>> {
    Ok(row.get_ref(column)?.as_str_or_null()?)
}

fn duration(row: &Row<'_>, column: usize) -> rusqlite::Result<Seconds> {
    Seconds::new(row.get(column)?).map_err(unreadable(column))
}

fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

fn unreadable(column: usize) -> impl Fn(Error) -> rusqlite::Error {
    move |error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

const LIVE_OF_REQUESTER: &str = "SELECT since FROM elevation WHERE role = ?1 AND requester_id = ?2 \
     AND due IS NOT NULL ORDER BY since DESC LIMIT 1";
const LIVE_OF_ROLE: &str = "SELECT since FROM elevation WHERE role = ?1 \
     AND due IS NOT NULL ORDER BY since DESC LIMIT 1";
pub(super) const EVENTS: &str =
    "SELECT sequence, header, payload FROM event WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
pub(super) const EVENTS_OF: &str =
    "SELECT sequence, header, payload FROM event WHERE subject = ?1 ORDER BY sequence";
pub(super) const LAST_EVENT: &str =
    "SELECT sequence, header, payload FROM event ORDER BY sequence DESC LIMIT 1";
