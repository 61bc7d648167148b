//! Logs: structured, to standard error, without credentials.
//!
//! A line is written before its request goes on, not queued for a thread: the last lines before a crash are the ones that
//! are needed, and writing them costs a few microseconds, where a commit takes hundreds. Whoever reads the log has to keep
//! up.

use std::backtrace::Backtrace;
use std::panic;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Starts to log what `filter` lets through, and panics too.
pub fn start(format: LogFormat, filter: EnvFilter) {
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).init()
        }
        LogFormat::Text => builder.with_target(false).init(),
    }
    panic::set_hook(Box::new(|info| {
        // The message may hold what a caller sent; the place is what a defect is found by.
        let place = info.location().map(ToString::to_string);
        tracing::error!(place, backtrace = %Backtrace::capture(), "a thread panicked");
    }));
}
