//! Advice for the operator if PostgreSQL cannot be reached or refuses the node.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Returns the whole cause of an error, and advice on it. It contains no detail, because details quote rows.
pub(super) fn sentence(error: &Error) -> String {
    match error.as_db_error() {
        Some(refusal) => {
            let (code, message) = (refusal.code().code(), refusal.message());
            match advice(refusal.code()) {
                Some(advice) => format!("{code}: {message}; {advice}"),
                None => format!("{code}: {message}"),
            }
        }
        None => causes(error),
    }
}

/// Returns the texts of an error and its causes, without the numbers of the operating system.
fn causes(error: &Error) -> String {
    let (mut parts, mut advice) = (vec![error.to_string()], "");
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        parts.push(match text.split_once(" (os error ") {
            Some((words, _)) => words.to_lowercase(),
            None => text,
        });
        if error.downcast_ref().is_some_and(is_nobody_there) {
            advice = "; start PostgreSQL there, or correct the URL of the store";
        }
        cause = error.source();
    }
    parts.join(": ") + advice
}

fn is_nobody_there(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NotFound
    )
}

fn advice(code: &SqlState) -> Option<&'static str> {
    let table = [
        (
            SqlState::INVALID_PASSWORD,
            "check the user in the URL, and the password in it or in --store-password-file",
        ),
        (
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            "check the user in the URL, and pg_hba.conf of the server",
        ),
        (
            SqlState::INVALID_CATALOG_NAME,
            "create the database, or correct its name in the URL",
        ),
        (
            SqlState::INSUFFICIENT_PRIVILEGE,
            "grant the user in the URL that right, or name another user",
        ),
        (
            SqlState::TOO_MANY_CONNECTIONS,
            "raise max_connections of the server",
        ),
        (
            SqlState::CANNOT_CONNECT_NOW,
            "wait until the server has started",
        ),
    ];
    table
        .into_iter()
        .find(|(known, _)| known == code)
        .map(|(_, advice)| advice)
}
