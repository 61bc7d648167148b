//! The tables of elevations and roles: their columns, which are the same in every backend.
//!
//! A new column of an elevation or a role needs a change in at most five places:
//!
//! 1. a migration for SQLite, in `migrations/sqlite`;
//! 2. a migration for PostgreSQL, in `migrations/postgres`;
//! 3. [`ELEVATION`] or [`ROLE`] here: its name, its type and how it is written;
//! 4. [`read_elevation`] or [`read_role`] here: how it is read;
//! 5. `list/field.rs`, if callers can filter by it or order by it.
//!
//! The statements of the backends are made from the tables here. [`position`] finds a column by its name, at compile
//! time.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use uuid::Uuid;

use super::columns::{
    channel_name, channel_named, decisions_from_json, decisions_to_json, principals_from_json,
    principals_to_json, rules_from_columns, rules_to_json, stages_from_json, stages_to_json,
    time_of_day, verdict_name, verdict_named,
};
use crate::domain::account::Account;
use crate::domain::approval::Approval;
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::event::ClientRequest;
use crate::domain::id::{AccountId, ApprovalId, ElevationId, RoleId};
use crate::domain::moment::{Moment, Seconds};
use crate::domain::role::Role;
use crate::domain::status::Status;
use crate::domain::version::{Version, Versioned};
use crate::domain::window::Window;

/// A row to write.
pub(super) struct NewRow<'a, T> {
    /// The record.
    pub(super) record: &'a T,
    /// The version that it gets.
    pub(super) version: Version,
    /// The sequence of its last event.
    pub(super) since: u64,
}

/// A column of a table whose rows hold a `T`.
pub(super) struct Column<T: 'static> {
    /// Its name.
    pub(super) name: &'static str,
    /// Its type, and its value in a row.
    pub(super) value: ColumnValue<T>,
    /// Whether it can change after the row was inserted.
    can_change: bool,
}

