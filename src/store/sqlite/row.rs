//! Rows as records.

use rusqlite::Row;
use rusqlite::types::Type;
use uuid::Uuid;

use super::error::failed;
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::role::Role;
use crate::domain::version::Versioned;
use crate::record::Envelope;
use crate::store::tables::{self, ColumnReader};

/// Reads an elevation from a row that has the columns of [`ELEVATION`](tables::ELEVATION).
pub(super) fn read_elevation(row: &Row<'_>) -> rusqlite::Result<Versioned<Elevation>> {
    tables::read_elevation(&Cells(row)).map_err(unreadable)
}

/// Reads a role from a row that has the columns of [`ROLE`](tables::ROLE).
pub(super) fn read_role(row: &Row<'_>) -> rusqlite::Result<Versioned<Role>> {
    tables::read_role(&Cells(row)).map_err(unreadable)
}

/// Reads an event from a row of its sequence, header and payload.
pub(super) fn read_event(row: &Row<'_>) -> rusqlite::Result<Envelope> {
    Ok(Envelope {
        sequence: row.get(0)?,
        header: row.get(1)?,
        payload: row.get(2)?,
    })
}

/// The cells of a row.
struct Cells<'a>(&'a Row<'a>);

impl ColumnReader for Cells<'_> {
    fn id(&self, column: usize) -> Result<Option<Uuid>, Error> {
        let id: Option<[u8; 16]> = self.0.get(column).map_err(failed)?;
        Ok(id.map(Uuid::from_bytes))
    }

    fn integer(&self, column: usize) -> Result<Option<i64>, Error> {
        self.0.get(column).map_err(failed)
    }

    fn json(&self, column: usize) -> Result<&str, Error> {
        let cell = self.0.get_ref(column).map_err(failed)?;
        cell.as_str().map_err(Error::internal)
    }

    fn text(&self, column: usize) -> Result<Option<&str>, Error> {
        let cell = self.0.get_ref(column).map_err(failed)?;
        cell.as_str_or_null().map_err(Error::internal)
    }
}

/// Returns the error of a row that was read and is invalid, in the form that the callback of a statement returns.
fn unreadable(error: Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}
