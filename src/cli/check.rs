//! `countersign check-config`: makes the same checks as `serve` before it starts, and changes nothing.

use anyhow::bail;

use super::checks;
use super::finding::Finding;
use super::output::print;
use crate::config::Serve;

/// Prints the findings; fails if the server would not start.
pub(super) async fn run(settings: &Serve) -> anyhow::Result<()> {
    if settings.dev {
        bail!(
            "cannot check the settings of `serve --dev`; it has a temporary store and tokens of its own"
        );
    }
    let findings = checks::all(settings).await;
    let mut text = String::new();
    let mut starts = true;
    for finding in &findings {
        text += &format!("{finding}\n");
        starts &= !matches!(finding, Finding::Error(_));
    }
    print(&text)?;
    if !starts {
        bail!("the server would not start; correct the errors above");
    }
    Ok(())
}
