//! The limits of the server, set by the settings.

use std::time::Duration;

/// The maximums of simultaneous work and of time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum connections; more wait to be accepted.
    pub connections: usize,
    /// Maximum time for open requests to finish after the shutdown signal.
    pub drain: Duration,
    /// Maximum time from the first byte of a request, or from the start of its connection, to the end of its headers.
    pub headers: Duration,
    /// Time until an idle connection is closed.
    pub idle: Duration,
    /// Maximum rows of a list of the REST API; its next link leads to the rest.
    pub list: usize,
    /// Maximum requests at once; more are refused as overload.
    pub requests: usize,
    /// Maximum time for a request, unless its `grpc-timeout` is shorter; and the same time again to send its response.
    pub request_time: Duration,
    /// Maximum open streams; more are refused as overload.
    pub streams: usize,
    /// Maximum open streams of one account, or of one client address if the call needs no credentials.
    pub streams_per_caller: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            drain: Duration::from_secs(10),
            headers: Duration::from_secs(5),
            idle: Duration::from_secs(75),
            list: 10_000,
            requests: 1_024,
            request_time: Duration::from_secs(30),
            streams: 1_024,
            streams_per_caller: 128,
        }
    }
}
