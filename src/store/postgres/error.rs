//! The errors of PostgreSQL.

use tokio_postgres::error::{DbError, Severity, SqlState};

use super::advice;
use crate::domain::error::Error;

/// Returns the error of a statement. The caller sees nothing of it, and the log sees no details, because details quote
/// rows.
pub(super) fn failed(error: tokio_postgres::Error) -> Error {
    if error.as_db_error().is_some() {
        Error::unavailable(advice::sentence(&error))
    } else {
        Error::unavailable(error)
    }
}

/// Returns whether the server refused a statement, and will take the next one.
pub(super) fn is_refusal(error: &tokio_postgres::Error) -> bool {
    let on_a_standby = [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::FEATURE_NOT_SUPPORTED,
    ];
    aborts(error)
        && error
            .code()
            .is_some_and(|code| !on_a_standby.contains(code))
}

/// Returns whether the server said that a statement failed, and so aborted the transaction.
pub(super) fn aborts(error: &tokio_postgres::Error) -> bool {
    let severity = error.as_db_error().and_then(DbError::parsed_severity);
    severity == Some(Severity::Error)
}

/// Returns whether the same statement can succeed the next time.
pub(super) fn is_passing(error: &tokio_postgres::Error) -> bool {
    let passing = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    error.code().is_some_and(|code| passing.contains(code))
}
