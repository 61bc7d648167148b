//! Lists as SQL: filters, order and pages. The backends share the text of a statement, and differ by a [`Dialect`].
//!
//! The text is made of constants only; every value of a caller is a parameter.

mod field;
mod page;
mod single;

use uuid::Uuid;

use super::Approver;
use super::columns::channel_name;
use super::tables::{ColumnNames, ELEVATION_COLUMNS, ROLE_COLUMNS};
use crate::domain::id::{AccountId, PrincipalId, RoleId};
use crate::domain::moment::Moment;
use crate::domain::query::{Comparison, Operator, Value};
use crate::domain::status::{Expiry, Status};
pub(super) use field::{Column, Source};

/// The parts of SQL in which the backends differ.
pub(super) struct Dialect {
    /// The character before the number of a parameter.
    pub(super) placeholder: char,
    /// Whether `decisions` contains one of the approver whose id is the text in the parameter `{}`.
    pub(super) decided_by: &'static str,
    /// Whether `principal` is in the parameter `{}`, which [`Parameter::Ids`] is.
    pub(super) is_among: &'static str,
    /// The elevations of one requester that have not ended, read by the index that has only those.
    pub(super) live_of_requester: &'static str,
    /// The pending elevations of some roles, read by their index if there is one.
    pub(super) pending: &'static str,
    /// The part of `requester_name` after the backslash.
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

/// The table of a list.
pub(super) struct Table {
    name: &'static str,
    /// The columns to read.
    columns: &'static ColumnNames,
}

const ELEVATIONS: Table = Table {
    name: "elevation",
    columns: &ELEVATION_COLUMNS,
};

const ROLES: Table = Table {
    name: "role",
    columns: &ROLE_COLUMNS,
};

/// The condition of a list, and the values that it is compared with.
pub(super) struct List {
    dialect: &'static Dialect,
    table: &'static Table,
    condition: String,
    /// Whether the condition names one requester.
    is_of_requester: bool,
    /// Whether the condition leaves out all elevations that have ended.
    is_live: bool,
    /// Whether the condition names roles, and leaves out all elevations that are not pending.
    is_pending: bool,
    parameters: Vec<Parameter>,
}

/// One statement.
pub(super) struct Statement {
    /// Its text.
    pub(super) sql: String,
    /// The values of its parameters, from number 1.
    pub(super) parameters: Vec<Parameter>,
}

impl List {
    /// See [`Store::pending_approvals`](super::Store::pending_approvals).
    pub(super) fn pending_approvals(
        dialect: &'static Dialect,
        approver: &Approver,
        now: Moment,
    ) -> Self {
        let mut list = Self::new(dialect, &ELEVATIONS);
        list.and_any_status(&[Status::PendingApproval], now);
        list.and_decidable_by(approver);
        list.is_pending = true;
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
            is_of_requester: false,
            is_live: false,
            is_pending: false,
            parameters: Vec::new(),
        }
    }

    /// Limits the list to elevations of `role` that have not ended at `now`.
    fn and_live(&mut self, role: RoleId, now: Moment) {
        let role = self.parameter(Parameter::Id(role.0));
        self.condition += &format!(" AND role = {role}");
        self.and_any_status(
            &[Status::Active, Status::PendingApproval, Status::Scheduled],
            now,
        );
    }

    /// Limits the list to rows that have one of `statuses` at `now`. It is `Elevation::status_at` for many.
    fn and_any_status(&mut self, statuses: &[Status], now: Moment) {
        let placeholder = self.placeholder(self.parameters.len() + 1);
        let alternatives: Vec<String> = Status::ALL
            .iter()
            .flat_map(|stored| {
                statuses
                    .iter()
                    .filter_map(|status| shows(*stored, *status, &placeholder))
                    .collect::<Vec<_>>()
            })
            .collect();
        let alternatives = alternatives.join(" OR ");
        // Some statuses are final, and a statement takes no parameter that its text does not have.
        if alternatives.contains(&placeholder) {
            self.parameter(Parameter::Integer(now.ticks()));
        }
        // The condition of the indexes is repeated; otherwise the planner does not use them.
        if statuses.iter().all(|status| !status.is_end()) {
            self.condition += " AND ended = 0";
            self.is_live = true;
        }
        self.condition += &format!(" AND ({alternatives})");
    }

