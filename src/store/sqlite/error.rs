//! The errors of SQLite.

use std::fmt::Display;

use rusqlite::ErrorCode;

use super::place::Place;
use crate::domain::error::Error;

/// Returns the error of a statement. The caller sees nothing of it.
pub(super) fn failed(error: rusqlite::Error) -> Error {
    Error::unavailable(error)
}

/// Returns whether the content of the file is unknown after this error: a write or a sync failed.
pub(super) fn is_fatal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Returns the error of a store that SQLite cannot read.
pub(super) fn unreadable(place: &Place, error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(place, error),
        _ => failed(error),
    }
}

/// Returns the error of a store that cannot be trusted.
pub(super) fn damaged(place: &Place, what: impl Display) -> Error {
    let store = place.path().display();
    let log = match place.has_log() {
        true => format!(" without its log {}", place.log().display()),
        false => String::new(),
    };
    Error::internal(format!(
        "{store} is damaged: {what}. Restore it from a backup{log}"
    ))
}
