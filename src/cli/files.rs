//! How many files the process may have open. A server that has none left can neither accept a connection nor see that a
//! token was revoked.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::domain::error::Error;

/// Raises the limit of open files as far as the system allows, and returns it. A limit that is too low for so many
/// connections is an error.
pub(super) fn allow(connections: u32) -> Result<u64, Error> {
    let needed = u64::from(connections) + BESIDE_CONNECTIONS;
    let limit = raised(getrlimit(Resource::Nofile));
    if limit >= needed {
        return Ok(limit);
    }
    let most = limit.saturating_sub(BESIDE_CONNECTIONS);
    Err(Error::invalid(format!(
        "--max-connections {connections} needs {needed} open files, and the limit is {limit}. Raise the hard limit \
         (LimitNOFILE= of a systemd unit, or ulimit -Hn), or allow at most {most} connections."
    )))
}

/// The limit after the soft one was raised to the hard one; the old one, if the system refuses.
fn raised(limit: Rlimit) -> u64 {
    let (soft, hard) = (
        limit.current.unwrap_or(u64::MAX),
        limit.maximum.unwrap_or(u64::MAX),
    );
    match setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    ) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

/// Files of the store and its log, of the readers, the tokens file, the log, the runtime, and look-ups of names.
const BESIDE_CONNECTIONS: u64 = 128;