/// The type of a column, with the function that returns its value.
pub(super) enum ColumnValue<T: 'static> {
    /// The 16 bytes of a GUID.
    Id(fn(&NewRow<'_, T>) -> Option<Uuid>),
    /// A number, or a moment in ticks.
    Integer(fn(&NewRow<'_, T>) -> Option<i64>),
    /// A JSON text, never null.
    Json(fn(&NewRow<'_, T>) -> String),
    /// A text.
    Text(for<'a> fn(&'a NewRow<'_, T>) -> Option<Cow<'a, str>>),
}

/// A row as a backend returns it. Columns are counted from 0, in the order of a table.
pub(super) trait ColumnReader {
    /// Reads an id.
    fn id(&self, column: usize) -> Result<Option<Uuid>, Error>;

    /// Reads a number.
    fn integer(&self, column: usize) -> Result<Option<i64>, Error>;

    /// Reads a JSON text.
    fn json(&self, column: usize) -> Result<&str, Error>;

    /// Reads a text.
    fn text(&self, column: usize) -> Result<Option<&str>, Error>;
}

/// The columns of an elevation. The first one is the key.
#[rustfmt::skip]
pub(super) const ELEVATION: &[Column<Elevation>] = &[
    fixed("id", ColumnValue::Id(|row| Some(row.record.id.0))),
    changing("version", ColumnValue::Integer(|row| Some(row.version.0.cast_signed()))),
    changing("since", ColumnValue::Integer(|row| Some(row.since.cast_signed()))),
    fixed("requester_id", ColumnValue::Id(|row| Some(row.record.requester.id.0))),
    fixed("requester_name", ColumnValue::Text(|row| text(&row.record.requester.name))),
    fixed("role", ColumnValue::Id(|row| Some(row.record.role.0))),
    fixed("role_display_name", ColumnValue::Text(|row| text(&row.record.role_display_name))),
    fixed("justification", ColumnValue::Text(|row| text(row.record.justification.as_ref()?))),
    fixed("requested_duration", ColumnValue::Integer(|row| Some(row.record.requested_duration.seconds()))),
    changing("duration", ColumnValue::Integer(|row| Some(row.record.duration.seconds()))),
    fixed("requested_start_time", ColumnValue::Integer(|row| Some(row.record.requested_start_time.ticks()))),
    fixed("create_time", ColumnValue::Integer(|row| Some(row.record.create_time.ticks()))),
    changing("activate_time", ColumnValue::Integer(|row| Some(row.record.activate_time?.ticks()))),
    changing("expire_time", ColumnValue::Integer(|row| Some(row.record.expire_time?.ticks()))),
    changing("state", ColumnValue::Text(|row| text(row.record.status.name()))),
    fixed("fim_request_id", ColumnValue::Id(|row| Some(row.record.id.fim_request_id()))),
    fixed("approval", ColumnValue::Id(|row| Some(approval(row)?.id.0))),
    fixed("pending_expire_time", ColumnValue::Integer(|row| Some(approval(row)?.pending_expire_time.ticks()))),
    changing("outcome", ColumnValue::Text(|row| text(verdict_name(approval(row)?.outcome?)))),
    changing("decisions", ColumnValue::Json(|row| match approval(row) {
        Some(approval) => decisions_to_json(&approval.decisions),
        None => decisions_to_json(&[]),
    })),
    fixed("channel", ColumnValue::Text(|row| text(channel_name(row.record.channel)))),
    // Only the last event sets it, by a statement of its own, because the partial indexes of live elevations depend on it.
    fixed("ended", ColumnValue::Integer(|row| Some(i64::from(row.record.due().is_none())))),
    changing("due", ColumnValue::Integer(|row| Some(row.record.due()?.ticks()))),
    changing("stage", ColumnValue::Integer(|row| match approval(row) {
        Some(approval) => i64::try_from(approval.stage).ok(),
        None => Some(0),
    })),
    fixed("client_request", ColumnValue::Id(|row| Some(row.record.client_request?.id))),
    fixed("fingerprint", ColumnValue::Id(|row| Some(row.record.client_request?.fingerprint))),
];

/// The columns of a role. The first one is the key. Deletion has a statement of its own.
#[rustfmt::skip]
pub(super) const ROLE: &[Column<Role>] = &[
    fixed("id", ColumnValue::Id(|row| Some(row.record.id.0))),
    changing("version", ColumnValue::Integer(|row| Some(row.version.0.cast_signed()))),
    changing("since", ColumnValue::Integer(|row| Some(row.since.cast_signed()))),
    changing("display_name", ColumnValue::Text(|row| text(&row.record.display_name))),
    changing("description", ColumnValue::Text(|row| text(&row.record.description))),
    changing("max_duration", ColumnValue::Integer(|row| Some(row.record.max_duration.seconds()))),
    changing("candidates", ColumnValue::Json(|row| principals_to_json(&row.record.candidates))),
    changing("stages", ColumnValue::Json(|row| stages_to_json(&row.record.stages))),
    changing("available_from", ColumnValue::Text(|row| Some(time_of_day(row.record.rules.window.map(Window::from)).into()))),
    changing("available_to", ColumnValue::Text(|row| Some(time_of_day(row.record.rules.window.map(Window::to)).into()))),
    changing("rules", ColumnValue::Json(|row| rules_to_json(&row.record.rules))),
];

/// Reads an elevation from a row of [`ELEVATION`].
pub(super) fn read_elevation(row: &impl ColumnReader) -> Result<Versioned<Elevation>, Error> {
    const fn at(name: &str) -> usize {
        position(ELEVATION, name)
    }
    let approval = match row.id(const { at("approval") })? {
        None => None,
        Some(id) => Some(Approval {
            id: ApprovalId(id),
            pending_expire_time: moment(row.integer(const { at("pending_expire_time") })?)?,
            outcome: match row.text(const { at("outcome") })? {
                None => None,
                Some(name) => Some(verdict_named(name)?),
            },
            stage: required(row.integer(const { at("stage") })?)?
                .try_into()
                .map_err(Error::internal)?,
            decisions: decisions_from_json(row.json(const { at("decisions") })?)?,
        }),
    };
    let client_request = match row.id(const { at("client_request") })? {
        None => None,
        Some(id) => Some(ClientRequest {
            id,
            fingerprint: required(row.id(const { at("fingerprint") })?)?,
        }),
    };
    let value = Elevation {
        id: ElevationId(required(row.id(const { at("id") })?)?),
        requester: Account {
            id: AccountId(required(row.id(const { at("requester_id") })?)?),
            name: required(row.text(const { at("requester_name") })?)?.to_owned(),
        },
        role: RoleId(required(row.id(const { at("role") })?)?),
        role_display_name: required(row.text(const { at("role_display_name") })?)?.to_owned(),
        justification: row.text(const { at("justification") })?.map(str::to_owned),
        requested_duration: seconds(row.integer(const { at("requested_duration") })?)?,
        duration: seconds(row.integer(const { at("duration") })?)?,
        requested_start_time: moment(row.integer(const { at("requested_start_time") })?)?,
        create_time: moment(row.integer(const { at("create_time") })?)?,
        channel: channel_named(required(row.text(const { at("channel") })?)?)?,
        activate_time: row
            .integer(const { at("activate_time") })?
            .map(Moment::from_ticks),
        expire_time: row
            .integer(const { at("expire_time") })?
            .map(Moment::from_ticks),
        status: status_named(required(row.text(const { at("state") })?)?)?,
        approval,
        client_request,
    };
    Ok(Versioned {
        version: version(row.integer(const { at("version") })?)?,
        value,
    })
}

/// Reads a role from a row of [`ROLE`].
pub(super) fn read_role(row: &impl ColumnReader) -> Result<Versioned<Role>, Error> {
    const fn at(name: &str) -> usize {
        position(ROLE, name)
    }
    let value = Role {
        id: RoleId(required(row.id(const { at("id") })?)?),
        display_name: required(row.text(const { at("display_name") })?)?.to_owned(),
        description: required(row.text(const { at("description") })?)?.to_owned(),
        max_duration: seconds(row.integer(const { at("max_duration") })?)?,
        candidates: principals_from_json(row.json(const { at("candidates") })?)?,
        stages: stages_from_json(row.json(const { at("stages") })?)?,
        rules: rules_from_columns(
            row.json(const { at("rules") })?,
            required(row.text(const { at("available_from") })?)?,
            required(row.text(const { at("available_to") })?)?,
        )?,
    };
    Ok(Versioned {
        version: version(row.integer(const { at("version") })?)?,
        value,
    })
}

/// The names of the columns of a table, for a `SELECT`.
pub(super) struct ColumnNames(LazyLock<String>);

/// The names of [`ELEVATION`].
pub(super) static ELEVATION_COLUMNS: ColumnNames = ColumnNames(LazyLock::new(|| {
    joined(ELEVATION, |column| column.name.to_owned())
}));

/// The names of [`ROLE`].
pub(super) static ROLE_COLUMNS: ColumnNames = ColumnNames(LazyLock::new(|| {
    joined(ROLE, |column| column.name.to_owned())
}));

impl fmt::Display for ColumnNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the columns that an update writes: the key, and those that can change.
pub(super) fn of_update<T>(
    table: &'static [Column<T>],
) -> impl Iterator<Item = &'static Column<T>> {
    let (key, others) = table.split_at(1);
    key.iter().chain(of_change(others))
}

/// Returns the columns that can change.
pub(super) fn of_change<T>(
    table: &'static [Column<T>],
) -> impl Iterator<Item = &'static Column<T>> {
    table.iter().filter(|column| column.can_change)
}

/// Returns the text for each column, joined by commas.
pub(super) fn joined<T: 'static>(
    columns: impl IntoIterator<Item = &'static Column<T>>,
    text: impl Fn(&Column<T>) -> String,
) -> String {
    let texts: Vec<String> = columns.into_iter().map(text).collect();
    texts.join(", ")
}

/// Returns the position of a column in a table. In a constant, a name that the table lacks does not compile.
const fn position<T>(table: &[Column<T>], name: &str) -> usize {
    let mut index = 0;
    while !is_equal(table[index].name.as_bytes(), name.as_bytes()) {
        index += 1;
    }
    index
}

/// Compares texts. `==` is not available in constants.
const fn is_equal(left: &[u8], right: &[u8]) -> bool {
    let mut index = 0;
    while index < left.len() && index < right.len() && left[index] == right[index] {
        index += 1;
    }
    index == left.len() && index == right.len()
}

const fn fixed<T>(name: &'static str, value: ColumnValue<T>) -> Column<T> {
    Column {
        name,
        value,
        can_change: false,
    }
}

const fn changing<T>(name: &'static str, value: ColumnValue<T>) -> Column<T> {
    Column {
        name,
        value,
        can_change: true,
    }
}

fn approval<'a>(row: &NewRow<'a, Elevation>) -> Option<&'a Approval> {
    row.record.approval.as_ref()
}

