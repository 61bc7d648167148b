//! The limits of the server, as the settings choose them.

use std::time::Duration;

/// How much at once, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections at once; more wait to be accepted.
    pub connections: usize,
    /// How long open requests may take to finish after the shutdown signal.
    pub drain: Duration,
    /// How long a client may take from the first byte of a request, or from the start of its connection, to the end of its
    /// headers.
    pub headers: Duration,
    /// How long an idle connection is kept.
    pub idle: Duration,
    /// How many rows a list of the REST API has at most; what comes behind is behind its next link.
    pub list: usize,
    /// How many requests at once; more are refused as overload.
    pub requests: usize,
    /// How long a request may take, where a shorter `grpc-timeout` counts instead; and how long its answer, to be sent.
    pub request_time: Duration,
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
        }
    }
}
