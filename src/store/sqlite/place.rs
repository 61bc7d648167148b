//! The place of a store: its file, the files that SQLite keeps next to it, and the locks on them.

use std::error::Error as StdError;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use crate::domain::error::Error;

/// The file of a store, under the one name from which SQLite derives the names of its other files.
#[derive(Clone, Debug)]
pub(super) struct Place(PathBuf);

impl Place {
    /// Follows symbolic links to the file, which need not exist. Fails for a name that SQLite does not take for a path,
    /// and for a broken link.
    pub(super) fn find(path: &Path) -> Result<Self, Error> {
        let name = path.as_os_str().as_bytes();
        if name.is_empty() || name.starts_with(b":") || name.starts_with(b"file:") {
            return Err(Error::internal(format!(
                "{} is not the path of a file. The store must be one, such as ./countersign.db",
                path.display()
            )));
        }
        // A broken link exists, but its file is not found.
        let found = match (path.symlink_metadata(), path.file_name()) {
            (Err(error), Some(name)) if error.kind() == ErrorKind::NotFound => {
                match folder_of(path).canonicalize() {
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(path.to_owned()),
                    folder => folder.map(|folder| folder.join(name)),
                }
            }
            (found, _) => found.and_then(|_| path.canonicalize()),
        };
        found.map(Self).map_err(|error| cannot("find", path, error))
    }

    /// Returns the path of the file itself.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the path of the log, which contains the last commits.
    pub(super) fn log(&self) -> PathBuf {
        self.next_to("-wal")
    }

    /// Returns the path of the index of the log, which all connections share.
    pub(super) fn index(&self) -> PathBuf {
        self.next_to("-shm")
    }

    /// Returns whether there is a store. Fails if there is only the log of one: then the store itself is missing.
    pub(super) fn exists(&self) -> Result<bool, Error> {
        if self
            .0
            .try_exists()
            .map_err(|error| cannot("look for", &self.0, error))?
        {
            return Ok(true);
        }
        for left in [self.log(), self.next_to("-journal")] {
            if fs::metadata(&left).is_ok_and(|file| file.len() > 0) {
                return Err(Error::internal(format!(
                    "{} does not exist, but its log {} does. Put the store back; or move the log away, and a new store is made",
                    self.0.display(),
                    left.display()
                )));
            }
        }
        Ok(false)
    }

    /// Locks the name of the store for this process. The lock ends with the process, however that ends. It also applies
    /// if the file is replaced.
    pub(super) fn lock_name(&self) -> Result<File, Error> {
        let name = self.next_to(".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name);
        let file = file.map_err(|error| cannot("open", &name, error))?;
        file.try_lock().map_err(|error| locked(&name, error))?;
        Ok(file)
    }

    /// Locks the file itself for this process, whatever name another process opens it under. This is `flock`, which is
    /// independent of the locks of `fcntl` that SQLite uses.
    pub(super) fn lock_file(&self) -> Result<File, Error> {
        let file = self.open()?;
        if let Err(error) = file.try_lock() {
            // Closing a handle drops every lock of `fcntl` that this process has on the file. This process may have the
            // store open.
            mem::forget(file);
            return Err(locked(&self.0, error));
        }
        Ok(file)
    }

    /// Returns whether another process has the store open. The handle is closed, so a process that has the store open
    /// must not call this.
    pub(super) fn is_locked(&self) -> Result<bool, Error> {
        match self.open()?.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(cannot("lock", &self.0, error)),
        }
    }

    /// Opens the file to read and write. Must not be called while SQLite has it open, unless the handle is kept.
    /// Closing any handle on a file drops every lock of `fcntl` that the process has on it.
    pub(super) fn open(&self) -> Result<File, Error> {
        let file = OpenOptions::new().read(true).write(true).open(&self.0);
        file.map_err(|error| cannot("open", &self.0, error))
    }

    /// Refuses a file that is no store, and a file with two names. A log is next to one of them only, so under the
    /// other name the last commits would be missing.
    pub(super) fn inspect(&self) -> Result<(), Error> {
        let found = fs::metadata(&self.0).map_err(|error| cannot("look at", &self.0, error))?;
        let wrong = if !found.is_file() {
            "is not a regular file"
        } else if found.len() == 0 {
            "is empty, so it is not a store. Restore it from a backup; or remove it, and a new store is made"
        } else if found.nlink() > 1 {
            "has another name (a hard link). Its log is next to one of the names only. Remove the other name"
        } else if is_mounted(&self.0).map_err(|error| cannot("look at", &self.0, error))? {
            "is mounted by itself, apart from its log. Mount its folder instead"
        } else {
            return Ok(());
        };
        Err(Error::internal(format!("{} {wrong}", self.0.display())))
    }

