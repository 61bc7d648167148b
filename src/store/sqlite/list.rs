//! Lists, read from SQLite.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Statement, params_from_iter};
use uuid::Uuid;

use super::error::failed;
use super::row::{read_elevation, read_role};
use crate::domain::bulk::Bulk;
use crate::domain::census::Census;
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::id::{AccountId, ElevationId, PrincipalId, RoleId};
use crate::domain::moment::Moment;
use crate::domain::query::{ElevationField, Page, PageBuilder, Query, RoleField};
use crate::domain::quota::Load;
use crate::domain::role::Role;
use crate::domain::version::Versioned;
use crate::store::list::{Column, Dialect, List, Parameter};
use crate::store::{Alarm, Approver, FilingKey};

/// See [`Store::pending_approvals`](crate::store::Store::pending_approvals).
pub(super) fn pending_approvals(
    connection: &Connection,
    approver: &Approver,
    query: &Query<ElevationField>,
    now: Moment,
) -> Result<Page<Versioned<Elevation>>, Error> {
    let list = List::pending_approvals(&SQLITE, approver, now);
    read(list, connection, query, now, read_elevation)
}

/// See [`Store::elevations`](crate::store::Store::elevations).
pub(super) fn elevations(
    connection: &Connection,
    requester: AccountId,
    query: &Query<ElevationField>,
    now: Moment,
) -> Result<Page<Versioned<Elevation>>, Error> {
    read(
        List::elevations(&SQLITE, requester),
        connection,
        query,
        now,
        read_elevation,
    )
}

/// See [`Store::roles`](crate::store::Store::roles).
pub(super) fn roles(
    connection: &Connection,
    candidates: Option<&[PrincipalId]>,
    query: &Query<RoleField>,
    now: Moment,
) -> Result<Page<Versioned<Role>>, Error> {
    read(
        List::roles(&SQLITE, candidates),
        connection,
        query,
        now,
        read_role,
    )
}

/// Reads the elevations of the role that the requester holds or waits for.
pub(super) fn live(
    connection: &Connection,
    key: &FilingKey,
) -> Result<Vec<Versioned<Elevation>>, Error> {
    let live = List::live(&SQLITE, key);
    let mut statement = connection.prepare_cached(&live.sql).map_err(failed)?;
    rows(&mut statement, &live.parameters, read_elevation)
}

/// Reads the load of the requester.
pub(super) fn load(connection: &Connection, key: &FilingKey) -> Result<Load, Error> {
    let load = List::load(&SQLITE, key);
    let mut statement = connection.prepare_cached(&load.sql).map_err(failed)?;
    let read = |row: &Row<'_>| {
        Ok(Load {
            pending: row.get(0)?,
            filings: row.get(1)?,
        })
    };
    statement
        .query_row(values(&load.parameters), read)
        .map_err(failed)
}

/// Reads the last elevation that the requester filed under the client's id of this request.
pub(super) fn filed_before(
    connection: &Connection,
    key: &FilingKey,
) -> Result<Option<Versioned<Elevation>>, Error> {
    let Some(request) = key.client_request else {
        return Ok(None);
    };
    let before = List::filed_before(&SQLITE, key, request);
    let mut statement = connection.prepare_cached(&before.sql).map_err(failed)?;
    Ok(rows(&mut statement, &before.parameters, read_elevation)?.pop())
}

/// Reads the elevations that are due at `now`.
pub(super) fn due(
    connection: &Connection,
    now: Moment,
    limit: u32,
) -> Result<Vec<Versioned<Elevation>>, Error> {
    let due = List::due(&SQLITE, now, limit);
    let mut statement = connection.prepare_cached(&due.sql).map_err(failed)?;
    rows(&mut statement, &due.parameters, read_elevation)
}

