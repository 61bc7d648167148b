//! `check-config`, which says what `serve` would do.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::SystemTime;

use countersign::domain::account::Account;
use countersign::store::sqlite::SqliteStore;
use countersign::telemetry::metrics::StoreMetrics;
use countersign::tokens_file;
use rusqlite::Connection;

use crate::kit::START;
use crate::server::{Program, countersign, token};

#[test]
fn a_new_server_would_start_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (code, told) = check(&[
        "--data-dir",
        folder.path().join("new/data").to_str().unwrap(),
    ]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("the data folder will be made") && told.contains("the store will be made"),
        "{told}"
    );
    assert!(
        told.contains("warning  there is no tokens file, so every call is refused"),
        "{told}"
    );
    assert!(
        told.contains("warning  there is no administrator"),
        "{told}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_running_server_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    token(data, "PRIV\\ann");
    let program = Program::serve(data);
    let before = contents(folder.path());
    let listen = program.address.to_string();
    let (code, told) = check(&[
        "--data-dir",
        data,
        "--listen",
        &listen,
        "--administrator",
        "PRIV\\ann",
    ]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("is in use; a server may be running"),
        "{told}"
    );
    assert!(
        told.contains("countersign.db is open in another process; a server may be running"),
        "{told}"
    );
    assert_eq!(told.matches("warning").count(), 2, "{told}");
    assert!(contents(folder.path()) == before);
    drop(program);

    // After a kill there is a log; without a log, the check creates none.
    assert_eq!(check(&["--data-dir", data]).0, 0);
    drop(
        Connection::open(folder.path().join("countersign.db"))
            .and_then(|db| db.execute_batch("VACUUM")),
    );
    let before = contents(folder.path());
    assert!(!before.iter().any(|(name, ..)| name.ends_with("-wal")));
    assert_eq!(check(&["--data-dir", data]).0, 0);
    assert!(contents(folder.path()) == before);
}

#[test]
fn what_keeps_a_server_from_starting_is_found() {
    let newer = |data: &Path, closes: bool| {
        let store = Connection::open(data.join("countersign.db")).unwrap();
        store.pragma_update(None, "journal_mode", "WAL").unwrap();
        store.pragma_update(None, "user_version", 999).unwrap();
        if !closes {
            // The log stays, and only the log has the new rows.
            std::mem::forget(store);
        }
    };
    does_not_start(|data| newer(data, true), &[], "written by a newer version");
    does_not_start(|data| newer(data, false), &[], "written by a newer version");
    let text = "This is a text, and no store of any kind, whatever its name may be.";
    let write = |name: &'static str, text: &'static str| {
        move |data: &Path| fs::write(data.join(name), text).unwrap()
    };
    does_not_start(
        write("countersign.db", text),
        &[],
        "is damaged: file is not a database",
    );
    does_not_start(
        write("countersign.db", ""),
        &[],
        "is empty, so it is not a store",
    );
    does_not_start(
        write("countersign.db-wal", text),
        &[],
        "does not exist, but its log",
    );
    let nowhere = |data: &Path| symlink(data.join("nowhere"), data.join("countersign.db")).unwrap();
    does_not_start(nowhere, &[], "cannot find");
    does_not_start(with_two_names, &[], "has another name (a hard link)");
    does_not_start(
        write("tokens.toml", "[[token]]\nid = 'cst_secret'"),
        &[],
        "malformed near line 1",
    );
    does_not_start(
        write("file", ""),
        &["--data-dir", "@/file/data"],
        "cannot use the data folder",
    );
    does_not_start(
        |_| (),
        &["--store", "@/missing/store.db"],
        "cannot use the folder of the store",
    );
    does_not_start(|_| (), &["--listen", "0.0.0.0:0"], "loopback only");
}

fn with_two_names(data: &Path) {
    let store = data.join("countersign.db");
    SqliteStore::open(&store, StoreMetrics::default()).unwrap();
    fs::hard_link(&store, data.join("other.db")).unwrap();
}

/// The check finds this in a folder that is prepared so, and changes nothing; and the server does not start there. `@` is
/// the folder.
fn does_not_start(prepare: impl Fn(&Path), arguments: &[&str], finding: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    prepare(folder.path());
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| argument.replace('@', data))
        .collect();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    for (flag, value) in [("--data-dir", data), ("--listen", "127.0.0.1:0")] {
        if !arguments.contains(&flag) {
            arguments.extend([flag, value]);
        }
    }
    let before = contents(folder.path());
    let (code, told) = check(&arguments);
    assert_eq!(code, 1, "{finding}: {told}");
    assert!(told.contains(finding) && !told.contains("secret"), "{told}");
    assert!(contents(folder.path()) == before, "{finding}");
    let served = countersign(&[&["serve"], &*arguments].concat())
        .output()
        .unwrap();
    assert_eq!(served.status.code(), Some(1), "the server: {finding}");
}

#[test]
fn what_somebody_should_look_at_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let file = folder.path().join("tokens.toml");
    let [ann, sam] = ["PRIV\\ann", "PRIV\\sam"].map(|name| Account::named(name).unwrap());
    let expired = tokens_file::add(&file, &ann, &[], START, Some(START)).unwrap();
    tokens_file::add(&file, &sam, &[], START, None).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let administrators = "PRIV\\ann,PRIV\\eve,priv\\SAM";
    let password = folder.path().join("password");
    fs::write(&password, "secret").unwrap();
    fs::set_permissions(&password, Permissions::from_mode(0o640)).unwrap();
    let password = ["--store-password-file", password.to_str().unwrap()];
    let (code, told) = check(
        &[
            &["--data-dir", data, "--administrator", administrators],
            &password[..],
        ]
        .concat(),
    );
    assert_eq!(code, 0, "{told}");
    let warnings: Vec<_> = told
        .lines()
        .filter_map(|line| line.strip_prefix("warning  "))
        .collect();
    let expected = [
        "the data folder is not for its owner alone: its mode is 755".to_owned(),
        "the tokens file is not for its owner alone: its mode is 644".to_owned(),
        "the file of the store's password is not for its owner alone: its mode is 640".to_owned(),
        format!("the token {} has expired", &expired[4..20]),
        "the administrator PRIV\\ann has no valid token".to_owned(),
        "the administrator PRIV\\eve has no valid token".to_owned(),
    ];
    assert_eq!(warnings, expected);
}

/// What the command exits with, and all that it says.
fn check(arguments: &[&str]) -> (i32, String) {
    let listen: &[&str] = if arguments.contains(&"--listen") {
        &[]
    } else {
        &["--listen", "127.0.0.1:0"]
    };
    let output = countersign(&[&["check-config", "--zone", "UTC"], listen, arguments].concat())
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(told).unwrap(),
    )
}

/// Every file of a folder: its name, its time of change and its contents. The index of the store's
/// log is left out, since every reader changes it.
fn contents(folder: &Path) -> Vec<(String, SystemTime, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let entries = entries.filter(|entry| !entry.path().to_str().unwrap().ends_with("-shm"));
    let mut files: Vec<_> = entries
        .map(|entry| {
            let modified = entry.metadata().unwrap().modified().unwrap();
            // A link that leads nowhere has no contents.
            (
                entry.file_name().into_string().unwrap(),
                modified,
                fs::read(entry.path()).unwrap_or_default(),
            )
        })
        .collect();
    files.sort();
    files
}
