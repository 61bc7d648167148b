//! Checks a store without changing it.

use std::path::Path;

use super::integrity;
use super::place::Place;
use crate::domain::error::Error;

/// Whether the store can be opened now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Availability {
    /// There is no store. The server creates it.
    Absent,
    /// The store can be opened.
    Free,
    /// Another process has the store open.
    InUse,
}

/// Checks whether the store in `path` can be opened, without writing. A server may be running on it.
///
/// # Errors
///
/// Fails if this user may not write to it, if the file is not a store, or if a newer version wrote it. Fails if it has
/// the log of another file, or if it is damaged.
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
