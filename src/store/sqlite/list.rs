//! Lists: filters, order and pages as SQL.
//!
//! The text of a statement is made of constants only; every value of a caller is a parameter.

use rusqlite::types::Value as Parameter;
use rusqlite::{Connection, params_from_iter};

use super::failed;
use super::row::{ELEVATION_COLUMNS, read_elevation};
use crate::domain::elevation::{Deadline, Elevation, State, Status};
use crate::domain::error::Error;
use crate::domain::moment::Moment;
use crate::domain::query::{Comparison, Field, Operator, Order, Page, Query, Snapshot, Value};
use crate::store::Approver;

/// See [`Store::pending_approvals`](crate::store::Store::pending_approvals).
pub(super) fn pending_approvals(
    connection: &Connection,
    approver: &Approver,
    query: &Query,
    now: Moment,
) -> Result<Page<Elevation>, Error> {
    let head: u64 =
        connection.query_row("SELECT sequence FROM head", [], |row| row.get(0)).map_err(failed)?;
    let snapshot = query.snapshot.unwrap_or(Snapshot { now, sequence: head });
    let mut list = List { condition: String::from("TRUE"), parameters: Vec::new() };
    list.and_status(Status::PendingApproval, snapshot.now);
    list.and_decidable_by(approver);
    for comparison in &query.filter {
        list.and(comparison);
    }
    let source = list.source(snapshot.sequence, head);
    let total = query.count.then(|| list.count(connection, &source)).transpose()?;
    let (items, more) = list.page(connection, &source, query)?;
    Ok(Page { items, more, total, snapshot })
}

/// The condition of a list, and the values it compares with.
struct List {
    condition: String,
    parameters: Vec<Parameter>,
}

impl List {
    /// Limits the list to what has `status` at `now`: [`Elevation::status`] for many.
    fn and_status(&mut self, status: Status, now: Moment) {
        let now = self.parameter(Parameter::Integer(now.ticks()));
        let alternatives: Vec<String> =
            State::ALL.into_iter().filter_map(|state| shows(state, status, &now)).collect();
        self.condition += &format!(" AND ({})", alternatives.join(" OR "));
    }

    /// Limits the list to what `approver` may decide and has not decided.
    fn and_decidable_by(&mut self, approver: &Approver) {
        let principals: Vec<String> =
            approver.principals.iter().map(|principal| format!("\"{}\"", principal.0.simple())).collect();
        let principals = self.parameter(Parameter::Text(format!("[{}]", principals.join(","))));
        let blob = self.parameter(Parameter::Blob(approver.account.0.into_bytes().to_vec()));
        let text = self.parameter(Parameter::Text(approver.account.to_string()));
        self.condition += &format!(
            " AND role IN (SELECT role FROM role_principal WHERE part = 'approver' \
             AND principal IN (SELECT unhex(value) FROM json_each({principals}))) \
             AND requester_id <> {blob} \
             AND NOT EXISTS (SELECT 1 FROM json_each(decisions) WHERE value ->> 'approver' = {text})"
        );
    }

    fn and(&mut self, comparison: &Comparison) {
        let column = column(comparison.field());
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
            return "elevation".to_owned();
        }
        let sequence = self.parameter(Parameter::Integer(sequence.cast_signed()));
        let columns = "fim_request_id, since";
        format!(
            "(SELECT {ELEVATION_COLUMNS}, {columns} FROM elevation WHERE since <= {sequence} UNION ALL \
             SELECT {ELEVATION_COLUMNS}, {columns} FROM elevation_past \
             WHERE since <= {sequence} AND until > {sequence})"
        )
    }

    fn count(&self, connection: &Connection, source: &str) -> Result<u64, Error> {
        let sql = format!("SELECT count(*) FROM {source} WHERE {}", self.condition);
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        statement.query_row(params_from_iter(&self.parameters), |row| row.get(0)).map_err(failed)
    }

    fn page(
        mut self,
        connection: &Connection,
        source: &str,
        query: &Query,
    ) -> Result<(Vec<Elevation>, bool), Error> {
        // One more than asked for tells whether there is a next page.
        let limit = self.parameter(Parameter::Integer(i64::from(query.limit) + 1));
        let offset = self.parameter(Parameter::Integer(query.offset.cast_signed()));
        let sql = format!(
            "SELECT {ELEVATION_COLUMNS} FROM {source} WHERE {} ORDER BY {} LIMIT {limit} OFFSET {offset}",
            self.condition,
            order(&query.order),
        );
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let rows = statement.query_map(params_from_iter(&self.parameters), read_elevation).map_err(failed)?;
        let mut items: Vec<Elevation> = rows
            .map(|elevation| elevation.map(|elevation| elevation.value))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
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

fn order(keys: &[Order]) -> String {
    let mut sql = String::new();
    for key in keys {
        sql += column(key.field);
        sql += if key.descending { " DESC, " } else { ", " };
    }
    sql + "filed_at, id"
}

fn column(field: Field) -> &'static str {
    match field {
        Field::ApprovalId => "approval",
        Field::ElevationId => "id",
        Field::FiledAt => "filed_at",
        Field::FimRequestId => "fim_request_id",
        Field::Justification => "justification",
        Field::PendingUntil => "pending_until",
        Field::RequestedLife => "requested_life",
        Field::RequestedStart => "requested_start",
        Field::RequesterId => "requester_id",
        Field::RequesterName => "requester_name",
        Field::RoleDisplayName => "role_display_name",
        Field::RoleId => "role",
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
        Value::Id(id) => Parameter::Blob(id.into_bytes().to_vec()),
        Value::Life(life) => Parameter::Integer(life.seconds()),
        Value::Moment(moment) => Parameter::Integer(moment.ticks()),
        Value::Null => Parameter::Null,
        Value::Text(text) => Parameter::Text(text.clone()),
    }
}
