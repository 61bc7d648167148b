//! `countersign token`.

use std::fmt::Display;
use std::path::Path;

use super::data::create_folder;
use super::failure::cannot;
use super::output::{print, print_whole, warn};
use crate::config::{Data, Expiry, NewToken, RevokeToken, StoreLocation};
use crate::time::{Clock, SystemClock};
use crate::tokens_file::{self, TokensFile};

/// `countersign token new`: creates a token and prints it once.
pub(super) fn new(new: &NewToken) -> anyhow::Result<()> {
    let (data, path) = (&new.data, new.data.tokens());
    let was_there = data.data_dir.exists();
    if data.tokens.is_none() {
        create_folder(&data.data_dir)?;
        warn_without_store(data, was_there)?;
    }
    let now = SystemClock.now();
    let expires = match new.expires {
        Expiry::After(duration) => Some(now.after(duration)),
        Expiry::Never => None,
    };
    let token = tokens_file::add(&path, &new.account, &new.groups, now, expires)
        .map_err(|error| cannot(in_file("add a token to", &path), error, ""))?;
    print_whole(&format!("{token}\n")).map_err(|error| {
        // A token that was not printed is useless, but would stay valid.
        let advice = match tokens_file::revoke(&path, token.get(4..20).unwrap_or_default()) {
            Ok(()) => "the token was revoked again",
            Err(_) => "revoke the newest token that `countersign token list` shows",
        };
        cannot("print the token", error, advice)
    })
}

/// `countersign token list`: prints one line for each token, with its id and account.
pub(super) fn list(data: &Data) -> anyhow::Result<()> {
    let path = data.tokens();
    let listed =
        tokens_file::list(&path).map_err(|error| cannot(in_file("list", &path), error, ""))?;
    if !path.exists() {
        warn(&format!("there is no tokens file {}", path.display()));
    }
    print(&listed)
}

/// `countersign token revoke`: a running server refuses the token within a second.
pub(super) fn revoke(revoke: &RevokeToken) -> anyhow::Result<()> {
    let path = revoke.data.tokens();
    let revoked = tokens_file::revoke(&path, &revoke.id);
    revoked.map_err(|error| cannot(in_file("revoke a token of", &path), error, ""))?;
    // If a running server refuses the file, it keeps the old tokens, including the revoked one.
    match TokensFile::open(&path, SystemClock.now()) {
        Ok(_) => Ok(()),
        Err(error) => {
            let advice = "the entry was deleted, but a running server accepts the token until the file is corrected";
            Err(cannot(in_file("use", &path), error, advice))
        }
    }
}

fn in_file(what: &str, path: &Path) -> impl Display {
    format!("{what} the tokens file {}", path.display())
}

/// Warns if a server with the same folder would start with an empty store: the folder may be the wrong one.
fn warn_without_store(data: &Data, was_there: bool) -> anyhow::Result<()> {
    let store = data
        .store()
        .map_err(|error| cannot("find the store", error, ""))?;
    let folder = data.data_dir.display();
    match store {
        StoreLocation::Sqlite(path) if !path.exists() => {
            let made = if was_there {
                ""
            } else {
                "was created now and "
            };
            warn(&format!(
                "the data folder {folder} {made}holds no store; a server accepts the token only if it is started with this \
                 folder"
            ));
        }
        _ if !was_there => warn(&format!("the data folder {folder} was created now")),
        _ => {}
    }
    Ok(())
}
