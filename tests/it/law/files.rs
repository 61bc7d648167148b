//! The files of an SQLite store: other names, restored backups, damage, and what happens to them while a store is open.

use std::error::Error as StdError;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign::domain::error::{Error, Kind};
use countersign::domain::version::Version;
use countersign::store::sqlite::{self, SqliteStore};
use countersign::store::{Change, Store};
use countersign::telemetry::metrics::StoreMetrics;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::time::timeout;

use super::history::{History, committed, record};

/// A folder with the files of a store.
struct Folder(TempDir);

impl Folder {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A store that was closed, with elevations 1 to `most`.
    async fn with(most: u128) -> Self {
        let folder = Self::empty();
        file_all(&folder.open(), 1, most).await;
        folder
    }

    /// A store whose server was killed: some elevations are in its log only. The first ones are in a part of the log that has been
    /// moved into the file.
    async fn killed() -> Self {
        let running = Self::with(3).await;
        let store = running.open();
        file_all(&store, 4, 6).await;
        let killed = Self::empty();
        for name in [STORE, LOG] {
            fs::copy(running.path(name), killed.path(name)).unwrap();
        }
        killed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self) -> Arc<dyn Store> {
        open(&self.path(STORE)).unwrap()
    }

    /// Why the store is not opened. Nothing of it is changed.
    fn refusal(&self) -> String {
        let before = self.contents();
        let refusal = refusal(&self.path(STORE));
        assert!(self.contents() == before, "{refusal}");
        refusal
    }

    /// The files, without the lock and the index of the log, which hold nothing.
    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let names = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| !name.ends_with(".lock") && !name.ends_with("-shm"));
        names.sort();
        names
            .into_iter()
            .map(|name| (name.clone(), fs::read(self.path(&name)).unwrap_or_default()))
            .collect()
    }
}

const STORE: &str = "countersign.db";
const LOG: &str = "countersign.db-wal";
const INDEX: &str = "countersign.db-shm";

fn open(path: &Path) -> Result<Arc<dyn Store>, Error> {
    Ok(Arc::new(SqliteStore::open(path, StoreMetrics::default())?))
}

fn refusal(path: &Path) -> String {
    told(
        open(path)
            .err()
            .unwrap_or_else(|| panic!("{} was opened", path.display())),
    )
}

/// Returns an error with all its causes, as the log has it.
fn told(error: Error) -> String {
    let mut told = String::new();
    let mut cause: Option<&dyn StdError> =
        error.cause.as_deref().map(|cause| cause as &dyn StdError);
    while let Some(error) = cause {
        told += &format!("{error}. ");
        cause = error.source();
    }
    told
}

async fn file_all(store: &Arc<dyn Store>, first: u128, last: u128) {
    for number in first..=last {
        committed(store, History::filed(number).change()).await;
    }
}

/// How many events are in the file alone, without its log.
fn events_in_file(path: &Path) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let name = format!("file:{}?immutable=1", path.display());
    let connection = Connection::open_with_flags(name, flags).unwrap();
    connection
        .query_row("SELECT count(*) FROM event", [], |row| row.get(0))
        .unwrap()
}

/// A process that is killed between the write of a commit and its sync leaves a log that a power loss may take away. SQLite syncs
/// both files when it moves the log.
#[tokio::test]
async fn what_a_killed_server_left_in_its_log_is_in_the_file_before_anything_is_answered() {
    let folder = Folder::killed().await;
    assert_eq!(events_in_file(&folder.path(STORE)), 3);
    let store = folder.open();
    assert_eq!(events_in_file(&folder.path(STORE)), 6);
    assert_eq!(fs::metadata(folder.path(LOG)).unwrap().len(), 0);
    assert_eq!(record(&store).await.len(), 6);
}

/// Another program that reads an older state keeps the log from being moved as a whole.
#[tokio::test]
async fn a_store_opens_while_another_program_reads_it() {
    let folder = Folder::killed().await;
    let other = Connection::open(folder.path(STORE)).unwrap();
    other.execute_batch("BEGIN; SELECT * FROM event").unwrap();
    let store = folder.open();
    file_all(&store, 7, 9).await;
    assert_eq!(record(&store).await.len(), 9);
}

