//! The location of a store.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The location of a store.
#[derive(Clone, Eq, PartialEq)]
pub enum StoreLocation {
    /// The URL of a PostgreSQL database.
    Postgres(String),
    /// The path of an SQLite file.
    Sqlite(PathBuf),
}

/// The setting, or an error that names no part of it. Reading it always succeeds, so that no error of the command line
/// repeats a password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoreSetting(pub(super) Result<StoreLocation, &'static str>);

impl From<OsString> for StoreSetting {
    fn from(text: OsString) -> Self {
        Self(read(text))
    }
}

fn read(location: OsString) -> Result<StoreLocation, &'static str> {
    let text = location.to_string_lossy();
    let scheme = text
        .split_once(':')
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        _ if text.is_empty() => Err("the store must not be empty; name a file"),
        Some("") if text.starts_with(":memory:") => Err(
            "a store in memory loses every decision; name a file, or try things out with `serve --dev`",
        ),
        Some("postgres" | "postgresql") => match location.to_str() {
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Ok(StoreLocation::Postgres(url.to_owned()))
            }
            _ => Err(
                "the URL of a PostgreSQL store must have the form postgres://user@host/database",
            ),
        },
        Some("file" | "sqlite" | "sqlite3") => {
            Err("an SQLite file is named by its path, without a scheme before it")
        }
        Some(scheme) if is_scheme(scheme) && text[scheme.len()..].starts_with("://") => Err(
            "the kind of URL is not supported; use postgres://user@host/database or the path of a file",
        ),
        _ => Ok(StoreLocation::Sqlite(location.into())),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
}

/// Writes the path of a file, but only the kind of a URL, since a URL may contain a password.
impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(_) => f.write_str("PostgreSQL"),
            Self::Sqlite(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Debug for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_file_unless_it_is_a_url() {
        for (text, kind) in [
            ("postgres://db/countersign", "PostgreSQL"),
            ("postgresql://db/countersign", "PostgreSQL"),
            ("countersign.db", "countersign.db"),
            ("postgres", "postgres"),
            ("/data/postgres://x", "/data/postgres://x"),
            ("./file:x", "./file:x"),
            ("c:d", "c:d"),
            ("", "unknown"),
            (":memory:", "unknown"),
            ("file:x.db?mode=memory", "unknown"),
            ("sqlite:///data/x.db", "unknown"),
            ("postgre://ann:hunter2@db/countersign", "unknown"),
            ("POSTGRES://db/countersign", "unknown"),
            ("postgres:/db/countersign", "unknown"),
            ("mysql://db/countersign", "unknown"),
        ] {
            let read = read(OsString::from(text));
            assert_eq!(
                read.map_or("unknown".to_owned(), |store| store.to_string()),
                kind,
                "{text}"
            );
        }
    }
}
