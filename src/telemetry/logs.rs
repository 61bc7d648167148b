//! Logs: structured, to standard error, without credentials.
//!
//! A line is written before its request goes on, not queued for a thread: the last lines before a crash are the ones that
//! are needed, and writing them costs a few microseconds, where a commit takes hundreds. Whoever reads the log has to keep
//! up.

use std::backtrace::Backtrace;
use std::io::{IsTerminal, stderr};
use std::{env, panic};

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// How much to log.
#[derive(Clone, Debug)]
pub struct LogFilter(String);

impl LogFilter {
    /// Reads a level, or levels per module. Fails if not even errors of the server would be logged: a word that is no level
    /// counts as the name of a module, and silences all others.
    pub fn read(text: &str) -> Result<Self, String> {
        let filter = EnvFilter::try_new(text).map_err(|_| EXPECTED.to_owned())?;
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).finish();
        let logs_errors = || tracing::enabled!(target: "countersign::server", Level::ERROR);
        match tracing::subscriber::with_default(subscriber, logs_errors) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!("with this not even errors are logged; {EXPECTED}")),
        }
    }

    /// The filter.
    pub fn filter(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }
}

/// Starts to log what `filter` lets through, and panics too.
pub fn start(format: LogFormat, filter: EnvFilter) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(has_colours());
    match format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .init(),
        LogFormat::Text => builder.with_target(false).init(),
    }
    panic::set_hook(Box::new(|info| {
        // The message may hold what a caller sent; the place is what a defect is found by.
        let place = info.location().map(ToString::to_string);
        tracing::error!(place, backtrace = %Backtrace::capture(), "a thread panicked");
    }));
}

/// Whether standard error is a terminal whose user has not asked for no colours (<https://no-color.org>).
fn has_colours() -> bool {
    stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

const EXPECTED: &str = "a level (error, warn, info, debug, trace) or levels per module, such as \
     warn,countersign=debug, are needed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_silences_the_server_is_refused() {
        for good in [
            "error",
            "INFO",
            "3",
            "warn,countersign=debug",
            "countersign=trace",
            "off,countersign=warn",
        ] {
            assert!(LogFilter::read(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "off",
            "inof",
            "verbose",
            "hyper=debug",
            "info,countersign=off",
            "info,hyper=loud",
            "=",
            "a=b=c",
        ] {
            assert!(LogFilter::read(bad).is_err(), "{bad}");
        }
    }
}