    /// Makes the contents of the log durable. A process that was killed may have written commits without a sync.
    pub(super) fn sync_log(&self) -> Result<(), Error> {
        let log = self.log();
        match File::open(&log).and_then(|file| file.sync_all()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot("sync", &log, error)),
            _ => Ok(()),
        }
    }

    /// Returns whether the log is not empty.
    pub(super) fn has_log(&self) -> bool {
        fs::metadata(self.log()).is_ok_and(|file| file.len() > 0)
    }

    /// Makes the names of the files as durable as their contents.
    pub(super) fn sync_folder(&self) -> Result<(), Error> {
        let folder = folder_of(&self.0);
        File::open(folder)
            .and_then(|file| file.sync_all())
            .map_err(|error| cannot("sync", folder, error))
    }

    /// Returns a new file in the same folder that only this user can read. It is deleted unless it is kept.
    pub(super) fn temporary(&self) -> Result<NamedTempFile, Error> {
        let folder = folder_of(&self.0);
        let file = tempfile::Builder::new()
            .prefix(".countersign-")
            .suffix(".part")
            .tempfile_in(folder);
        file.map_err(|error| cannot("make a file in", folder, error))
    }

    /// Gives a temporary file this name, whole and durable. Fails if there is a file already.
    pub(super) fn keep(&self, file: NamedTempFile) -> Result<(), Error> {
        file.as_file()
            .sync_all()
            .map_err(|error| cannot("sync", file.path(), error))?;
        file.persist_noclobber(&self.0)
            .map_err(|error| cannot("make", &self.0, error.error))?;
        self.sync_folder()
    }

    fn next_to(&self, suffix: &str) -> PathBuf {
        let mut name = self.0.clone().into_os_string();
        name.push(OsStr::new(suffix));
        name.into()
    }
}

/// The files of an open store, identified by the file system whatever their names are, and by the id in the first one.
#[derive(Debug)]
pub(super) struct Files {
    known: Vec<(PathBuf, Identity)>,
    /// `None` if the file did not contain the id at the start of the process: another program reads, and keeps the log
    /// from being moved.
    mark: Option<Mark>,
    file: File,
    _name: File,
}

impl Files {
    /// Records which files SQLite has opened, and keeps the locks.
    pub(super) fn of(place: &Place, name: File, file: File, mark: Mark) -> Result<Self, Error> {
        let identity = |path: PathBuf| match Identity::of(&path) {
            Ok(identity) => Ok((path, identity)),
            Err(error) => Err(cannot("look at", &path, error)),
        };
        let paths = [place.path().to_owned(), place.log(), place.index()];
        let known = paths.into_iter().map(identity).collect::<Result<_, _>>()?;
        Ok(Self {
            known,
            mark: Some(mark).filter(|mark| mark.is_in(&file)),
            file,
            _name: name,
        })
    }

    /// Fails if a file was deleted, moved or replaced, or another one was copied into it. Later commits would be lost
    /// when the process ends.
    pub(super) fn verify(&self) -> Result<(), Error> {
        for (path, known) in &self.known {
            if !Identity::of(path).is_ok_and(|found| found == *known) {
                return Err(Error::internal(format!(
                    "{} was deleted, moved or replaced while the store was open. Put the former file back, or restore a \
                     backup, and start the server",
                    path.display()
                )));
            }
        }
        if self.mark.is_none_or(|mark| mark.is_in(&self.file)) {
            return Ok(());
        }
        Err(Error::internal(format!(
            "another file was copied into {} while the store was open. Restore a backup with the server stopped",
            self.known[0].0.display()
        )))
    }
}

/// The id of a store, and the page of its file that contains it whatever is committed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) id: [u8; 16],
    /// In bytes from the start of the file.
    pub(super) page: u64,
}

impl Mark {
    /// Reads twice, since a checkpoint may be writing the page.
    fn is_in(self, file: &File) -> bool {
        (0..2).any(|_| {
            let mut page = [0; 4_096];
            let read = file.read_exact_at(&mut page, self.page);
            // From the end, since SQLite puts the only row there.
            read.is_ok()
                && page
                    .windows(self.id.len())
                    .rev()
                    .any(|bytes| bytes == self.id)
        })
    }
}

#[derive(Debug, Eq, PartialEq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|found| Self {
            device: found.dev(),
            inode: found.ino(),
        })
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Returns whether the file is a mount of its own; false if the kernel cannot report it.
fn is_mounted(path: &Path) -> io::Result<bool> {
    match statx(CWD, path, AtFlags::empty(), StatxFlags::empty()) {
        Ok(found) => Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)),
        // Some container runtimes forbid the call instead of not knowing it.
        Err(Errno::NOSYS | Errno::PERM) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn locked(path: &Path, error: TryLockError) -> Error {
    match error {
        TryLockError::WouldBlock => Error::internal(format!(
            "another process has the store open: {} is locked",
            path.display()
        )),
        TryLockError::Error(error) => cannot("lock", path, error),
    }
}

fn cannot(what: &str, path: &Path, source: io::Error) -> Error {
    Error::internal(FileError {
        what: format!("cannot {what} {}", path.display()),
        source,
    })
}

/// The operation that failed on a file; the source has the reason.
#[derive(Debug)]
struct FileError {
    what: String,
    source: io::Error,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl StdError for FileError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}