#[tokio::test]
async fn a_hard_link_is_the_same_store() {
    let folder = Folder::empty();
    let store = folder.open();
    file_all(&store, 1, 1).await;
    let elsewhere = Folder::empty();
    fs::hard_link(folder.path(STORE), elsewhere.path(STORE)).unwrap();
    let told = refusal(&elsewhere.path(STORE));
    assert!(
        told.starts_with("another process has the store open"),
        "{told}"
    );

    // The attempt has not taken SQLite's own locks away, and the store is used on.
    let inode = fs::metadata(folder.path(STORE)).unwrap().ino();
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let is_ours = |line: &&str| line.contains("POSIX") && line.contains(&format!(":{inode} "));
    assert!(locks.lines().find(is_ours).is_some(), "{locks}");
    file_all(&store, 2, 2).await;
    drop(store);

    // Under the other name the log would not be found.
    let told = elsewhere.refusal();
    assert!(told.contains("has another name (a hard link)"), "{told}");
    fs::remove_file(elsewhere.path(STORE)).unwrap();
    assert_eq!(record(&folder.open()).await.len(), 2);
}

#[tokio::test]
async fn a_link_is_followed_once() {
    let folder = Folder::with(1).await;
    let other = Folder::with(2).await;
    let link = folder.path("link.db");
    symlink(folder.path(STORE), &link).unwrap();
    let store = open(&link).unwrap();
    fs::remove_file(&link).unwrap();
    symlink(other.path(STORE), &link).unwrap();
    // Readers that are opened later read the same store.
    file_all(&store, 2, 4).await;
    assert_eq!(record(&store).await.len(), 4);
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_left_alone() {
    type Prepare = fn(&Folder);
    let cases: [(Prepare, &str); 8] = [
        (
            |folder| drop(File::create(folder.path(STORE)).unwrap()),
            "is empty, so it is not a store",
        ),
        (
            |folder| fs::write(folder.path(STORE), "A text of some length, but no store.").unwrap(),
            "is damaged",
        ),
        (
            |folder| fs::create_dir(folder.path(STORE)).unwrap(),
            "Is a directory",
        ),
        (
            |folder| symlink(folder.path("nowhere"), folder.path(STORE)).unwrap(),
            "cannot find",
        ),
        (
            |folder| fs::write(folder.path(LOG), "commits").unwrap(),
            "does not exist, but its log",
        ),
        (
            |folder| foreign(folder, "PRAGMA user_version = 0"),
            "is an SQLite database, but not a store",
        ),
        (
            |folder| foreign(folder, "PRAGMA user_version = 1"),
            "no such table: head",
        ),
        (
            |folder| foreign(folder, "PRAGMA user_version = 3"),
            "was written by a newer version",
        ),
    ];
    for (prepare, expected) in cases {
        let folder = Folder::empty();
        prepare(&folder);
        let told = folder.refusal();
        assert!(told.contains(expected), "{expected}: {told}");
    }
    for name in [":memory:", "", "file:store.db?mode=memory"] {
        let told = refusal(Path::new(name));
        assert!(told.contains("is not the path of a file"), "{told}");
    }
}

fn foreign(folder: &Folder, sql: &str) {
    let connection = Connection::open(folder.path(STORE)).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE note (text)")
        .unwrap();
    connection.execute_batch(sql).unwrap();
}

/// A new store is made under another name, so that one that was not finished is never taken for one.
#[tokio::test]
async fn a_new_store_is_there_as_a_whole() {
    let folder = Folder::empty();
    let store = folder.open();
    assert_eq!(events_in_file(&folder.path(STORE)), 0);
    assert_eq!(
        fs::metadata(folder.path(STORE)).unwrap().mode() & 0o777,
        0o600
    );
    drop(store);
    let names: Vec<_> = folder
        .contents()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, [STORE]);
}