    fn and_requester(&mut self, requester: AccountId) {
        let requester = self.parameter(Parameter::Id(requester.0));
        self.condition += &format!(" AND requester_id = {requester}");
        self.is_of_requester = true;
    }

    /// Returns the table to read from.
    fn source(&self) -> &'static str {
        if self.is_of_requester && self.is_live {
            self.dialect.live_of_requester
        } else if self.is_pending {
            self.dialect.pending
        } else {
            self.table.name
        }
    }

    /// Limits the list to elevations that `approver` may decide and has not decided.
    fn and_decidable_by(&mut self, approver: &Approver) {
        self.and_names("role", "approver", "stage", &approver.principals);
        let account = self.parameter(Parameter::Id(approver.account.0));
        let decided_by = self.parameter(Parameter::Text(approver.account.to_string()));
        let decided_by = self.dialect.decided_by.replace("{}", &decided_by);
        self.condition += &format!(" AND requester_id <> {account} AND NOT {decided_by}");
    }

    /// Limits the list to roles that name one of `principals` for `part`, in the stage that is an expression of the
    /// list.
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

    fn and<F: Column>(&mut self, comparison: &Comparison<F>, now: Moment) {
        let operator = comparison.operator();
        let column = match comparison.field().source() {
            Source::Column(column) => column,
            Source::RequesterUser => self.dialect.requester_user,
            Source::Status => "state",
        };
        let sql = match comparison.value() {
            Value::Status(status) => return self.and_status(*status, operator, now),
            Value::Moment(moment) => self.in_milliseconds(column, operator, *moment),
            value => match parameter(value) {
                None if operator == Operator::Eq => format!("{column} IS NULL"),
                None => format!("{column} IS NOT NULL"),
                Some(value) => self.compared(column, operator, value),
            },
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
            .iter()
            .copied()
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

    /// Returns the name of the status at `now`: that of the state if no deadline has passed.
    fn status(&mut self, now: Moment) -> String {
        let now = self.parameter(Parameter::Integer(now.ticks()));
        let expired = Status::ALL
            .iter()
            .filter_map(|stored| shows(*stored, Status::Expired, &now));
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

/// Returns a value as a parameter; `None` for null.
fn parameter(value: &Value) -> Option<Parameter> {
    Some(match value {
        Value::Bool(value) => Parameter::Bool(*value),
        Value::Channel(channel) => Parameter::Text(channel_name(*channel).to_owned()),
        Value::Duration(duration) => Parameter::Integer(duration.seconds()),
        Value::Id(id) => Parameter::Id(*id),
        Value::Moment(moment) => Parameter::Integer(moment.ticks()),
        Value::Null => return None,
        Value::Status(status) => Parameter::Text(status.name().to_owned()),
        Value::Text(text) => Parameter::Text(text.clone()),
    })
}

/// Returns the condition under which a row that was stored with the status `stored` has `status`; `None` if it never
/// has.
fn shows(stored: Status, status: Status, now: &str) -> Option<String> {
    let name = stored.name();
    match stored.expiry().map(expiry_column) {
        Some(column) if status == Status::Expired => {
            Some(format!("(state = '{name}' AND {column} <= {now})"))
        }
        Some(column) if status == stored => {
            Some(format!("(state = '{name}' AND {column} > {now})"))
        }
        None if status == stored => Some(format!("state = '{name}'")),
        _ => None,
    }
}

fn expiry_column(expiry: Expiry) -> &'static str {
    match expiry {
        Expiry::ExpireTime => "expire_time",
        Expiry::PendingExpireTime => "pending_expire_time",
    }
}
