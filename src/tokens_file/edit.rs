//! The changes that commands make to a tokens file while servers read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::entries::{Contents, Entry, content, parse};
use super::text::PREFIX;
use crate::domain::account::{Account, Group};
use crate::domain::error::Error;
use crate::domain::moment::Moment;

/// Adds a token to the file, which is created if it does not exist. Returns the token, which nothing else keeps.
pub fn add(
    path: &Path,
    account: &Account,
    groups: &[Group],
    created: Moment,
    expires: Option<Moment>,
) -> Result<String, Error> {
    let mut random = [0_u8; 40];
    fill(&mut random)?;
    let (id, secret) = random.split_at(8);
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let secret = URL_SAFE_NO_PAD.encode(secret);
    let entry = Entry {
        id: id.clone(),
        sha256: URL_SAFE_NO_PAD.encode(Sha256::digest(&secret)),
        account: account.name.clone(),
        groups: groups.iter().map(|group| group.name.clone()).collect(),
        created: created.to_string(),
        expires: expires.map(|expires| expires.to_string()),
    };
    append(
        path,
        &toml::to_string(&Contents { token: vec![entry] }).map_err(Error::internal)?,
    )?;
    Ok(format!("{PREFIX}{id}_{secret}"))
}

/// Returns the tokens of the file, one line each: id, account, groups, time of creation, time of expiry.
pub fn list(path: &Path) -> Result<String, Error> {
    let mut lines = String::new();
    for entry in parse(&content(path)?)?.token {
        let Entry {
            id,
            account,
            created,
            ..
        } = &entry;
        let groups = entry.groups.join(", ");
        let expires = entry.expires.as_deref().unwrap_or("never");
        lines += &format!("{id}  {account}  [{groups}]  created {created}  expires {expires}\n");
    }
    Ok(lines)
}

/// Deletes the entry with that id from the file.
///
/// # Errors
///
/// Fails and changes nothing if the entry is not written as `token new` writes it.
pub fn revoke(path: &Path, id: &str) -> Result<(), Error> {
    let _alone = lock(path)?;
    let before = content(path)?;
    let mut ids = ids(&before)?;
    let Some(position) = ids.iter().position(|known| known == id) else {
        return Err(Error::invalid(
            "There is no token with this id; `countersign token list` shows the ids.",
        ));
    };
    ids.remove(position);
    let mut blocks = before.split("[[token]]");
    let mut after = blocks.next().unwrap_or_default().to_owned();
    for block in blocks {
        let block = format!("[[token]]{block}");
        match parse(&block) {
            Ok(contents) if contents.token[0].id == id => {}
            _ => after += &block,
        }
    }
    if self::ids(&after).ok() != Some(ids) {
        return Err(Error::invalid(
            "The entry is not written as `token new` writes it; delete it with an editor.",
        ));
    }
    replace(path, &after).map_err(Error::internal)
}

/// Replaces the file by a complete one, so that no reader sees half of it. Keeps the owner and the permissions.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| {
        file.set_permissions(metadata.permissions())?;
        chown(&new, Some(metadata.uid()), Some(metadata.gid()))?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    });
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

/// Locks the file against changes by others until the returned handle is dropped.
fn lock(path: &Path) -> Result<File, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(name)
        .map_err(Error::internal)?;
    file.lock().map_err(Error::internal)?;
    Ok(file)
}

fn ids(text: &str) -> Result<Vec<String>, Error> {
    Ok(parse(text)?
        .token
        .into_iter()
        .map(|entry| entry.id)
        .collect())
}

/// Appends an entry to the file, which must be well-formed.
fn append(path: &Path, entry: &str) -> Result<(), Error> {
    let _alone = lock(path)?;
    let before = content(path)?;
    parse(&before)?;
    let separator = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::internal)?;
    let written = file.write_all(format!("{separator}{entry}\n").as_bytes());
    written
        .and_then(|()| file.sync_all())
        .map_err(Error::internal)
}

/// Fills the array with unpredictable bytes.
#[expect(
    clippy::disallowed_methods,
    reason = "a secret comes from the operating system, also in tests"
)]
fn fill(random: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(random).map_err(Error::internal)
}
