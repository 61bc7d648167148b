//! Lists, read from PostgreSQL.

use std::pin::pin;

use futures_util::TryStreamExt;
use tokio::try_join;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, Transaction};

use super::error::failed;
use super::row::{get, read_elevation, read_role};
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
pub(super) async fn pending_approvals(
    transaction: &Transaction<'_>,
    approver: &Approver,
    query: &Query<ElevationField>,
    now: Moment,
) -> Result<Page<Versioned<Elevation>>, Error> {
    let list = List::pending_approvals(&POSTGRES, approver, now);
    read(list, transaction, query, now, read_elevation).await
}

/// See [`Store::elevations`](crate::store::Store::elevations).
pub(super) async fn elevations(
    transaction: &Transaction<'_>,
    requester: AccountId,
    query: &Query<ElevationField>,
    now: Moment,
) -> Result<Page<Versioned<Elevation>>, Error> {
    read(
        List::elevations(&POSTGRES, requester),
        transaction,
        query,
        now,
        read_elevation,
    )
    .await
}

/// See [`Store::roles`](crate::store::Store::roles).
pub(super) async fn roles(
    transaction: &Transaction<'_>,
    candidates: Option<&[PrincipalId]>,
    query: &Query<RoleField>,
    now: Moment,
) -> Result<Page<Versioned<Role>>, Error> {
    read(
        List::roles(&POSTGRES, candidates),
        transaction,
        query,
        now,
        |row| read_role(row, 0),
    )
    .await
}

/// Reads the elevations of the role that the requester holds or waits for.
pub(super) async fn live(
    client: &Client,
    key: &FilingKey,
) -> Result<Vec<Versioned<Elevation>>, Error> {
    let live = List::live(&POSTGRES, key);
    let rows = client
        .query_typed(&live.sql, &typed(&live.parameters))
        .await
        .map_err(failed)?;
    rows.iter().map(read_elevation).collect()
}

/// Reads the load of the requester.
pub(super) async fn load(client: &Client, key: &FilingKey) -> Result<Load, Error> {
    let load = List::load(&POSTGRES, key);
    let row = client
        .query_typed_one(&load.sql, &typed(&load.parameters))
        .await
        .map_err(failed)?;
    Ok(Load {
        pending: count(&row, 0)?,
        filings: count(&row, 1)?,
    })
}

/// Reads the last elevation that the requester filed under the client's id of this request.
pub(super) async fn filed_before(
    client: &Client,
    key: &FilingKey,
) -> Result<Option<Versioned<Elevation>>, Error> {
    let Some(request) = key.client_request else {
        return Ok(None);
    };
    let before = List::filed_before(&POSTGRES, key, request);
    let row = client
        .query_typed_opt(&before.sql, &typed(&before.parameters))
        .await
        .map_err(failed)?;
    row.as_ref().map(read_elevation).transpose()
}

/// Reads the elevations that are due at `now`.
pub(super) async fn due(
    client: &Client,
    now: Moment,
    limit: u32,
) -> Result<Vec<Versioned<Elevation>>, Error> {
    let due = List::due(&POSTGRES, now, limit);
    let rows = client
        .query_typed(&due.sql, &typed(&due.parameters))
        .await
        .map_err(failed)?;
    rows.iter().map(read_elevation).collect()
}

/// Reads the due alarms at `now` that are spent.
pub(super) async fn spent(client: &Client, now: Moment) -> Result<Vec<Alarm>, Error> {
    let spent = List::spent(&POSTGRES, now);
    let rows = client
        .query_typed(&spent.sql, &typed(&spent.parameters))
        .await
        .map_err(failed)?;
    rows.iter().map(read_alarm).collect()
}

fn read_alarm(row: &Row) -> Result<Alarm, Error> {
    Ok(Alarm {
        due: Moment::from_ticks(get(row, 0)?),
        id: ElevationId(get(row, 1)?),
    })
}

/// Reads the next due time after `now`.
pub(super) async fn next_due(client: &Client, now: Moment) -> Result<Option<Moment>, Error> {
    let next = List::next_due(&POSTGRES, now);
    let row = client
        .query_typed_one(&next.sql, &typed(&next.parameters))
        .await
        .map_err(failed)?;
    moment(&row, 0)
}

/// See [`Store::census`](crate::store::Store::census).
pub(super) async fn census(client: &Client, now: Moment) -> Result<Census, Error> {
    let census = List::census(&POSTGRES, now);
    let row = client
        .query_typed_one(&census.sql, &typed(&census.parameters))
        .await
        .map_err(failed)?;
    Ok(Census {
        at: now,
        pending: count(&row, 0)?,
        oldest_pending: moment(&row, 1)?,
        active: count(&row, 2)?,
        overdue: moment(&row, 3)?,
    })
}

/// Reads whether any elevation of `role` is pending, scheduled or active at `now`.
pub(super) async fn in_use(client: &Client, role: RoleId, now: Moment) -> Result<bool, Error> {
    let in_use = List::in_use(&POSTGRES, role, now);
    let row = client
        .query_typed_one(&in_use.sql, &typed(&in_use.parameters))
        .await
        .map_err(failed)?;
    get(&row, 0)
}

fn moment(row: &Row, column: usize) -> Result<Option<Moment>, Error> {
    Ok(get::<Option<i64>>(row, column)?.map(Moment::from_ticks))
}

fn count(row: &Row, column: usize) -> Result<u64, Error> {
    Ok(get::<i64>(row, column)?.cast_unsigned())
}

/// Reads the page that the query asks for, with statuses as of `now`.
async fn read<F: Column, T: Bulk>(
    list: List,
    transaction: &Transaction<'_>,
    query: &Query<F>,
    now: Moment,
    read: fn(&Row) -> Result<T, Error>,
) -> Result<Page<T>, Error> {
    let statements = list.page_statements(query, now);
    let total = async {
        let Some(sql) = &statements.count else {
            return Ok(None);
        };
        transaction
            .query_typed_one(sql, &typed(statements.count_parameters()))
            .await
            .map(Some)
    };
    let rows = transaction.query_typed_raw(&statements.page, typed(&statements.parameters));
    let (total, rows) = try_join!(total, rows).map_err(failed)?;
    let total = total.map(|row| count(&row, 0)).transpose()?;
    let mut rows = pin!(rows);
    let mut page = PageBuilder::new(query.limit);
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        if !page.take(read(&row)?) {
            break;
        }
    }
    Ok(page.page(total, now))
}

/// Returns the parameters with their types. They are sent with the text: filters have too many forms to be worth a
/// prepared statement each.
fn typed(parameters: &[Parameter]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    parameters.iter().map(value).collect()
}

fn value(parameter: &Parameter) -> (&(dyn ToSql + Sync), Type) {
    match parameter {
        Parameter::Bool(value) => (value, Type::BOOL),
        Parameter::Id(id) => (id, Type::UUID),
        Parameter::Ids(ids) => (ids, Type::UUID_ARRAY),
        Parameter::Integer(value) => (value, Type::INT8),
        Parameter::Text(text) => (text, Type::TEXT),
    }
}

const POSTGRES: Dialect = Dialect {
    placeholder: '$',
    decided_by: "decisions @> jsonb_build_array(jsonb_build_object('approver', {}))",
    is_among: "principal = ANY ({})",
    live_of_requester: "elevation",
    pending: "elevation",
    requester_user: "substr(requester_name, strpos(requester_name, '\\') + 1)",
};
