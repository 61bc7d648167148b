//! Lists: filters, order and pages as SQL.
//!
//! The text of a statement is made of constants only; every value of a caller is a parameter.

use rusqlite::types::Value as Parameter;
use rusqlite::{Connection, Row, params_from_iter};

use super::failed;
use super::row::{ELEVATION_COLUMNS, ROLE_COLUMNS, read_elevation, read_role};
use crate::domain::elevation::{Deadline, Elevation, State, Status};
use crate::domain::error::Error;
use crate::domain::id::{AccountId, PrincipalId, RoleId};
use crate::domain::moment::Moment;
use crate::domain::query::{
    Comparison, ElevationField, Field, Operator, Order, Page, Query, RoleField, Snapshot, Value,
};
use crate::domain::quota::Load;
use crate::domain::role::Role;
use crate::domain::version::Versioned;
use crate::store::{Approver, FilingKey};

/// See [`Store::pending_approvals`](crate::store::Store::pending_approvals).
pub(super) fn pending_approvals(
    connection: &Connection,
    approver: &Approver,
    query: &Query<ElevationField>,
    now: Moment,
) -> Result<Page<Versioned<Elevation>>, Error> {
    let mut list = List::new(&ELEVATIONS);
    list.and_status(Status::PendingApproval, query.snapshot.map_or(now, |snapshot| snapshot.now));
    list.and_decidable_by(approver);
    list.read(connection, query, now, read_elevation)
}

/// See [`Store::elevations`](crate::store::Store::elevations).
pub(super) fn elevations(
    connection: &Connection,
    requester: AccountId,
    query: &Query<ElevationField>,
    now: Moment,
) -> Result<Page<Versioned<Elevation>>, Error> {
    let mut list = List::new(&ELEVATIONS);
    list.and_requester(requester);
    list.read(connection, query, now, read_elevation)
}

/// See [`Store::roles`](crate::store::Store::roles).
pub(super) fn roles(
    connection: &Connection,
    candidates: Option<&[PrincipalId]>,
    query: &Query<RoleField>,
    now: Moment,
) -> Result<Page<Versioned<Role>>, Error> {
    let mut list = List::new(&ROLES);
    list.condition += " AND NOT deleted";
    if let Some(candidates) = candidates {
        list.and_names("id", "candidate", candidates);
    }
    list.read(connection, query, now, read_role)
}

