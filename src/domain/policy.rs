//! What the operator sets for all roles.

use jiff::tz::TimeZone;

use super::moment::Seconds;
use super::quota::Quota;

/// What the operator sets for all roles.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long an approval waits before it expires, unless its role says otherwise.
    pub pending_timeout: Seconds,
    /// How much one requester may ask for.
    pub quota: Quota,
    /// Where the clocks hang that availability windows are read from.
    pub zone: TimeZone,
}