/// Reads the due alarms at `now` that are spent.
pub(super) fn spent(connection: &Connection, now: Moment) -> Result<Vec<Alarm>, Error> {
    let spent = List::spent(&SQLITE, now);
    let mut statement = connection.prepare_cached(&spent.sql).map_err(failed)?;
    rows(&mut statement, &spent.parameters, |row| {
        Ok(Alarm {
            due: Moment::from_ticks(row.get(0)?),
            id: ElevationId(Uuid::from_bytes(row.get(1)?)),
        })
    })
}

/// Reads the next due time after `now`.
pub(super) fn next_due(connection: &Connection, now: Moment) -> Result<Option<Moment>, Error> {
    let next = List::next_due(&SQLITE, now);
    let mut statement = connection.prepare_cached(&next.sql).map_err(failed)?;
    statement
        .query_row(values(&next.parameters), |row| moment(row, 0))
        .map_err(failed)
}

/// See [`Store::census`](crate::store::Store::census).
pub(super) fn census(connection: &Connection, now: Moment) -> Result<Census, Error> {
    let census = List::census(&SQLITE, now);
    let mut statement = connection.prepare_cached(&census.sql).map_err(failed)?;
    statement
        .query_row(values(&census.parameters), |row| read_census(row, now))
        .map_err(failed)
}

fn read_census(row: &Row<'_>, now: Moment) -> rusqlite::Result<Census> {
    Ok(Census {
        at: now,
        pending: row.get(0)?,
        oldest_pending: moment(row, 1)?,
        active: row.get(2)?,
        overdue: moment(row, 3)?,
    })
}

fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Moment>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Moment::from_ticks))
}

/// Reads whether any elevation of `role` is pending, scheduled or active at `now`.
pub(super) fn in_use(connection: &Connection, role: RoleId, now: Moment) -> Result<bool, Error> {
    let in_use = List::in_use(&SQLITE, role, now);
    let mut statement = connection.prepare_cached(&in_use.sql).map_err(failed)?;
    statement
        .query_row(values(&in_use.parameters), |row| row.get(0))
        .map_err(failed)
}

