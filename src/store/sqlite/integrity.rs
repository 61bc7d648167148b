//! Checks that a store is whole, and that the log next to it is its own.

use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::watch;

use super::connect::reading_connection;
use super::error::{damaged, failed};
use super::links;
use super::migrate::missing;
use super::place::{Mark, Place};
use super::read;
use crate::domain::error::Error;
use crate::record::{Hash, Head};
use crate::store::thread::StoreThread;

/// Checks that this is a store, that its log was written for this very file, and that the last part of the record is
/// whole. Unless the store is large, it also checks that SQLite finds no damage. Returns whether the store is too large
/// for that. Changes nothing; a server may be running on the store.
pub(super) fn verify(place: &Place) -> Result<bool, Error> {
    let connection = look_into(place).map_err(failed)?;
    missing(place, &connection)?;
    // Read first, since a checkpoint may move it forward at any time.
    let alone = if place.has_log() {
        without_log(place)
    } else {
        None
    };
    // One transaction, so that all statements see one moment.
    let reading = connection.unchecked_transaction().map_err(failed)?;
    let found = match (stamp(&reading), alone) {
        (Ok(found), Some(alone)) if !is_continued(&reading, &alone, &found) => {
            return Err(foreign_log(place));
        }
        (Ok(found), _) => found,
        (Err(_), Some(_)) => return Err(foreign_log(place)),
        (Err(error), None) => return Err(damaged(place, error)),
    };
    tail(&reading, found.head).map_err(|error| damaged(place, cause(&error)))?;
    links::verify(&reading, found.head.sequence.saturating_sub(TAIL))
        .map_err(|error| damaged(place, cause(&error)))?;
    let large = size(&reading).map_err(failed)? > LARGE;
    if !large {
        quick_check(&reading).map_err(|found| match found {
            CheckFailure::Damage(text) => damaged(place, text),
            CheckFailure::Nothing(error) => failed(error),
        })?;
    }
    Ok(large)
}

/// SQLite's check of a large store, which continues while the store is used.
#[derive(Debug)]
pub(super) struct Inspection {
    stop: Arc<AtomicBool>,
    _thread: StoreThread,
}

impl Inspection {
    /// Starts the check, which reports damage to the store on `fail`.
    pub(super) fn start(place: &Place, fail: Arc<watch::Sender<bool>>) -> Result<Self, Error> {
        let mut connection = reading_connection(place.path())?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let stopped = move || stopped.load(Ordering::Relaxed);
        connection
            .progress_handler(STEPS_BETWEEN, Some(stopped))
            .map_err(failed)?;
        let place = place.clone();
        let thread =
            StoreThread::start("sqlite-check", move || inspect(&place, &connection, &fail))?;
        Ok(Self {
            stop,
            _thread: thread,
        })
    }
}