/// The elevations of the role that the requester holds or waits for.
pub(super) fn live(connection: &Connection, key: &FilingKey) -> Result<Vec<Versioned<Elevation>>, Error> {
    let mut list = List::new(&ELEVATIONS);
    list.and_requester(key.requester);
    list.and_live(key.role, key.now);
    let sql = format!("SELECT {ELEVATION_COLUMNS} FROM elevation WHERE {}", list.condition);
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = statement.query_map(params_from_iter(&list.parameters), read_elevation).map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

/// How much the requester asks for already.
pub(super) fn load(connection: &Connection, key: &FilingKey) -> Result<Load, Error> {
    let mut pending = List::new(&ELEVATIONS);
    pending.and_requester(key.requester);
    pending.and_status(Status::PendingApproval, key.now);
    let mut filed = List::new(&ELEVATIONS);
    filed.and_requester(key.requester);
    let since = filed.parameter(Parameter::Integer(Load::since(key.now).ticks()));
    filed.condition += &format!(" AND filed_at > {since}");
    Ok(Load {
        pending: pending.count(connection, ELEVATIONS.name)?,
        filings: filed.count(connection, ELEVATIONS.name)?,
    })
}

/// Whether any elevation of `role` is pending or active at `now`.
pub(super) fn in_use(connection: &Connection, role: RoleId, now: Moment) -> Result<bool, Error> {
    let mut list = List::new(&ELEVATIONS);
    list.and_live(role, now);
    let sql = format!("SELECT EXISTS (SELECT 1 FROM elevation WHERE {})", list.condition);
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    statement.query_row(params_from_iter(&list.parameters), |row| row.get(0)).map_err(failed)
}

/// What a list is a list of.
struct Table {
    name: &'static str,
    past: &'static str,
    columns: &'static str,
    /// What a condition may ask for beside the columns.
    more_columns: &'static str,
    /// The order of what the keys of a query leave open.
    order: &'static str,
}

const ELEVATIONS: Table = Table {
    name: "elevation",
    past: "elevation_past",
    columns: ELEVATION_COLUMNS,
    more_columns: "since, fim_request_id",
    order: "filed_at, id",
};

const ROLES: Table = Table {
    name: "role",
    past: "role_past",
    columns: ROLE_COLUMNS,
    more_columns: "since, deleted",
    order: "display_name, id",
};

/// The condition of a list, and the values it compares with.
struct List {
    table: &'static Table,
    condition: String,
    parameters: Vec<Parameter>,
}

impl List {
    fn new(table: &'static Table) -> Self {
        Self { table, condition: String::from("TRUE"), parameters: Vec::new() }
    }

    /// Limits the list to what has `status` at `now`: [`Elevation::status`] for many.
    fn and_status(&mut self, status: Status, now: Moment) {
        self.and_any_status(&[status], now);
    }

    /// Limits the list to what is pending or active of `role` at `now`.
    fn and_live(&mut self, role: RoleId, now: Moment) {
        let role = self.parameter(Parameter::Blob(role.0.into_bytes().to_vec()));
        // The states that are live are written out too, as they are in the index, which is not found otherwise.
        self.condition +=
            &format!(" AND role = {role} AND state IN ('Active', 'PendingApproval', 'Scheduled')");
        self.and_any_status(&[Status::Active, Status::PendingApproval, Status::Scheduled], now);
    }

    fn and_any_status(&mut self, statuses: &[Status], now: Moment) {
        let now = self.parameter(Parameter::Integer(now.ticks()));
        let alternatives: Vec<String> = State::ALL
            .into_iter()
            .flat_map(|state| {
                statuses.iter().filter_map(|status| shows(state, *status, &now)).collect::<Vec<_>>()
            })
            .collect();
        self.condition += &format!(" AND ({})", alternatives.join(" OR "));
    }

    fn and_requester(&mut self, requester: AccountId) {
        let requester = self.parameter(Parameter::Blob(requester.0.into_bytes().to_vec()));
        self.condition += &format!(" AND requester_id = {requester}");
    }

    /// Limits the list to what `approver` may decide and has not decided.
    fn and_decidable_by(&mut self, approver: &Approver) {
        self.and_names("role", "approver", &approver.principals);
        let blob = self.parameter(Parameter::Blob(approver.account.0.into_bytes().to_vec()));
        let text = self.parameter(Parameter::Text(approver.account.to_string()));
        self.condition += &format!(
            " AND requester_id <> {blob} \
             AND NOT EXISTS (SELECT 1 FROM json_each(decisions) WHERE value ->> 'approver' = {text})"
        );
    }

    /// Limits the list to roles that name one of `principals` for `part`.
    fn and_names(&mut self, role_column: &str, part: &str, principals: &[PrincipalId]) {
        let principals: Vec<String> =
            principals.iter().map(|principal| format!("\"{}\"", principal.0.simple())).collect();
        let principals = self.parameter(Parameter::Text(format!("[{}]", principals.join(","))));
        self.condition += &format!(
            " AND {role_column} IN (SELECT role FROM role_principal WHERE part = '{part}' \
             AND principal IN (SELECT unhex(value) FROM json_each({principals})))"
        );
    }

    /// Reads the page that the query asks for, of the moment that it shows.
    fn read<F: Column, T>(
        mut self,
        connection: &Connection,
        query: &Query<F>,
        now: Moment,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Page<T>, Error> {
        let head: u64 =
            connection.query_row("SELECT sequence FROM head", [], |row| row.get(0)).map_err(failed)?;
        let snapshot = query.snapshot.unwrap_or(Snapshot { now, sequence: head });
        for comparison in &query.filter {
            self.and(comparison);
        }
        let source = self.source(snapshot.sequence, head);
        let total = query.count.then(|| self.count(connection, &source)).transpose()?;
        let (items, more) = self.page(connection, &source, query, read)?;
        Ok(Page { items, more, total, snapshot })
    }

    fn and<F: Column>(&mut self, comparison: &Comparison<F>) {
        let column = comparison.field().column();
        let sql = match comparison.value() {
            Value::Moment(moment) => self.in_milliseconds(column, comparison.operator(), *moment),
            value => {
                let value = self.parameter(parameter(value));
                format!("{column} {} {value}", operator(comparison.operator()))
            }
        };
        self.condition += &format!(" AND {sql}");
    }

    /// Compares whole milliseconds, as a range of ticks so that an index can serve it.
    fn in_milliseconds(&mut self, column: &str, operator: Operator, moment: Moment) -> String {
        let first = moment.millisecond().ticks();
        let next = first.saturating_add(Moment::TICKS_PER_MILLISECOND);
        let mut bound = |ticks| self.parameter(Parameter::Integer(ticks));
        match operator {
            Operator::Eq => format!("({column} >= {} AND {column} < {})", bound(first), bound(next)),
            Operator::Ge => format!("{column} >= {}", bound(first)),
            Operator::Gt => format!("{column} >= {}", bound(next)),
            Operator::Le => format!("{column} < {}", bound(next)),
            Operator::Lt => format!("{column} < {}", bound(first)),
            Operator::Ne => {
                format!("({column} IS NULL OR {column} < {} OR {column} >= {})", bound(first), bound(next))
            }
        }
    }

    /// What to read from: the present, or, when it has moved on, the present and the past as they were at `sequence`.
    fn source(&mut self, sequence: u64, head: u64) -> String {
        if sequence >= head {
            return self.table.name.to_owned();
        }
        let sequence = self.parameter(Parameter::Integer(sequence.cast_signed()));
        let Table { name, past, columns, more_columns, .. } = self.table;
        format!(
            "(SELECT {columns}, {more_columns} FROM {name} WHERE since <= {sequence} UNION ALL \
             SELECT {columns}, {more_columns} FROM {past} WHERE since <= {sequence} AND until > {sequence})"
        )
    }

    fn count(&self, connection: &Connection, source: &str) -> Result<u64, Error> {
        let sql = format!("SELECT count(*) FROM {source} WHERE {}", self.condition);
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        statement.query_row(params_from_iter(&self.parameters), |row| row.get(0)).map_err(failed)
    }

    fn page<F: Column, T>(
        mut self,
        connection: &Connection,
        source: &str,
        query: &Query<F>,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<(Vec<T>, bool), Error> {
        // One more than asked for tells whether there is a next page.
        let limit = self.parameter(Parameter::Integer(i64::from(query.limit) + 1));
        let offset = self.parameter(Parameter::Integer(query.offset.cast_signed()));
        let Table { columns, order, .. } = self.table;
        let sql = format!(
            "SELECT {columns} FROM {source} WHERE {} ORDER BY {}{order} LIMIT {limit} OFFSET {offset}",
            self.condition,
            keys(&query.order),
        );
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let rows = statement.query_map(params_from_iter(&self.parameters), read).map_err(failed)?;
        let mut items: Vec<T> = rows.collect::<Result<_, _>>().map_err(failed)?;
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        Ok((items, more))
    }

    fn parameter(&mut self, value: Parameter) -> String {
        self.parameters.push(value);
        format!("?{}", self.parameters.len())
    }
}

/// When something in `state` shows `status`, as a condition; `None` when it never does.
fn shows(state: State, status: Status, now: &str) -> Option<String> {
    let name = state.name();
    match (state.reads(), status) {
        ((_, Some(deadline)), Status::Expired) => {
            Some(format!("(state = '{name}' AND {} <= {now})", deadline_column(deadline)))
        }
        ((shown, Some(deadline)), status) if shown == status => {
            Some(format!("(state = '{name}' AND {} > {now})", deadline_column(deadline)))
        }
        ((shown, None), status) if shown == status => Some(format!("state = '{name}'")),
        _ => None,
    }
}

fn deadline_column(deadline: Deadline) -> &'static str {
    match deadline {
        Deadline::ExpiresAt => "expires_at",
        Deadline::PendingUntil => "pending_until",
    }
}

/// The keys of an order, each with a comma behind it.
fn keys<F: Column>(keys: &[Order<F>]) -> String {
    let mut sql = String::new();
    for key in keys {
        sql += key.field.column();
        sql += if key.descending { " DESC, " } else { ", " };
    }
    sql
}

/// A field that is a column, or an expression over columns.
trait Column: Field {
    fn column(self) -> &'static str;
}

impl Column for ElevationField {
    fn column(self) -> &'static str {
        match self {
            Self::ActivatedAt => "activated_at",
            Self::ApprovalId => "approval",
            Self::ElevationId => "id",
            Self::ExpiresAt => "expires_at",
            Self::FiledAt => "filed_at",
            Self::FimRequestId => "fim_request_id",
            Self::Justification => "justification",
            Self::PendingUntil => "pending_until",
            Self::RequestedLife => "requested_life",
            Self::RequestedStart => "requested_start",
            Self::RequesterId => "requester_id",
            Self::RequesterName => "requester_name",
            Self::RoleDisplayName => "role_display_name",
            Self::RoleId => "role",
        }
    }
}

impl Column for RoleField {
    fn column(self) -> &'static str {
        match self {
            Self::ApprovalRequired => "(approvers IS NOT NULL)",
            Self::Description => "description",
            Self::DisplayName => "display_name",
            Self::Id => "id",
            Self::LongestLife => "longest_life",
        }
    }
}

/// `IS` and `IS NOT` are equality that knows null.
fn operator(operator: Operator) -> &'static str {
    match operator {
        Operator::Eq => "IS",
        Operator::Ge => ">=",
        Operator::Gt => ">",
        Operator::Le => "<=",
        Operator::Lt => "<",
        Operator::Ne => "IS NOT",
    }
}

fn parameter(value: &Value) -> Parameter {
    match value {
        Value::Bool(value) => Parameter::Integer(i64::from(*value)),
        Value::Id(id) => Parameter::Blob(id.into_bytes().to_vec()),
        Value::Life(life) => Parameter::Integer(life.seconds()),
        Value::Moment(moment) => Parameter::Integer(moment.ticks()),
        Value::Null => Parameter::Null,
        Value::Text(text) => Parameter::Text(text.clone()),
    }
}
