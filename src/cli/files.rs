//! The limit of open files. A server at its limit can neither accept a connection nor notice a revoked token.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::domain::error::Error;

/// Raises the limit of open files to the maximum of the system, and returns it.
///
/// # Errors
/// Invalid if the limit is too low for the number of connections.
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

/// Raises the soft limit to the hard limit. Returns the new limit, or the old one if the system refuses.
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

/// The files of the store and its log, of the readers, the tokens file, the log, the runtime, and look-ups of names.
const BESIDE_CONNECTIONS: u64 = 128;
