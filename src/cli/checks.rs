//! The needs of the server, as one list of checks: `check-config` prints them, and `serve` makes them before it starts.
//! None of them changes anything.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ipnet::IpNet;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;

use super::failure::cannot;
use super::finding::Finding;
use super::{data, files, listener};
use crate::config::{Cli, Data, Serve, StoreLocation, zone_name};
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::{self, Availability};
use crate::time::{Clock, SystemClock};
use crate::tokens_file::TokensFile;

/// Checks everything that a server with these settings needs.
pub(super) async fn all(settings: &Serve) -> Vec<Finding> {
    let data = &settings.data;
    let mut findings = vec![listen(settings).await];
    findings.extend(settings_alone(settings));
    findings.extend(data_dir(&data.data_dir));
    findings.extend(store(data).await);
    findings.extend(tokens(settings));
    findings
}

/// Checks the settings that need no data.
pub(super) fn settings_alone(settings: &Serve) -> Vec<Finding> {
    let mut findings = vec![open_files(settings), zone(settings)];
    findings.extend(variables(
        env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()),
    ));
    findings.extend(proxies(&settings.trusted_proxies));
    findings
}

async fn listen(settings: &Serve) -> Finding {
    let address = settings.listen;
    if let Err(error) = listener::check_loopback(address) {
        return Finding::Error(error.to_string());
    }
    match TcpListener::bind(address).await {
        Ok(_) => Finding::Ok(format!("the address {address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Finding::Busy(format!(
            "the address {address} is in use; a server may be running"
        )),
        Err(error) => Finding::Error(listener::not_listening(address, error).to_string()),
    }
}

fn open_files(settings: &Serve) -> Finding {
    match files::allow(settings.max_connections) {
        Ok(limit) => Finding::Ok(format!("the limit of open files is {limit}")),
        Err(error) => Finding::Error(error.to_string()),
    }
}

fn zone(settings: &Serve) -> Finding {
    let zone = match &settings.zone {
        Some(zone) => Ok(zone.clone()),
        None => TimeZone::try_system(),
    };
    match zone {
        Ok(zone) => Finding::Ok(format!("the time zone is {}", zone_name(&zone))),
        Err(_) => Finding::Warning(
            "the time zone of the machine is not known and is taken for UTC; name one with --zone"
                .to_owned(),
        ),
    }
}

/// Checks the names of environment variables. A name that only resembles a setting changes nothing. It is no error,
/// because an orchestrator adds variables of its own for a service of this name.
fn variables(names: impl Iterator<Item = String>) -> Vec<Finding> {
    let known: HashSet<String> = Cli::variables().into_iter().collect();
    let mut unknown: Vec<String> = names
        .filter(|name| name.starts_with("COUNTERSIGN_") && !known.contains(name))
        .collect();
    unknown.sort();
    let mut findings = Vec::new();
    for name in unknown {
        findings.push(Finding::Warning(format!(
            "the environment variable {name} is no setting, and changes nothing"
        )));
    }
    findings
}

/// Checks whether the trusted proxies include every address, taken together.
fn proxies(trusted: &[IpNet]) -> Option<Finding> {
    let all = IpNet::aggregate(&trusted.to_vec())
        .into_iter()
        .find(|network| network.prefix_len() == 0)?;
    Some(Finding::Warning(format!(
        "every address of {all} is a trusted proxy, so that any caller chooses where the links of the REST API lead"
    )))
}

/// Checks the data folder, which the server creates if it does not exist.
fn data_dir(path: &Path) -> Vec<Finding> {
    let there = path
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("."));
    let finding = match writable(there) {
        Ok(()) if there == path => Finding::Ok(format!("the data folder is {}", path.display())),
        Ok(()) => Finding::Ok(format!("the data folder will be made: {}", path.display())),
        Err(error) => Finding::Error(
            cannot(
                format_args!("use the data folder {}", path.display()),
                error,
                "",
            )
            .to_string(),
        ),
    };
    [finding].into_iter().chain(space(there)).collect()
}

async fn store(data: &Data) -> Vec<Finding> {
    match data.store() {
        Ok(StoreLocation::Postgres(url)) => vec![database(&url, data).await],
        Ok(StoreLocation::Sqlite(path)) => file(&path, data),
        Err(error) => vec![Finding::Error(
            cannot("use the store", error, "").to_string(),
        )],
    }
}

/// Checks the database of the store, in which the server creates the tables if they do not exist.
async fn database(url: &str, location: &Data) -> Finding {
    let password = match data::password(url, location) {
        Ok(password) => password,
        Err(error) => return Finding::Error(error.to_string()),
    };
    match PostgresStore::check(url, password.as_deref()).await {
        Ok(()) => Finding::Ok("the store is in PostgreSQL".to_owned()),
        Err(error) => Finding::Error(cannot("use the store in PostgreSQL", error, "").to_string()),
    }
}