#[tokio::test]
async fn the_log_of_the_former_store_next_to_a_backup_is_refused() {
    // A backup that is as new as the log; one whose pages are arranged in another way; and one of another store.
    let backups: [fn(&Folder) -> PathBuf; 3] = [
        |killed| killed.path(STORE),
        |killed| {
            let arranged = killed.path("arranged.db");
            fs::copy(killed.path(STORE), &arranged).unwrap();
            let store = Connection::open(&arranged).unwrap();
            store
                .execute_batch("CREATE TABLE a (b); DROP TABLE guard; DROP TABLE a")
                .unwrap();
            arranged
        },
        |killed| {
            drop(open(&killed.path("other.db")).unwrap());
            killed.path("other.db")
        },
    ];
    for backup in backups {
        let killed = Folder::killed().await;
        let copy = killed.path("copy.db");
        sqlite::backup(&backup(&killed), &copy).unwrap();
        fs::copy(&copy, killed.path(STORE)).unwrap();
        let told = killed.refusal();
        assert!(
            told.contains(&format!("{} is not the log of", killed.path(LOG).display())),
            "{told}"
        );

        // What it says is what helps.
        fs::rename(killed.path(LOG), killed.path("old-wal")).unwrap();
        let _ = fs::remove_file(killed.path(INDEX));
        let events = events_in_file(&copy);
        let store = killed.open();
        file_all(&store, 7, 7).await;
        assert_eq!(
            record(&store).await.len(),
            usize::try_from(events).unwrap() + 1
        );
    }
}

/// A copy made by other means has the id of the file. It is older than the log, so that events in between are missing.
#[tokio::test]
async fn a_log_that_goes_on_from_a_later_state_is_refused() {
    let folder = Folder::with(3).await;
    let copy = fs::read(folder.path(STORE)).unwrap();
    file_all(&folder.open(), 4, 200).await;
    let store = folder.open();
    file_all(&store, 201, 203).await;
    let log = fs::read(folder.path(LOG)).unwrap();
    drop(store);
    fs::write(folder.path(STORE), copy).unwrap();
    fs::write(folder.path(LOG), log).unwrap();
    let told = folder.refusal();
    assert!(
        told.contains(&format!("{} is not the log of", folder.path(LOG).display())),
        "{told}"
    );
}