impl Drop for Inspection {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn inspect(place: &Place, connection: &Connection, fail: &watch::Sender<bool>) {
    match quick_check(connection) {
        Ok(()) => tracing::info!("the check of the store found no damage"),
        Err(CheckFailure::Damage(text)) => {
            tracing::error!(
                cause = damaged(place, text).cause,
                "the store is damaged; nothing more is written"
            );
            fail.send_replace(true);
        }
        Err(CheckFailure::Nothing(error))
            if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {}
        Err(CheckFailure::Nothing(error)) => {
            tracing::warn!(
                cause = failed(error).cause,
                "the check of the store did not end"
            )
        }
    }
}

/// The stamp on one page of the store: the end of the record, and the id of the file.
struct Stamp {
    head: Head,
    file: [u8; 16],
}

fn stamp(connection: &Connection) -> rusqlite::Result<Stamp> {
    connection.query_row("SELECT sequence, hash, file FROM head", [], |row| {
        let head = Head {
            sequence: row.get(0)?,
            hash: Hash(row.get(1)?),
        };
        Ok(Stamp {
            head,
            file: row.get(2)?,
        })
    })
}

/// Finds the page that has the id of the file: the root of a table with one row.
pub(super) fn mark(connection: &Connection) -> rusqlite::Result<Mark> {
    connection.query_row(MARK, [], |row| {
        Ok(Mark {
            id: row.get(0)?,
            page: row.get(1)?,
        })
    })
}

/// Reads the store without its log. `None` if it cannot be read, as after a checkpoint that was cut short.
fn without_log(place: &Place) -> Option<Stamp> {
    ignoring_log(place).and_then(|alone| stamp(&alone)).ok()
}

/// Opens the store to read. If there is no log, everything is in the file, and no other process has it open.
fn look_into(place: &Place) -> rusqlite::Result<Connection> {
    match place.log().exists() {
        true => Connection::open_with_flags(place.path(), OpenFlags::SQLITE_OPEN_READ_ONLY),
        false => ignoring_log(place),
    }
}

/// Opens the store to read, as if it had no log. It is opened as immutable, so that SQLite makes no log either.
fn ignoring_log(place: &Place) -> rusqlite::Result<Connection> {
    let name = percent_encode(place.path().as_os_str().as_bytes(), NON_ALPHANUMERIC);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{name}?immutable=1"), flags)
}

/// Compares the store without its log to the store with it. Returns whether both carry the id of one file, and the
/// record continues from the one to the other. If the log was left next to another file, it does not, and the store is
/// a mixture of two.
fn is_continued(connection: &Connection, alone: &Stamp, found: &Stamp) -> bool {
    let same_file = alone.file == found.file;
    same_file && reaches(connection, alone.head, found.head).is_ok()
}

/// Checks the last events of the record.
fn tail(connection: &Connection, end: Head) -> Result<(), Error> {
    let before = end.sequence.saturating_sub(TAIL);
    let first = read::events(connection, before.max(1) - 1, 1)?.pop();
    match first {
        None if end.sequence == 0 => Ok(()),
        None => Err(Error::internal(format!(
            "event {} of the record is missing",
            before.max(1)
        ))),
        // The start of the record is in its first event only.
        Some(first) if before == 0 => {
            let hash = Hash(first.header()?.previous_hash.try_into().unwrap_or_default());
            reaches(connection, Head { sequence: 0, hash }, end)
        }
        Some(first) => reaches(
            connection,
            Head {
                sequence: before,
                hash: first.hash(),
            },
            end,
        ),
    }
}

/// Fails if the record does not continue from `head` to `end`, and end there.
fn reaches(connection: &Connection, mut head: Head, end: Head) -> Result<(), Error> {
    loop {
        let events = read::events(connection, head.sequence, EVENTS_AT_ONCE)?;
        for event in &events {
            head.follow(event)?;
        }
        if events.is_empty() {
            break;
        }
    }
    if head == end {
        Ok(())
    } else {
        Err(Error::internal(
            "the record does not end where the store says",
        ))
    }
}

/// Runs SQLite's own check of one table after the other, so that none of the reading transactions takes long.
fn quick_check(connection: &Connection) -> Result<(), CheckFailure> {
    let mut tables = connection.prepare(TABLES)?;
    let names: Vec<String> = tables
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for name in names {
        check_table(connection, &name)?;
    }
    Ok(())
}

fn check_table(connection: &Connection, name: &str) -> Result<(), CheckFailure> {
    let mut lines: Vec<String> = Vec::new();
    connection.pragma(None, "quick_check", name, |row| {
        lines.push(row.get(0)?);
        Ok(())
    })?;
    match lines.first() {
        Some(line) if line != "ok" => Err(CheckFailure::Damage(line.replace('\n', " "))),
        _ => Ok(()),
    }
}

/// The reason why the check failed.
enum CheckFailure {
    Damage(String),
    /// The check itself did not complete.
    Nothing(rusqlite::Error),
}

impl From<rusqlite::Error> for CheckFailure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damage(error.to_string())
            }
            _ => Self::Nothing(error),
        }
    }
}

fn size(connection: &Connection) -> rusqlite::Result<i64> {
    let value = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(value("page_count")? * value("page_size")?)
}

fn foreign_log(place: &Place) -> Error {
    let (store, log, index) = (place.path().display(), place.log(), place.index());
    Error::internal(format!(
        "{0} is not the log of {store}: it was written for the file that was there before, as when a backup was restored. To \
         use the store as it was restored, move {0} and {1} away. Otherwise put the former file back",
        log.display(),
        index.display()
    ))
}

fn cause(error: &Error) -> String {
    error
        .cause
        .as_ref()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

const EVENTS_AT_ONCE: u64 = 1_000;
/// In bytes. SQLite checks this much in less than a second.
const LARGE: i64 = 64 << 20;
const MARK: &str = "SELECT file, (rootpage - 1) * page_size \
     FROM head, pragma_page_size, sqlite_schema WHERE type = 'table' AND name = 'head'";
const STEPS_BETWEEN: i32 = 10_000;
const TABLES: &str =
    "SELECT name FROM sqlite_schema WHERE type = 'table' UNION ALL SELECT 'sqlite_schema'";
/// The number of events.
const TAIL: u64 = 1_000;
