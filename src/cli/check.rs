//! `countersign check-config`: what `serve` needs, looked at without changing anything. What `serve` itself warns of when it
//! starts is found here too.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jiff::tz::TimeZone;
use tokio::net::TcpListener;

use super::{files, print, printable, serve};
use crate::auth::tokens::TokensFile;
use crate::config::{Data, Serve, StoreLocation};
use crate::domain::error::Error;
use crate::ports::Clock;
use crate::store::postgres::PostgresStore;
use crate::store::sqlite;
use crate::system::SystemClock;

/// What was found of one thing that the server needs.
enum Finding {
    /// The server would not start.
    Error(String),
    /// It is as it should be.
    Ok(String),
    /// The server would start, but somebody should look.
    Warning(String),
}

/// Prints what is found; fails when the server would not start.
pub(super) async fn run(settings: &Serve) -> Result<(), Error> {
    if settings.dev {
        return Err(Error::invalid("With --dev there is nothing to check, because nothing is kept."));
    }
    let mut findings = vec![listen(settings).await, open_files(settings), zone(settings)];
    findings.push(data_dir(&settings.data.data_dir));
    findings.push(store(&settings.data).await);
    findings.extend(tokens(settings));
    print(&findings.iter().map(|finding| format!("{finding}\n")).collect::<String>())?;
    if findings.iter().any(|finding| matches!(finding, Finding::Error(_))) {
        return Err(Error::invalid("The server would not start."));
    }
    Ok(())
}

/// Logs what a server that starts is warned of.
pub(super) fn warn(settings: &Serve, tokens: &TokensFile) {
    for warning in warnings(settings, tokens) {
        tracing::warn!("{}", printable(&warning));
    }
}

/// With what somebody should look at, though the server starts.
fn warnings(settings: &Serve, tokens: &TokensFile) -> Vec<String> {
    let (data, now) = (&settings.data, SystemClock.now());
    let folder = open_to_others("the data folder", &data.data_dir);
    let store = match data.store() {
        StoreLocation::Postgres(_) => None,
        StoreLocation::Sqlite(path) => open_to_others("the store", &path),
    };
    let tokens_file = open_to_others("the tokens file", &data.tokens());
    let password = data.store_password_file.as_deref();
    let password = password.and_then(|path| open_to_others("the file of the store's password", path));
    let expired = tokens.expired(now).into_iter().map(|id| format!("the token {id} has expired"));
    let idle = settings.administrators.iter().filter(|account| !tokens.is_usable_by(account, now));
    let idle = idle.map(|account| format!("the administrator {} has no valid token", account.name));
    let nobody = settings.administrators.is_empty().then(|| "there is no administrator".to_owned());
    [folder, store, tokens_file, password, nobody].into_iter().flatten().chain(expired).chain(idle).collect()
}

/// Whether others than its owner may do anything with the file or folder.
fn open_to_others(what: &str, path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| format!("{what} is not for its owner alone: its mode is {mode:o}"))
}

async fn listen(settings: &Serve) -> Finding {
    let address = settings.listen;
    if let Err(error) = serve::loopback(address) {
        return Finding::Error(error.to_string());
    }
    match TcpListener::bind(address).await {
        Ok(_) => Finding::Ok(format!("the address {address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            Finding::Warning(format!("the address {address} is in use; a server may be running"))
        }
        Err(error) => Finding::Error(format!("the address {address} cannot be listened on: {error}")),
    }
}

fn open_files(settings: &Serve) -> Finding {
    match files::allow(settings.max_connections) {
        Ok(limit) => Finding::Ok(format!("the limit of open files is {limit}")),
        Err(error) => Finding::Error(error.to_string()),
    }
}

fn zone(settings: &Serve) -> Finding {
    match settings.zone.clone().map_or_else(TimeZone::try_system, Ok) {
        Ok(zone) => Finding::Ok(format!("the time zone is {}", zone.iana_name().unwrap_or("the machine's"))),
        Err(_) => {
            Finding::Warning("the time zone of the machine is not known; it is taken for UTC".to_owned())
        }
    }
}

/// The data folder, which the server makes where it is not there.
fn data_dir(path: &Path) -> Finding {
    let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    match writable(there) {
        Ok(()) if there == path => Finding::Ok(format!("the data folder is {}", path.display())),
        Ok(()) => Finding::Ok(format!("the data folder will be made: {}", path.display())),
        Err(error) => Finding::Error(format!("the data folder cannot be used: {}: {error}", path.display())),
    }
}

async fn store(data: &Data) -> Finding {
    match data.store() {
        StoreLocation::Postgres(url) => database(&url, data).await,
        StoreLocation::Sqlite(path) => file(&path, data),
    }
}

/// The database of the store, in which the server makes the tables where they are not there.
async fn database(url: &str, data: &Data) -> Finding {
    let checked = match serve::password(url, data) {
        Ok(password) => PostgresStore::check(url, password.as_deref()).await,
        Err(error) => Err(error),
    };
    match checked {
        Ok(()) => Finding::Ok("the store is in PostgreSQL".to_owned()),
        Err(error) => Finding::Error(format!("the store cannot be used: {}", cause(&error))),
    }
}

/// The file of the store, which the server makes where it is not there, in a folder that has to be.
fn file(path: &Path, data: &Data) -> Finding {
    let folder = path.parent().filter(|folder| *folder != data.data_dir);
    if let Some(Err(error)) = folder.map(writable) {
        return Finding::Error(format!("the folder of the store cannot be used: {error}"));
    }
    match path.exists().then(|| sqlite::check(path)) {
        Some(Ok(())) => Finding::Ok(format!("the store is {}", path.display())),
        Some(Err(error)) => Finding::Error(format!("the store cannot be used: {}", cause(&error))),
        None => Finding::Ok(format!("the store will be made: {}", path.display())),
    }
}

fn tokens(settings: &Serve) -> Vec<Finding> {
    let path = settings.data.tokens();
    let tokens = match serve::tokens(settings, &path) {
        Ok(tokens) => tokens,
        Err(error) => {
            return vec![Finding::Error(format!("the tokens file cannot be used: {}", cause(&error)))];
        }
    };
    let file = match path.exists() {
        true => Finding::Ok(format!("the tokens file is {}", path.display())),
        false => Finding::Warning(format!("there is no tokens file, so nobody can call: {}", path.display())),
    };
    [file].into_iter().chain(warnings(settings, &tokens).into_iter().map(Finding::Warning)).collect()
}

/// Tries it with a file that has no name and is gone with its handle.
fn writable(folder: &Path) -> std::io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    tempfile::tempfile_in(folder).map(drop)
}

fn cause(error: &Error) -> String {
    error.cause.as_ref().map_or_else(|| error.to_string(), ToString::to_string)
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, text) = match self {
            Self::Error(text) => ("error", text),
            Self::Ok(text) => ("ok", text),
            Self::Warning(text) => ("warning", text),
        };
        write!(f, "{word:<7}  {}", printable(text))
    }
}
