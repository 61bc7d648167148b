//! Records as rows, and back.

use std::error::Error as StdError;

use bytes::{BufMut, BytesMut};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
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
use crate::store::columns::{
    channel_named, decisions_from_json, principals_from_json, rules_from_columns, stages_from_json,
    verdict_named,
};

/// How many columns an elevation has, behind which a joined role begins.
pub(super) const ELEVATION_WIDTH: usize = 22;

/// The text of a `jsonb`.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<'a> FromSql<'a> for Json<&'a str> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        match raw.split_first() {
            Some((&JSONB_VERSION, text)) => Ok(Self(std::str::from_utf8(text)?)),
            _ => Err("a jsonb of an unknown version".into()),
        }
    }

    accepts!(JSONB);
}

impl ToSql for Json<String> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.put_u8(JSONB_VERSION);
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    accepts!(JSONB);
    to_sql_checked!();
}

/// Reads an elevation from a row of [`ELEVATION_COLUMNS`](crate::store::list::ELEVATION_COLUMNS).
pub(super) fn read_elevation(row: &Row) -> Result<Versioned<Elevation>, Error> {
    let approval = match get::<Option<Uuid>>(row, 14)? {
        None => None,
        Some(id) => Some(Approval {
            id: ApprovalId(id),
            pending_expire_time: Moment::from_ticks(get(row, 15)?),
            outcome: get::<Option<&str>>(row, 16)?
                .map(verdict_named)
                .transpose()?,
            stage: get::<i64>(row, 19)?.try_into().map_err(Error::internal)?,
            decisions: decisions_from_json(get::<Json<&str>>(row, 17)?.0)?,
        }),
    };
    let client_request = match get::<Option<Uuid>>(row, 20)? {
        None => None,
        Some(id) => Some(ClientRequest {
            id,
            fingerprint: get(row, 21)?,
        }),
    };
    let value = Elevation {
        id: ElevationId(get(row, 0)?),
        requester: Account {
            id: AccountId(get(row, 2)?),
            name: get(row, 3)?,
        },
        role: RoleId(get(row, 4)?),
        role_display_name: get(row, 5)?,
        justification: get(row, 6)?,
        requested_duration: duration(row, 7)?,
        duration: duration(row, 8)?,
        requested_start_time: Moment::from_ticks(get(row, 9)?),
        create_time: Moment::from_ticks(get(row, 10)?),
        channel: channel_named(get(row, 18)?)?,
        activate_time: get::<Option<i64>>(row, 11)?.map(Moment::from_ticks),
        expire_time: get::<Option<i64>>(row, 12)?.map(Moment::from_ticks),
        state: state_named(get(row, 13)?)?,
        approval,
        client_request,
    };
    Ok(Versioned {
        version: version(row, 1)?,
        value,
    })
}

/// Reads a role from a row that has [`ROLE_COLUMNS`](crate::store::list::ROLE_COLUMNS) from column `first` on.
pub(super) fn read_role(row: &Row, first: usize) -> Result<Versioned<Role>, Error> {
    let value = Role {
        id: RoleId(get(row, first)?),
        display_name: get(row, first + 2)?,
        description: get(row, first + 3)?,
        max_duration: duration(row, first + 4)?,
        candidates: principals_from_json(get::<Json<&str>>(row, first + 5)?.0)?,
        stages: stages_from_json(get::<Json<&str>>(row, first + 6)?.0)?,
        rules: rules_from_columns(
            get::<Json<&str>>(row, first + 9)?.0,
            get(row, first + 7)?,
            get(row, first + 8)?,
        )?,
    };
    Ok(Versioned {
        version: version(row, first + 1)?,
        value,
    })
}

/// Reads a version, or a sequence that is one.
pub(super) fn version(row: &Row, column: usize) -> Result<Version, Error> {
    Ok(Version(get::<i64>(row, column)?.cast_unsigned()))
}

/// Reads a column.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Error> {
    row.try_get(column).map_err(failed)
}

fn state_named(name: &str) -> Result<State, Error> {
    let state = State::ALL.into_iter().find(|state| state.name() == name);
    state.ok_or_else(|| Error::internal("the store holds an unknown state"))
}

fn duration(row: &Row, column: usize) -> Result<Seconds, Error> {
    Seconds::new(get(row, column)?)
}

const JSONB_VERSION: u8 = 1;
