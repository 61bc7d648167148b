//! `countersign check-config`: makes the checks that `serve` makes before it starts, and changes nothing.

use std::fmt;

use anyhow::bail;

use super::checks::{self, Finding};
use super::{print, printable};
use crate::config::Serve;

/// Prints the findings; fails if the server would not start.
pub(super) async fn run(settings: &Serve) -> anyhow::Result<()> {
    if settings.dev {
        bail!(
            "cannot check the settings of `serve --dev`; it has a temporary store and tokens of its own"
        );
    }
    let findings = checks::all(settings).await;
    print(
        &findings
            .iter()
            .map(|finding| format!("{finding}\n"))
            .collect::<String>(),
    )?;
    if findings
        .iter()
        .any(|finding| matches!(finding, Finding::Error(_)))
    {
        bail!("the server would not start; correct the errors above");
    }
    Ok(())
}

/// Logs the warnings of a server that starts; fails if it cannot start. What another process has may be free in a moment,
/// and is tried for itself.
pub(super) fn warn(findings: Vec<Finding>) -> anyhow::Result<()> {
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
