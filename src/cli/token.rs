//! `countersign token`.

use super::{create_data_dir, print};
use crate::auth::tokens;
use crate::config::{Data, NewToken, RevokeToken};
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

/// `countersign token list`: one line for each token, with its id and whose it is.
pub(super) fn list(data: &Data) -> Result<(), Error> {
    print(&tokens::list(&data.tokens())?)
}

/// `countersign token revoke`: a running server refuses the token within a second.
pub(super) fn revoke(revoke: &RevokeToken) -> Result<(), Error> {
    tokens::revoke(&revoke.data.tokens(), &revoke.id)
}
