//! Logs: structured, to standard error, without credentials.
//!
//! A line is written before its request continues, not queued for a thread. The last lines before a crash are the most
//! useful ones, and writing a line costs a few microseconds, while a commit takes hundreds. The reader of the log must keep
//! up.

use std::backtrace::Backtrace;
use std::io::{IsTerminal, stderr};
use std::{env, panic};

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::EnvFilter;

/// The format of log lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// The levels of the lines that are logged.
#[derive(Clone, Debug)]
pub struct LogFilter(String);

impl LogFilter {
    /// Reads a level, or levels per module.
    ///
    /// # Errors
    ///
    /// Returns the expected form if the text is malformed, or if not even errors of the server would be logged: a word that
    /// is no level counts as the name of a module, and silences all others.
    pub fn read(text: &str) -> Result<Self, String> {
        let filter = EnvFilter::try_new(text).map_err(|_| EXPECTED.to_owned())?;
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).finish();
        if tracing::subscriber::with_default(subscriber, logs_errors) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("with this not even errors are logged; {EXPECTED}"))
        }
    }

    /// Returns the filter.
    pub fn filter(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }
}

/// Starts to log the lines that `filter` lets through, and panics.
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
        // The message of the panic may contain a caller's text, so only the place is logged.
        let place = info.location().map(ToString::to_string);
        tracing::error!(place, backtrace = %Backtrace::capture(), "a thread panicked");
    }));
}

/// Whether the present subscriber logs errors of the server.
fn logs_errors() -> bool {
    tracing::enabled!(target: "countersign::server", Level::ERROR)
}

/// Whether standard error is a terminal, and `NO_COLOR` (<https://no-color.org>) is not set.
fn has_colours() -> bool {
    stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

const EXPECTED: &str = "expected a level (error, warn, info, debug, trace) or levels per module, such as \
     warn,countersign=debug";

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
