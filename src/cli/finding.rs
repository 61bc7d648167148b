//! The findings of the checks before a server starts.

use std::fmt;

use anyhow::bail;

use super::text::printable;

/// The finding of one check.
pub(super) enum Finding {
    /// Another process uses it, possibly the server that this one replaces. The server does not start before that ends.
    Busy(String),
    /// The server would not start.
    Error(String),
    /// Nothing is wrong.
    Ok(String),
    /// The server would start, but the operator should check it.
    Warning(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, text) = match self {
            Self::Error(text) => ("error", text),
            Self::Ok(text) => ("ok", text),
            Self::Busy(text) | Self::Warning(text) => ("warning", text),
        };
        write!(f, "{word:<7}  {}", printable(text))
    }
}

/// Logs the warnings of a server that starts, and fails if it cannot start. A resource that another process uses may
/// soon be free, so it is no failure here.
pub(super) fn log_warnings(findings: Vec<Finding>) -> anyhow::Result<()> {
    let mut errors = Vec::new();
    for finding in findings {
        match finding {
            Finding::Error(error) => errors.push(error),
            Finding::Warning(warning) => tracing::warn!("{}", printable(&warning)),
            Finding::Busy(_) | Finding::Ok(_) => {}
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        bail!("{}", errors.join(". Also: "))
    }
}
