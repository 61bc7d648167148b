//! The output of the commands.

use std::io::{self, ErrorKind, Write};

use super::failure::cannot;
use super::text::printable;

/// Prints a text. If the reader has closed its end, the command continues, since it may have more to do.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    match print_whole(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed.map_err(|error| cannot("write to standard output", error, "")),
    }
}

/// Prints a text, and fails if its reader has closed its end.
pub(super) fn print_whole(text: &str) -> io::Result<()> {
    let mut output = io::stdout();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
}

/// Prints a warning for the operator.
pub(super) fn warn(text: &str) {
    // If standard error is closed, there is no reader to report to.
    let _ = writeln!(io::stderr(), "countersign: warning: {}", printable(text));
}
