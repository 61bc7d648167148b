//! A look at a store that changes nothing.

use std::path::Path;

use super::integrity;
use super::place::Place;
use crate::domain::error::Error;

/// Looks whether the store in `path` could be opened, as far as that can be told without its lock and without writing; a
/// server may be running on it. Fails when this user may not write to it, when it is no store, one of a newer version, one
/// with the log of another file, or damaged. Returns whether there is a store; if there is none, the server makes it.
pub fn check(path: &Path) -> Result<bool, Error> {
    let place = Place::find(path)?;
    if !place.exists()? {
        return Ok(false);
    }
    place.inspect()?;
    // Closed before SQLite opens the file.
    drop(place.open()?);
    integrity::verify(&place)?;
    Ok(true)
}