/// Reads the page that the query asks for, with statuses as of `now`.
fn read<F: Column, T: Bulk>(
    list: List,
    connection: &Connection,
    query: &Query<F>,
    now: Moment,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Page<T>, Error> {
    let statements = list.page_statements(query, now);
    let count = |sql: &String| {
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        statement
            .query_row(values(statements.count_parameters()), |row| row.get(0))
            .map_err(failed)
    };
    let total = statements.count.as_ref().map(count).transpose()?;
    let mut statement = connection
        .prepare_cached(&statements.page)
        .map_err(failed)?;
    let mut page = PageBuilder::new(query.limit);
    for row in statement
        .query_map(values(&statements.parameters), read)
        .map_err(failed)?
    {
        if !page.take(row.map_err(failed)?) {
            break;
        }
    }
    Ok(page.page(total, now))
}

fn rows<T>(
    statement: &mut Statement<'_>,
    parameters: &[Parameter],
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Error> {
    let rows = statement
        .query_map(values(parameters), read)
        .map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

fn values(parameters: &[Parameter]) -> impl rusqlite::Params {
    params_from_iter(parameters.iter().map(value))
}

fn value(parameter: &Parameter) -> Value {
    match parameter {
        Parameter::Bool(value) => Value::Integer(i64::from(*value)),
        Parameter::Id(id) => Value::Blob(id.into_bytes().to_vec()),
        Parameter::Ids(ids) => {
            let ids: Vec<String> = ids
                .iter()
                .map(|id| format!("\"{}\"", id.simple()))
                .collect();
            Value::Text(format!("[{}]", ids.join(",")))
        }
        Parameter::Integer(value) => Value::Integer(*value),
        Parameter::Text(text) => Value::Text(text.clone()),
    }
}

const SQLITE: Dialect = Dialect {
    placeholder: '?',
    decided_by: "EXISTS (SELECT 1 FROM json_each(decisions) WHERE value ->> 'approver' = {})",
    is_among: "principal IN (SELECT unhex(value) FROM json_each({}))",
    // Without statistics the planner takes the index of all elevations of the requester.
    live_of_requester: "elevation INDEXED BY elevation_live_requester",
    // Nor does it tell this index from that of all elevations that have not ended.
    pending: "elevation INDEXED BY elevation_pending",
    requester_user: "substr(requester_name, instr(requester_name, '\\') + 1)",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::query::{self, Comparison, Operator};
    use crate::domain::status::Status;
    use crate::store::list::Statement as ListStatement;

    const NOW: Moment = Moment::from_ticks(7);
    const ACCOUNT: AccountId = AccountId(Uuid::nil());
    const ROLE: RoleId = RoleId(Uuid::nil());
    const FILING: FilingKey = FilingKey {
        requester: ACCOUNT,
        role: ROLE,
        now: NOW,
        live: true,
        load: true,
        client_request: None,
    };

    fn page(list: List, filter: &[Comparison<ElevationField>]) -> ListStatement {
        let query = Query {
            filter: filter.to_vec(),
            order: vec![],
            after: None,
            offset: 0,
            limit: 10,
            count: false,
        };
        let page = list.page_statements(&query, NOW);
        ListStatement {
            sql: page.page,
            parameters: page.parameters,
        }
    }

    /// The reads of elevations, each with a step that its plan must have.
    fn reads() -> [(ListStatement, &'static str); 11] {
        let approver = Approver {
            account: ACCOUNT,
            principals: vec![PrincipalId(Uuid::nil())],
        };
        let pending = List::pending_approvals(&SQLITE, &approver, NOW);
        let own = List::elevations(&SQLITE, ACCOUNT);
        let own_active = List::elevations(&SQLITE, ACCOUNT);
        let status = query::Value::Status(Status::Active);
        let active = Comparison::new(ElevationField::Status, Operator::Eq, status).unwrap();
        let before = List::filed_before(&SQLITE, &FILING, Uuid::nil());
        let live = "elevation_live_requester (requester_id=?)";
        [
            (page(pending, &[]), "elevation_pending (role=?)"),
            (page(own, &[]), "elevation_requester (requester_id=?)"),
            (page(own_active, &[active]), live),
            (
                List::live(&SQLITE, &FILING),
                "_live_requester (requester_id=? AND role=?)",
            ),
            (List::load(&SQLITE, &FILING), live),
            (List::in_use(&SQLITE, ROLE, NOW), "elevation_live (role=?)"),
            (before, "(requester_id=? AND client_request=?)"),
            (
                List::due(&SQLITE, NOW, 10),
                "alarm USING PRIMARY KEY (due<?)",
            ),
            (List::spent(&SQLITE, NOW), "alarm USING PRIMARY KEY (due<?)"),
            (
                List::next_due(&SQLITE, NOW),
                "alarm USING PRIMARY KEY (due>?)",
            ),
            (List::census(&SQLITE, NOW), "USING INDEX elevation_live"),
        ]
    }

    /// No list, quota or round of the scheduler reads all elevations, or all of a requester for those that have not ended.
    #[test]
    fn every_read_of_elevations_has_its_index() {
        let connection = Connection::open_in_memory().unwrap();
        let schema = include_str!("../migrations/sqlite/0001_store.sql");
        connection.execute_batch(schema).unwrap();
        for (statement, expected) in reads() {
            let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
            let mut plan = connection.prepare(&sql).unwrap();
            let steps = plan.query_map(values(&statement.parameters), |row| row.get(3));
            let steps: Vec<String> = steps.unwrap().collect::<Result<_, _>>().unwrap();
            let plan = steps.join("; ");
            assert!(plan.contains(expected), "{expected}: {plan}");
            for step in steps {
                let is_scan = step.starts_with("SCAN elevation");
                assert!(!is_scan || step.contains("elevation_live"), "{plan}");
            }
        }
    }
}
