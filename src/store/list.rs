//! Lists as SQL: filters, order and pages. The backends share the text of a statement, and differ by a [`Dialect`].
//!
//! The text is made of constants only; every value of a caller is a parameter.

mod field;
mod single;

use uuid::Uuid;

use super::Approver;
use super::columns::channel_name;
use crate::domain::elevation::{Deadline, State, Status};
use crate::domain::id::{AccountId, PrincipalId, RoleId};
use crate::domain::moment::Moment;
use crate::domain::query::{Comparison, ElevationField, Operator, Order, Query, Snapshot, Value};
pub(super) use field::{Column, Source};

/// What the backends say each in their own way.
pub(super) struct Dialect {
    /// What stands before the number of a parameter.
    pub(super) placeholder: char,
    /// Whether `decisions` holds one of the approver whose id is the text in the parameter `{}`.
    pub(super) decided_by: &'static str,
    /// Whether `principal` is in the parameter `{}`, which [`Parameter::Ids`] is.
    pub(super) is_among: &'static str,
    /// What stands behind the backslash of `requester_name`.
    pub(super) requester_user: &'static str,
}

/// A value that a statement compares with.
#[derive(Debug)]
pub(super) enum Parameter {
    /// True or false.
    Bool(bool),
    /// An id.
    Id(Uuid),
    /// Several ids.
    Ids(Vec<Uuid>),
    /// A number.
    Integer(i64),
    /// A text.
    Text(String),
}

/// What a list is a list of.
pub(super) struct Table {
    name: &'static str,
    past: &'static str,
    /// What is read.
    pub(super) columns: &'static str,
    /// What a condition may ask for beside the columns.
    more_columns: &'static str,
    /// The order of what the keys of a query leave open.
    order: &'static str,
}

/// The columns of an elevation, in the order in which the backends read them.
pub(super) const ELEVATION_COLUMNS: &str = "id, version, requester_id, requester_name, role, role_display_name, \
     justification, requested_duration, duration, requested_start_time, create_time, activate_time, expire_time, state, approval, \
     pending_expire_time, outcome, decisions, channel, stage, client_request, fingerprint";

/// The columns of a role, in the order in which the backends read them.
pub(super) const ROLE_COLUMNS: &str = "id, version, display_name, description, max_duration, candidates, stages, available_from, available_to, rules";

const ELEVATIONS: Table = Table {
    name: "elevation",
    past: "elevation_past",
    columns: ELEVATION_COLUMNS,
    more_columns: "since, fim_request_id",
    order: "create_time, id",
};

const ROLES: Table = Table {
    name: "role",
    past: "role_past",
    columns: ROLE_COLUMNS,
    more_columns: "since, deleted",
    order: "display_name, id",
};

/// The condition of a list, and the values it compares with.
pub(super) struct List {
    dialect: &'static Dialect,
    table: &'static Table,
    condition: String,
    parameters: Vec<Parameter>,
}

/// One statement.
pub(super) struct Statement {
    /// Its text.
    pub(super) sql: String,
    /// The values of its parameters, from number 1.
    pub(super) parameters: Vec<Parameter>,
}

/// The statements that read a page.
pub(super) struct Reading {
    /// Counts all matches, where that is asked for.
    pub(super) count: Option<String>,
    /// Reads the page, and one more.
    pub(super) page: String,
    /// The values for both, of which the count has only the first.
    pub(super) parameters: Vec<Parameter>,
    /// How many parameters the count has.
    counted: usize,
    /// The moment that the page shows.
    pub(super) snapshot: Snapshot,
}

impl Reading {
    /// The parameters of the count.
    pub(super) fn count_parameters(&self) -> &[Parameter] {
        &self.parameters[..self.counted]
    }
}

impl List {
    /// See [`Store::pending_approvals`](super::Store::pending_approvals).
    pub(super) fn pending_approvals(
        dialect: &'static Dialect,
        approver: &Approver,
        query: &Query<ElevationField>,
        now: Moment,
    ) -> Self {
        let mut list = Self::new(dialect, &ELEVATIONS);
        list.and_any_status(
            &[Status::PendingApproval],
            query.snapshot.map_or(now, |snapshot| snapshot.now),
        );
        list.and_decidable_by(approver);
        list
    }

    /// See [`Store::elevations`](super::Store::elevations).
    pub(super) fn elevations(dialect: &'static Dialect, requester: AccountId) -> Self {
        let mut list = Self::new(dialect, &ELEVATIONS);
        list.and_requester(requester);
        list
    }

    /// See [`Store::roles`](super::Store::roles).
    pub(super) fn roles(dialect: &'static Dialect, candidates: Option<&[PrincipalId]>) -> Self {
        let mut list = Self::new(dialect, &ROLES);
        list.condition += " AND NOT deleted";
        if let Some(candidates) = candidates {
            list.and_names("id", "candidate", "0", candidates);
        }
        list
    }

    fn new(dialect: &'static Dialect, table: &'static Table) -> Self {
        Self {
            dialect,
            table,
            condition: String::from("TRUE"),
            parameters: Vec::new(),
        }
    }

