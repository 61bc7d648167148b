//! A look at a store that changes nothing.

use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags};

use super::{failed, missing};
use crate::domain::error::Error;

/// Looks whether the store in `path` could be opened, as far as that can be told without its lock and without writing; a
/// server may be running on it. Fails when this user may not write to it, when it is no store, or one of a newer version.
pub fn check(path: &Path) -> Result<(), Error> {
    // Closed before SQLite opens the file: closing any handle on it drops all locks that the process has on it.
    drop(OpenOptions::new().read(true).write(true).open(path).map_err(Error::internal)?);
    let connection = look_into(path).map_err(failed)?;
    missing(&connection).map(drop)
}

/// Opens the store to read. Where there is no log everything is in the file, and nobody has it open; it is called
/// immutable then, or SQLite would make a log.
fn look_into(path: &Path) -> rusqlite::Result<Connection> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let immutable = u8::from(!Path::new(&log).exists());
    let name = percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{name}?immutable={immutable}"), flags)
}
