//! The data of a server: its folder, its store and its tokens file.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;

use super::failure::cannot;
use crate::config::{Data, Serve, StoreLocation};
use crate::store::Store;
use crate::store::postgres::{PostgresStore, Skew};
use crate::store::sqlite::SqliteStore;
use crate::telemetry::metrics::StoreMetrics;
use crate::time::{Clock, SystemClock};
use crate::tokens_file::TokensFile;

/// Creates the data folder, readable only by its owner.
pub(super) fn create_folder(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        cannot(
            format_args!("make the data folder {}", path.display()),
            error,
            "",
        )
    })
}

/// Opens the tokens file.
pub(super) fn open_tokens(path: &Path) -> anyhow::Result<Arc<TokensFile>> {
    let what = format!("read the tokens file {}", path.display());
    let tokens = TokensFile::open(path, SystemClock.now());
    Ok(Arc::new(tokens.map_err(|error| cannot(what, error, ""))?))
}

/// Opens the store.
pub(super) async fn open_store(
    settings: &Serve,
    metrics: StoreMetrics,
) -> anyhow::Result<Arc<dyn Store>> {
    match settings.data.store()? {
        StoreLocation::Postgres(url) => {
            let password = password(&url, &settings.data)?;
            let skew = Skew {
                clock: Arc::new(SystemClock),
                most: settings.max_clock_skew,
            };
            let store = PostgresStore::open(&url, password.as_deref(), Some(skew), metrics).await;
            Ok(Arc::new(store.map_err(|error| {
                cannot("open the store in PostgreSQL", error, "")
            })?))
        }
        StoreLocation::Sqlite(path) => {
            let what = format!("open the store {}", path.display());
            Ok(Arc::new(
                SqliteStore::open(&path, metrics).map_err(|error| cannot(what, error, ""))?,
            ))
        }
    }
}

/// Returns the password of the store, unless the URL has one.
pub(super) fn password(url: &str, data: &Data) -> anyhow::Result<Option<String>> {
    let is_in_url = PostgresStore::has_password(url)
        .map_err(|error| cannot("use the store in PostgreSQL", error, ""))?;
    if is_in_url && is_on_command_line(url) {
        bail!(
            "cannot use a password on the command line, where everybody on this machine can read it; put it into a file and \
             name that with --store-password-file, or put the URL into COUNTERSIGN_STORE"
        );
    }
    let Some(path) = &data.store_password_file else {
        return Ok(None);
    };
    let what = format!("read the password of the store from {}", path.display());
    let text = fs::read_to_string(path).map_err(|error| cannot(what, error, ""))?;
    Ok(text.lines().next().map(str::to_owned))
}

fn is_on_command_line(text: &str) -> bool {
    std::env::args_os().any(|argument| argument.to_string_lossy().contains(text))
}
