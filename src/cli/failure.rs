//! Errors as commands report them: the attempted step, its path or host, the whole cause, and the remedy.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;

use anyhow::anyhow;

use super::text::printable;
use crate::domain::error::{Error, Kind};

/// Returns an error that names the failed step, the cause and the remedy. Without `advice` the remedy follows from the
/// kind of the cause.
pub(super) fn cannot(
    what: impl Display,
    cause: impl Into<anyhow::Error>,
    advice: &str,
) -> anyhow::Error {
    let cause = cause.into();
    let advice = match advice {
        "" => cause
            .chain()
            .find_map(|link| link.downcast_ref())
            .and_then(remedy)
            .unwrap_or_default(),
        advice => advice,
    };
    let cause = sentence(&cause);
    match advice {
        "" => anyhow!("cannot {what}: {cause}"),
        advice => anyhow!("cannot {what}: {}; {advice}", cause.trim_end_matches('.')),
    }
}

/// Returns an error and all its causes in one line that a terminal shows as plain text.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for link in error.chain() {
        let text = text(link);
        let is_new = parts.last().is_none_or(|last| !last.ends_with(&text));
        if is_new && !is_for_callers(link) {
            parts.push(text);
        }
        if link.is::<rusqlite::Error>() {
            // The source of an SQLite error repeats it by its number.
            break;
        }
    }
    printable(&parts.join(": "))
}

/// Returns whether the text of an error is for callers of the API, and only its cause explains it.
fn is_for_callers(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| {
        error.cause.is_some() && matches!(error.kind, Kind::Internal | Kind::Unavailable)
    })
}

/// Returns the text of one error. For an error of the operating system it omits the number and the text after it.
fn text(error: &(dyn StdError + 'static)) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) if error.is::<io::Error>() => lower(words),
        _ => text,
    }
}

fn lower(words: &str) -> String {
    let mut letters = words.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Returns the remedy for an error of the operating system.
fn remedy(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Some("choose a file that does not exist"),
        io::ErrorKind::InvalidData => Some("save the file as UTF-8"),
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory | io::ErrorKind::NotFound => {
            Some("check the path")
        }
        io::ErrorKind::PermissionDenied => {
            Some("give the user of this command the right to do that, or run it as another user")
        }
        io::ErrorKind::ReadOnlyFilesystem => Some("choose a writable folder"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some("free space on the disk"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let system = |number| anyhow::Error::from(io::Error::from_raw_os_error(number));
        let internal = |cause: &'static str| anyhow::Error::from(Error::internal(cause));
        for (cause, advice, expected) in [
            (
                system(13),
                "",
                "cannot open it: permission denied; give the user of this command the right to do that, or run it as another user",
            ),
            (
                system(28),
                "",
                "cannot open it: no space left on device; free space on the disk",
            ),
            (
                system(30),
                "",
                "cannot open it: read-only file system; choose a writable folder",
            ),
            (
                system(98),
                "choose another port",
                "cannot open it: address already in use; choose another port",
            ),
            (
                system(5).context("the disk x"),
                "",
                "cannot open it: the disk x: input/output error",
            ),
            (
                Error::internal(io::Error::from_raw_os_error(2)).into(),
                "",
                "cannot open it: no such file or directory; check the path",
            ),
            (
                internal("the disk\nis on fire"),
                "",
                "cannot open it: the disk\\nis on fire",
            ),
            (
                Error::invalid("A name is short.").into(),
                "",
                "cannot open it: A name is short.",
            ),
            (
                Error::deadline_exceeded().into(),
                "wait",
                "cannot open it: The request took too long. It is not known whether it was carried out; wait",
            ),
        ] {
            assert_eq!(sentence(&cannot("open it", cause, advice)), expected);
        }
    }
}