    /// Limits the list to what of `role` has not ended at `now`.
    fn and_live(&mut self, role: RoleId, now: Moment) {
        let role = self.parameter(Parameter::Id(role.0));
        // That time will do something to it is written out too, as it is in the index, which is not found otherwise.
        self.condition += &format!(" AND role = {role} AND due IS NOT NULL");
        self.and_any_status(
            &[Status::Active, Status::PendingApproval, Status::Scheduled],
            now,
        );
    }

    /// Limits the list to what has one of `statuses` at `now`: `Elevation::status` for many.
    fn and_any_status(&mut self, statuses: &[Status], now: Moment) {
        let placeholder = self.placeholder(self.parameters.len() + 1);
        let alternatives: Vec<String> = State::ALL
            .into_iter()
            .flat_map(|state| {
                statuses
                    .iter()
                    .filter_map(|status| shows(state, *status, &placeholder))
                    .collect::<Vec<_>>()
            })
            .collect();
        let alternatives = alternatives.join(" OR ");
        // Some statuses are for good, and a statement takes no parameter that its text does not have.
        if alternatives.contains(&placeholder) {
            self.parameter(Parameter::Integer(now.ticks()));
        }
        self.condition += &format!(" AND ({alternatives})");
    }

    fn and_requester(&mut self, requester: AccountId) {
        let requester = self.parameter(Parameter::Id(requester.0));
        self.condition += &format!(" AND requester_id = {requester}");
    }

    /// Limits the list to what `approver` may decide and has not decided.
    fn and_decidable_by(&mut self, approver: &Approver) {
        self.and_names("role", "approver", "stage", &approver.principals);
        let account = self.parameter(Parameter::Id(approver.account.0));
        let decided_by = self.parameter(Parameter::Text(approver.account.to_string()));
        let decided_by = self.dialect.decided_by.replace("{}", &decided_by);
        self.condition += &format!(" AND requester_id <> {account} AND NOT {decided_by}");
    }

    /// Limits the list to roles that name one of `principals` for `part`, in the stage that is an expression of the list.
    fn and_names(
        &mut self,
        role_column: &str,
        part: &str,
        stage: &str,
        principals: &[PrincipalId],
    ) {
        let principals = principals.iter().map(|principal| principal.0).collect();
        let principals = self.parameter(Parameter::Ids(principals));
        let is_among = self.dialect.is_among.replace("{}", &principals);
        self.condition += &format!(
            " AND ({role_column}, {stage}) IN (SELECT role, stage FROM role_principal WHERE part = '{part}' AND {is_among})"
        );
    }

    /// The page that the query asks for, of the moment that it shows; `head` is the last event there is.
    pub(super) fn reading<F: Column>(
        mut self,
        query: &Query<F>,
        now: Moment,
        head: u64,
    ) -> Reading {
        let snapshot = query.snapshot.unwrap_or(Snapshot {
            now,
            sequence: head,
        });
        for comparison in &query.filter {
            self.and(comparison, snapshot.now);
        }
        let source = self.source(snapshot.sequence, head);
        let count = query
            .count
            .then(|| format!("SELECT count(*) FROM {source} WHERE {}", self.condition));
        let counted = self.parameters.len();
        // One more than asked for tells whether there is a next page.
        let limit = self.parameter(Parameter::Integer(i64::from(query.limit) + 1));
        let offset = self.parameter(Parameter::Integer(query.offset.cast_signed()));
        let keys = self.keys(&query.order, snapshot.now);
        let Table { columns, order, .. } = self.table;
        let page = format!(
            "SELECT {columns} FROM {source} WHERE {} ORDER BY {keys}{order} LIMIT {limit} OFFSET {offset}",
            self.condition,
        );
        Reading {
            count,
            page,
            parameters: self.parameters,
            counted,
            snapshot,
        }
    }

    fn and<F: Column>(&mut self, comparison: &Comparison<F>, now: Moment) {
        let operator = comparison.operator();
        let column = match comparison.field().source() {
            Source::Column(column) => column,
            Source::RequesterUser => self.dialect.requester_user,
            Source::Status => "state",
        };
        let sql = match comparison.value() {
            Value::Null if operator == Operator::Eq => format!("{column} IS NULL"),
            Value::Null => format!("{column} IS NOT NULL"),
            Value::Status(status) => return self.and_status(*status, operator, now),
            Value::Moment(moment) => self.in_milliseconds(column, operator, *moment),
            Value::Bool(value) => self.compared(column, operator, Parameter::Bool(*value)),
            Value::Channel(channel) => self.compared(
                column,
                operator,
                Parameter::Text(channel_name(*channel).to_owned()),
            ),
            Value::Id(id) => self.compared(column, operator, Parameter::Id(*id)),
            Value::Duration(duration) => {
                self.compared(column, operator, Parameter::Integer(duration.seconds()))
            }
            Value::Text(text) => self.compared(column, operator, Parameter::Text(text.clone())),
        };
        // Null is less than every value.
        let below =
            matches!(operator, Operator::Le | Operator::Lt) && comparison.field().is_nullable();
        self.condition += &match below {
            true => format!(" AND ({sql} OR {column} IS NULL)"),
            false => format!(" AND {sql}"),
        };
    }