#[tokio::test]
async fn a_backup_is_a_new_file_or_none() {
    let folder = Folder::with(2).await;
    let store = folder.path(STORE);
    let target = folder.path("copy.db");
    sqlite::backup(&store, &target).unwrap();
    assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o600);
    assert_eq!(record(&open(&target).unwrap()).await.len(), 2);

    let before = fs::read(&target).unwrap();
    for (from, to, expected) in [
        (store.clone(), target.clone(), "exists"),
        (
            store.clone(),
            folder.path("missing/copy.db"),
            "cannot make a file in",
        ),
        (
            folder.path("missing.db"),
            folder.path("new.db"),
            "does not exist",
        ),
    ] {
        let told = told(sqlite::backup(&from, &to).unwrap_err());
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(fs::read(&target).unwrap() == before);

    // A copy that fails in the middle leaves nothing.
    spoil(&store, "elevation_requester");
    sqlite::backup(&store, &folder.path("spoilt.db")).unwrap_err();
    let names = folder.contents().into_iter().map(|(name, _)| name);
    let left: Vec<_> = names
        .filter(|name| !name.starts_with("c") && !name.starts_with("copy"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn a_damaged_store_is_refused() {
    let records = [
        "DELETE FROM event WHERE sequence = 3",
        "DELETE FROM event WHERE sequence = 5",
        "DELETE FROM event",
        "UPDATE event SET payload = (SELECT payload FROM event WHERE sequence = 1) WHERE sequence = 4",
        "UPDATE event SET header = (SELECT header FROM event WHERE sequence = 3) WHERE sequence = 4",
        "UPDATE event SET previous = 1 WHERE sequence = 4",
        "UPDATE elevation SET since = since - 1",
        "DELETE FROM alarm WHERE id = (SELECT max(id) FROM alarm)",
        "UPDATE head SET sequence = 4",
        "UPDATE head SET hash = randomblob(32)",
    ];
    for sql in records {
        let folder = Folder::with(5).await;
        let store = Connection::open(folder.path(STORE)).unwrap();
        // What it has to change is there.
        assert!(store.execute(sql, []).unwrap() > 0, "{sql}");
        drop(store);
        let told = folder.refusal();
        assert!(
            told.contains("is damaged") && told.contains("the record"),
            "{sql}: {told}"
        );
    }
    for page in ["elevation", "elevation_requester", "role"] {
        let folder = Folder::with(5).await;
        spoil(&folder.path(STORE), page);
        let told = folder.refusal();
        assert!(told.contains("is damaged"), "{page}: {told}");
    }
}

/// Writes over the first page of a table or an index.
fn spoil(path: &Path, name: &str) {
    let connection = Connection::open(path).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let page: u64 = connection
        .query_row(root, [name], |row| row.get(0))
        .unwrap();
    connection.close().unwrap();
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[0xA5; 4_096], (page - 1) * 4_096)
        .unwrap();
}

/// So large that SQLite's check goes on while the store is used.
async fn large() -> Folder {
    let folder = Folder::with(5).await;
    let store = Connection::open(folder.path(STORE)).unwrap();
    store
        .execute_batch(
            "CREATE TABLE ballast (bytes); INSERT INTO ballast VALUES (zeroblob(66 << 20))",
        )
        .unwrap();
    store.close().map_err(|(_, error)| error).unwrap();
    folder
}

#[tokio::test]
async fn damage_in_a_large_store_is_found_while_it_is_used() {
    let folder = large().await;
    spoil(&folder.path(STORE), "elevation_requester");
    let store = folder.open();
    timeout(Duration::from_secs(60), store.failed())
        .await
        .unwrap();
    let error = store.commit(History::filed(6).change()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
}

#[tokio::test]
async fn a_large_store_without_damage_is_used_and_closed_meanwhile() {
    let folder = large().await;
    let store = folder.open();
    file_all(&store, 6, 8).await;
    drop(store);
    assert_eq!(record(&folder.open()).await.len(), 8);
}

/// The answer to a commit that went into a file without a name would be lost with the process.
#[tokio::test]
async fn nothing_is_acknowledged_once_a_file_is_gone_or_another() {
    let ways: [fn(&Path); 3] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::rename(path, path.with_extension("moved")).unwrap(),
        |path| {
            let other = path.with_extension("other");
            fs::copy(path, &other).unwrap();
            fs::rename(other, path).unwrap();
        },
    ];
    for name in [STORE, LOG, INDEX] {
        for way in ways {
            let folder = Folder::with(1).await;
            let store = folder.open();
            file_all(&store, 2, 2).await;
            way(&folder.path(name));
            let error = store.commit(History::filed(3).change()).await.unwrap_err();
            assert_eq!(error.kind, Kind::Unavailable, "{name}");
            timeout(Duration::from_secs(60), store.failed())
                .await
                .unwrap();

            // That it was decided before is confirmed by a commit, too.
            let folder = Folder::with(1).await;
            let store = folder.open();
            way(&folder.path(name));
            let error = store
                .commit(confirmation(&History::filed(1)))
                .await
                .unwrap_err();
            assert_eq!(error.kind, Kind::Unavailable, "{name}");
            timeout(Duration::from_secs(60), store.failed())
                .await
                .unwrap();
        }
    }
}

/// As if an operator restores a backup without stopping the server.
#[tokio::test]
async fn nothing_is_acknowledged_once_a_backup_was_copied_into_the_file() {
    let folder = Folder::with(1).await;
    let store = folder.open();
    let copy = folder.path("copy.db");
    sqlite::backup(&folder.path(STORE), &copy).unwrap();
    // Many commits and checkpoints change nothing about the file that it is.
    file_all(&store, 2, 600).await;
    fs::copy(&copy, folder.path(STORE)).unwrap();
    let error = store
        .commit(confirmation(&History::filed(1)))
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    timeout(Duration::from_secs(60), store.failed())
        .await
        .unwrap();
}

/// Returns a change that confirms the stored state.
fn confirmation(history: &History) -> Change {
    let expects = vec![(history.key(), Version(1))];
    Change {
        expects,
        puts: Vec::new(),
        events: Vec::new(),
        deadline: None,
    }
}

/// What a failed sync has left is for the next start to find.
#[tokio::test]
async fn a_store_that_has_failed_leaves_its_files_alone() {
    let folder = Folder::with(1).await;
    let store = folder.open();
    file_all(&store, 2, 2).await;
    fs::rename(folder.path(LOG), folder.path("moved")).unwrap();
    let before = fs::read(folder.path(STORE)).unwrap();
    store.commit(History::filed(3).change()).await.unwrap_err();
    fs::write(folder.path(LOG), "not ours").unwrap();
    drop(store);
    assert!(
        fs::read(folder.path(STORE)).unwrap() == before,
        "the log was moved into the file"
    );
    assert_eq!(fs::read(folder.path(LOG)).unwrap(), b"not ours");

    fs::rename(folder.path("moved"), folder.path(LOG)).unwrap();
    assert_eq!(record(&folder.open()).await.len(), 3);
}
