//! Rows as records.

use std::error::Error as StdError;

use bytes::{BufMut, BytesMut};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
use uuid::Uuid;

use super::error::failed;
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::role::Role;
use crate::domain::version::Versioned;
use crate::record::Envelope;
use crate::store::tables::{self, ColumnReader};

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

/// Reads an elevation from a row that begins with the columns of [`ELEVATION`](tables::ELEVATION).
pub(super) fn read_elevation(row: &Row) -> Result<Versioned<Elevation>, Error> {
    tables::read_elevation(&Cells { row, first: 0 })
}

/// Reads a role from a row that has the columns of [`ROLE`](tables::ROLE), beginning with column `first`.
pub(super) fn read_role(row: &Row, first: usize) -> Result<Versioned<Role>, Error> {
    tables::read_role(&Cells { row, first })
}

/// Reads an event from a row of its sequence, header and payload.
pub(super) fn read_event(row: &Row) -> Result<Envelope, Error> {
    Ok(Envelope {
        sequence: get::<i64>(row, 0)?.cast_unsigned(),
        header: get(row, 1)?,
        payload: get(row, 2)?,
    })
}

/// The cells of a row, beginning with one of its columns.
struct Cells<'a> {
    row: &'a Row,
    first: usize,
}

impl ColumnReader for Cells<'_> {
    fn id(&self, column: usize) -> Result<Option<Uuid>, Error> {
        get(self.row, self.first + column)
    }

    fn integer(&self, column: usize) -> Result<Option<i64>, Error> {
        get(self.row, self.first + column)
    }

    fn json(&self, column: usize) -> Result<&str, Error> {
        Ok(get::<Json<&str>>(self.row, self.first + column)?.0)
    }

    fn text(&self, column: usize) -> Result<Option<&str>, Error> {
        get(self.row, self.first + column)
    }
}

/// Reads a column.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Error> {
    row.try_get(column).map_err(failed)
}

const JSONB_VERSION: u8 = 1;