    fn and_status(&mut self, status: Status, operator: Operator, now: Moment) {
        let others: Vec<Status> = Status::ALL
            .into_iter()
            .filter(|other| *other != status)
            .collect();
        match operator {
            Operator::Ne => self.and_any_status(&others, now),
            _ => self.and_any_status(&[status], now),
        }
    }

    fn compared(&mut self, column: &str, operator: Operator, value: Parameter) -> String {
        let value = self.parameter(value);
        match operator {
            Operator::Eq => format!("{column} = {value}"),
            Operator::Ge => format!("{column} >= {value}"),
            Operator::Gt => format!("{column} > {value}"),
            Operator::Le => format!("{column} <= {value}"),
            Operator::Lt => format!("{column} < {value}"),
            Operator::Ne => format!("({column} IS NULL OR {column} <> {value})"),
        }
    }

    /// Compares whole milliseconds, as a range of ticks so that an index can serve it.
    fn in_milliseconds(&mut self, column: &str, operator: Operator, moment: Moment) -> String {
        let first = moment.millisecond().ticks();
        let next = first.saturating_add(Moment::TICKS_PER_MILLISECOND);
        let mut bound = |ticks| self.parameter(Parameter::Integer(ticks));
        match operator {
            Operator::Eq => format!(
                "({column} >= {} AND {column} < {})",
                bound(first),
                bound(next)
            ),
            Operator::Ge => format!("{column} >= {}", bound(first)),
            Operator::Gt => format!("{column} >= {}", bound(next)),
            Operator::Le => format!("{column} < {}", bound(next)),
            Operator::Lt => format!("{column} < {}", bound(first)),
            Operator::Ne => {
                format!(
                    "({column} IS NULL OR {column} < {} OR {column} >= {})",
                    bound(first),
                    bound(next)
                )
            }
        }
    }

    /// What to read from: the present, or, when it has moved on, the present and the past as they were at `sequence`.
    fn source(&mut self, sequence: u64, head: u64) -> String {
        if sequence >= head {
            return self.table.name.to_owned();
        }
        let sequence = self.parameter(Parameter::Integer(sequence.cast_signed()));
        let Table {
            name,
            past,
            columns,
            more_columns,
            ..
        } = self.table;
        format!(
            "(SELECT {columns}, {more_columns} FROM {name} WHERE since <= {sequence} UNION ALL \
             SELECT {columns}, {more_columns} FROM {past} WHERE since <= {sequence} AND until > {sequence}) AS {name}"
        )
    }

    /// The keys of an order, each with a comma behind it. Null is less than every value, which both backends have to be
    /// told in the same words.
    fn keys<F: Column>(&mut self, keys: &[Order<F>], now: Moment) -> String {
        let mut sql = String::new();
        for key in keys {
            sql += &match key.field.source() {
                Source::Column(column) => column.to_owned(),
                Source::RequesterUser => self.dialect.requester_user.to_owned(),
                Source::Status => self.status(now),
            };
            sql += if key.descending {
                " DESC NULLS LAST, "
            } else {
                " NULLS FIRST, "
            };
        }
        sql
    }

    /// The name of the status at `now`, which is the state's where no deadline has passed.
    fn status(&mut self, now: Moment) -> String {
        let now = self.parameter(Parameter::Integer(now.ticks()));
        let expired = State::ALL
            .into_iter()
            .filter_map(|state| shows(state, Status::Expired, &now));
        let expired: Vec<String> = expired.collect();
        format!(
            "CASE WHEN {} THEN 'Expired' ELSE state END",
            expired.join(" OR ")
        )
    }

    fn parameter(&mut self, value: Parameter) -> String {
        self.parameters.push(value);
        self.placeholder(self.parameters.len())
    }

    fn placeholder(&self, number: usize) -> String {
        format!("{}{number}", self.dialect.placeholder)
    }
}

/// When something in `state` shows `status`, as a condition; `None` when it never does.
fn shows(state: State, status: Status, now: &str) -> Option<String> {
    let name = state.name();
    match (state.reads(), status) {
        ((_, Some(deadline)), Status::Expired) => Some(format!(
            "(state = '{name}' AND {} <= {now})",
            deadline_column(deadline)
        )),
        ((shown, Some(deadline)), status) if shown == status => Some(format!(
            "(state = '{name}' AND {} > {now})",
            deadline_column(deadline)
        )),
        ((shown, None), status) if shown == status => Some(format!("state = '{name}'")),
        _ => None,
    }
}

fn deadline_column(deadline: Deadline) -> &'static str {
    match deadline {
        Deadline::ExpireTime => "expire_time",
        Deadline::PendingExpireTime => "pending_expire_time",
    }
}