fn text(text: &str) -> Option<Cow<'_, str>> {
    Some(Cow::Borrowed(text))
}

fn required<T>(value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::internal("the store holds null in a column that needs a value"))
}

fn moment(ticks: Option<i64>) -> Result<Moment, Error> {
    Ok(Moment::from_ticks(required(ticks)?))
}

fn seconds(seconds: Option<i64>) -> Result<Seconds, Error> {
    Seconds::new(required(seconds)?)
}

fn version(number: Option<i64>) -> Result<Version, Error> {
    Ok(Version(required(number)?.cast_unsigned()))
}

fn status_named(name: &str) -> Result<Status, Error> {
    name.parse()
        .map_err(|_| Error::internal("the store holds an unknown status"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise every decision would move its row in that index, and no update in PostgreSQL would be in place.
    #[test]
    fn no_index_of_elevations_has_a_column_that_a_decision_changes() {
        let schemas = [
            include_str!("migrations/sqlite/0001_store.sql"),
            include_str!("migrations/postgres/0001_store.sql"),
        ];
        for schema in schemas {
            let lines = schema.lines().filter(|line| !line.starts_with("--"));
            let schema: String = lines
                .map(|line| {
                    format!(
                        "{line}
"
                    )
                })
                .collect();
            let indexes: Vec<&str> = schema
                .split(';')
                .filter(|statement| {
                    statement.contains("INDEX") && statement.contains("ON elevation")
                })
                .collect();
            assert!(indexes.len() >= 5);
            // SQLite has an index of pending elevations, and moves a row in it at each decision.
            for index in indexes
                .iter()
                .filter(|index| !index.contains("elevation_pending"))
            {
                let mut words =
                    index.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
                assert!(
                    words.all(|word| of_change(ELEVATION).all(|column| column.name != word)),
                    "{index}"
                );
            }
        }
    }
}
