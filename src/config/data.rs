//! The settings that `serve` shares with the commands on its files.

use std::path::PathBuf;

use clap::Args;

use super::store::{StoreLocation, StoreSetting};
use crate::domain::error::Error;

/// The location of the store and the tokens.
#[derive(Args, Clone, Debug)]
pub struct Data {
    /// Folder of the store and the tokens file; created if it is missing.
    #[arg(long, env = "COUNTERSIGN_DATA_DIR", default_value = "countersign-data")]
    pub data_dir: PathBuf,
    /// Store: an SQLite file or a postgres:// URL [default: countersign.db in the data folder]. Do not put a password on the
    /// command line, where every user of the machine can read it.
    #[arg(long, env = "COUNTERSIGN_STORE", hide_env_values = true)]
    pub store: Option<StoreSetting>,
    /// File whose first line is the password for a postgres:// URL without one.
    #[arg(long, env = "COUNTERSIGN_STORE_PASSWORD_FILE")]
    pub store_password_file: Option<PathBuf>,
    /// Tokens file; read again when it changes [default: tokens.toml in the data folder].
    #[arg(long, env = "COUNTERSIGN_TOKENS")]
    pub tokens: Option<PathBuf>,
}

impl Data {
    /// Returns the location of the store.
    ///
    /// # Errors
    /// Invalid if the setting is neither a file nor a PostgreSQL URL.
    pub fn store(&self) -> Result<StoreLocation, Error> {
        match &self.store {
            Some(StoreSetting(location)) => location.clone().map_err(Error::invalid),
            None => Ok(StoreLocation::Sqlite(self.data_dir.join("countersign.db"))),
        }
    }

    /// Returns the path of the tokens file.
    pub fn tokens(&self) -> PathBuf {
        self.tokens
            .clone()
            .unwrap_or_else(|| self.data_dir.join("tokens.toml"))
    }
}
