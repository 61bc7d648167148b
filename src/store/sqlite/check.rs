//! A look at a store that changes nothing.

use std::path::Path;

use super::integrity;
use super::place::Place;
use crate::domain::error::Error;

/// Whether the store can be opened now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Availability {
    /// There is no store; the server makes it.
    Absent,
    /// The store can be opened.
    Free,
    /// Another process has the store open.
    InUse,
}

/// Checks whether the store in `path` could be opened, as far as that can be told without writing; a server may be running
/// on it. Fails when this user may not write to it, when it is no store, one of a newer version, one with the log of
/// another file, or damaged.
pub fn check(path: &Path) -> Result<Availability, Error> {
    let place = Place::find(path)?;
    if !place.exists()? {
        return Ok(Availability::Absent);
    }
    place.inspect()?;
    // Closed before SQLite opens the file.
    let is_locked = place.is_locked()?;
    integrity::verify(&place)?;
    Ok(if is_locked {
        Availability::InUse
    } else {
        Availability::Free
    })
}
