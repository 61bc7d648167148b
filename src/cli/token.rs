//! `countersign token`.

use super::{create_data_dir, print};
use crate::auth::tokens;
use crate::config::NewToken;
use crate::domain::error::Error;
use crate::ports::Clock;
use crate::system::SystemClock;

/// `countersign token new`: prints a token, this once.
pub(super) fn new(new: &NewToken) -> Result<(), Error> {
    if new.data.tokens.is_none() {
        create_data_dir(&new.data.data_dir)?;
    }
    let now = SystemClock.now();
    let expires = new.expires.map(|life| now.after(life));
    let token = tokens::add(&new.data.tokens(), &new.account, &new.groups, now, expires)?;
    print(&format!("{token}\n"))
}