/// Checks the file of the store, which the server creates if it does not exist, in a folder that has to exist.
fn file(path: &Path, data: &Data) -> Vec<Finding> {
    let folder = path.parent().filter(|folder| *folder != data.data_dir);
    if let Some(Err(error)) = folder.map(writable) {
        let what = format!("use the folder of the store {}", path.display());
        return vec![Finding::Error(cannot(what, error, "").to_string())];
    }
    let finding = match sqlite::check(path) {
        Ok(Availability::Absent) => {
            Finding::Ok(format!("the store will be made: {}", path.display()))
        }
        Ok(Availability::Free) => Finding::Ok(format!("the store is {}", path.display())),
        Ok(Availability::InUse) => Finding::Busy(format!(
            "the store {} is open in another process; a server may be running",
            path.display()
        )),
        Err(error) => Finding::Error(
            cannot(format_args!("use the store {}", path.display()), error, "").to_string(),
        ),
    };
    [finding]
        .into_iter()
        .chain(folder.and_then(space))
        .collect()
}

fn tokens(settings: &Serve) -> Vec<Finding> {
    let path = settings.data.tokens();
    let tokens = match data::open_tokens(&path) {
        Ok(tokens) => tokens,
        Err(error) => return vec![Finding::Error(error.to_string())],
    };
    let file = match path.exists() {
        true => Finding::Ok(format!("the tokens file is {}", path.display())),
        false => Finding::Warning(format!(
            "there is no tokens file, so every call is refused: {}",
            path.display()
        )),
    };
    let mut findings = vec![file];
    for warning in warnings(settings, &tokens) {
        findings.push(Finding::Warning(warning));
    }
    findings
}

/// Returns warnings about the files and the tokens, with which the server still starts.
fn warnings(settings: &Serve, tokens: &TokensFile) -> Vec<String> {
    let (data, now) = (&settings.data, SystemClock.now());
    let mut warnings = Vec::new();
    warnings.extend(open_to_others("the data folder", &data.data_dir));
    if let Ok(StoreLocation::Sqlite(path)) = data.store() {
        warnings.extend(open_to_others("the store", &path));
    }
    warnings.extend(open_to_others("the tokens file", &data.tokens()));
    if let Some(path) = &data.store_password_file {
        warnings.extend(open_to_others("the file of the store's password", path));
    }
    if settings.administrators.is_empty() {
        warnings.push("there is no administrator".to_owned());
    }
    for id in tokens.expired(now) {
        warnings.push(format!("the token {id} has expired"));
    }
    for account in &settings.administrators {
        if !tokens.is_usable_by(account, now) {
            warnings.push(format!(
                "the administrator {} has no valid token",
                account.name
            ));
        }
    }
    warnings
}

/// Returns a warning if users other than the owner can do anything with the file or folder.
fn open_to_others(what: &str, path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| format!("{what} is not for its owner alone: its mode is {mode:o}"))
}

/// Tries to write, into a file that has no name and is deleted with its handle.
fn writable(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&[0; 64 * 1024])?;
    file.sync_all()
}

/// Checks the free space for the record.
fn space(folder: &Path) -> Option<Finding> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let disk = rustix::fs::statvfs(folder).ok()?;
    let mebibytes = disk.f_bavail.saturating_mul(disk.f_frsize) / (1024 * 1024);
    scarce(folder, mebibytes).map(Finding::Warning)
}

fn scarce(folder: &Path, mebibytes: u64) -> Option<String> {
    if mebibytes >= LEAST_SPACE {
        return None;
    }
    let folder = folder.display();
    Some(format!(
        "only {mebibytes} MiB are free on the disk of {folder}"
    ))
}

/// In MiB; the record grows by about a MiB per thousand decisions.
const LEAST_SPACE: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(findings: impl IntoIterator<Item = Finding>) -> Vec<String> {
        let warning = |finding| {
            if let Finding::Warning(text) = finding {
                Some(text)
            } else {
                None
            }
        };
        findings.into_iter().filter_map(warning).collect()
    }

    #[test]
    fn variables_that_are_no_settings_are_found() {
        let names = [
            "COUNTERSIGN_STORE",
            "COUNTERSIGN_LOG",
            "COUNTERSIGN_TOKEN",
            "COUNTERSIGN_SERVER",
            "PATH",
        ];
        assert_eq!(
            warned(variables(names.into_iter().map(str::to_owned))),
            [""; 0]
        );
        let names = [
            "COUNTERSIGN_ADMINISTRATOR",
            "COUNTERSIGN_",
            "countersign_store",
        ];
        let found = warned(variables(names.into_iter().map(str::to_owned)));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[1].contains("COUNTERSIGN_ADMINISTRATOR is no setting"),
            "{found:?}"
        );
    }

    #[test]
    fn proxies_that_are_everybody_are_found() {
        let found = |networks: &[&str]| {
            warned(proxies(
                &networks
                    .iter()
                    .map(|network| network.parse().unwrap())
                    .collect::<Vec<_>>(),
            ))
            .len()
        };
        for networks in [
            &["0.0.0.0/0"][..],
            &["::/0"],
            &["0.0.0.0/1", "128.0.0.0/1"],
            &["10.0.0.0/8", "1.2.3.4/0"],
        ] {
            assert_eq!(found(networks), 1, "{networks:?}");
        }
        for networks in [
            &[][..],
            &["10.0.0.0/8", "fd00::/8"],
            &["0.0.0.0/1"],
            &["127.0.0.1/32"],
        ] {
            assert_eq!(found(networks), 0, "{networks:?}");
        }
    }

    #[test]
    fn a_disk_that_is_nearly_full_is_found() {
        assert!(scarce(Path::new("data"), 255).unwrap().contains("255 MiB"));
        assert_eq!(scarce(Path::new("data"), 256), None);
        assert!(writable(Path::new("/dev/null")).is_err());
    }
}
