//! The operator's settings for all roles.

use jiff::tz::TimeZone;

use super::moment::Seconds;
use super::quota::Quota;

/// The operator's settings for all roles.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long an approval waits before it expires, unless its role has its own timeout.
    pub pending_timeout: Seconds,
    /// The limits of one requester.
    pub quota: Quota,
    /// The time zone of availability windows.
    pub zone: TimeZone,
}
