//! The errors of commands: the failed step, its path or host, the cause and the remedy.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::kit::{ANN, JEN, Kit};
use crate::server::{Program, countersign, token};

/// Each row: the arguments, and how the sentence begins. `~` is the folder of the test.
type Table = &'static [(&'static [&'static str], &'static str)];

#[rustfmt::skip]
const STARTS: Table = &[
    (&["--listen", "0.0.0.0:0"], "cannot listen on 0.0.0.0:0: without TLS the server listens on loopback only; choose 127.0.0.1 or [::1] with --listen"),
    (&["--data-dir", "~/file/data"], "cannot use the data folder ~/file/data: not a directory; check the path"),
    (&["--data-dir", "~/utf16"], "cannot read the tokens file ~/utf16/tokens.toml: stream did not contain valid UTF-8; save the file as UTF-8"),
    (&["--data-dir", "~/broken"], "cannot read the tokens file ~/broken/tokens.toml: the tokens file is malformed near line 2"),
    (&["--tokens", "~"], "cannot read the tokens file ~: is a directory; check the path"),
    (&["--store", "~/missing/x.db"], "cannot use the folder of the store ~/missing/x.db: no such file or directory; check the path"),
    (&["--store", ":memory:"], "cannot use the store: a store in memory loses every decision; name a file, or try things out with `serve --dev`"),
    (&["--store", ""], "cannot use the store: the store must not be empty; name a file"),
    (&["--store", "postgre://ann:hunter2@db/x"], "cannot use the store: the kind of URL is not supported; use postgres://user@host/database or the path of a file"),
    (&["--store", "postgres://ann:hunter2"], "cannot use the store in PostgreSQL: The URL of the store cannot be read. It looks like postgres://user@host:5432/database?sslmode=verify-full."),
    (&["--store", "postgres://db/x", "--store-password-file", "~/missing"], "cannot read the password of the store from ~/missing: no such file or directory; check the path"),
];

#[rustfmt::skip]
const COMMANDS: Table = &[
    (&["token", "list", "--data-dir", "~/utf16"], "cannot list the tokens file ~/utf16/tokens.toml: stream did not contain valid UTF-8; save the file as UTF-8"),
    (&["token", "list", "--data-dir", "~/broken"], "cannot list the tokens file ~/broken/tokens.toml: the tokens file is malformed near line 2"),
    (&["token", "new", "--account", "PRIV\\ann", "--data-dir", "~/broken"], "cannot add a token to the tokens file ~/broken/tokens.toml: the tokens file is malformed near line 2"),
    (&["token", "new", "--account", "PRIV\\ann", "--data-dir", "~/file/data"], "cannot make the data folder ~/file/data: not a directory; check the path"),
    (&["token", "new", "--account", "PRIV\\ann", "--tokens", "~/missing/tokens.toml"], "cannot add a token to the tokens file ~/missing/tokens.toml: no such file or directory; check the path"),
    (&["token", "revoke", "cst_0123456789abcdef_s3cret", "--data-dir", "~/data"], "cannot revoke a token of the tokens file ~/data/tokens.toml: There is no token with this id; `countersign token list` shows the ids."),
    (&["backup", "~/copy.db", "--data-dir", "~/missing"], "cannot copy the store ~/missing/countersign.db to ~/copy.db: "),
    (&["backup", "~/copy.db", "--store", "postgres://db/x"], "cannot copy a store in PostgreSQL; copy the database with pg_basebackup or pg_dump"),
    (&["backup", "~/copy.db", "--store", ":memory:"], "cannot copy the store: a store in memory loses every decision; name a file"),
    (&["role", "apply", "~/missing.toml"], "cannot read the file of roles ~/missing.toml: no such file or directory; check the path"),
    (&["role", "list"], "cannot call the server without the token of an administrator; put it into COUNTERSIGN_TOKEN, or name its file with --token-file"),
    (&["role", "list", "--token-file", "~/missing"], "cannot read the token in ~/missing: no such file or directory; check the path"),
    (&["role", "list", "--token-file", "~/file"], "cannot use the token in ~/file: it is not a bearer token; make one with `countersign token new`"),
    (&["role", "list", "--server", "http://192.0.2.1:8086"], "cannot call the server at http://192.0.2.1:8086/: the server must be on this machine and use plain HTTP; name it as http://127.0.0.1:8086 with --server"),
    (&["role", "list", "--server", "http://s3cret@127.0.0.1:8086"], "cannot call a server by a URL that contains a user; put the token into COUNTERSIGN_TOKEN"),
    (&["check-config", "--dev"], "cannot check the settings of `serve --dev`"),
];

#[test]
fn a_server_that_cannot_start_says_why() {
    let folder = prepared();
    for (arguments, sentence) in STARTS {
        let at = |text: &str| text.replace('~', folder.path().to_str().unwrap());
        let (arguments, sentence) = (
            arguments.iter().map(|argument| at(argument)).collect(),
            at(sentence),
        );
        let arguments = complete(arguments, &at("~/data"));
        let said = fails(countersign(&["serve"]).args(&arguments));
        assert!(said.starts_with(&sentence), "{said}\n{sentence}");
        let output = countersign(&["check-config"])
            .args(&arguments)
            .output()
            .unwrap();
        let listed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{listed}");
        assert!(
            listed.contains(&format!("error    {sentence}")),
            "{sentence}\n{listed}"
        );
        assert!(
            !listed.contains("hunter2") && !said.contains("hunter2") && !said.contains("s3cret")
        );
    }
}

/// The arguments, with those that are missing.
fn complete(mut arguments: Vec<String>, data: &str) -> Vec<String> {
    for (flag, value) in [("--data-dir", data), ("--listen", "127.0.0.1:0")] {
        if !arguments.iter().any(|argument| argument == flag) {
            arguments.extend([flag.to_owned(), value.to_owned()]);
        }
    }
    arguments
}

#[test]
fn a_server_whose_port_is_in_use_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said =
        fails(countersign(&["serve", "--listen", &address, "--data-dir"]).arg(folder.path()));
    let expected = format!(
        "cannot listen on {address}: address already in use; another server may be running, choose another port with --listen"
    );
    assert_eq!(said, expected);
}

#[test]
fn other_commands_that_fail_say_why() {
    let folder = prepared();
    for (arguments, sentence) in COMMANDS {
        let at = |text: &str| text.replace('~', folder.path().to_str().unwrap());
        let arguments = arguments.iter().map(|argument| at(argument));
        let said = fails(
            countersign(&[])
                .args(arguments)
                .env_remove("COUNTERSIGN_TOKEN"),
        );
        assert!(said.starts_with(&at(sentence)), "{said}\n{}", at(sentence));
        assert!(!said.contains("s3cret"), "{said}");
    }
    let missing = folder.path().join("missing");
    let said =
        fails(countersign(&["serve", "--dev", "--listen", "127.0.0.1:0"]).env("TMPDIR", missing));
    assert!(
        said.starts_with("cannot create a temporary folder in "),
        "{said}"
    );
    assert!(
        said.ends_with("set the variable TMPDIR to a writable folder"),
        "{said}"
    );
}

#[test]
fn what_may_not_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (data, name) = (
        folder.path().join("data"),
        folder.path().join("data").display().to_string(),
    );
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o500)).unwrap();
    let right = "permission denied; give the user of this command the right to do that, or run it as another user";
    for (arguments, sentence) in [
        (
            vec!["serve", "--listen", "127.0.0.1:0", "--data-dir", &name],
            format!("cannot use the data folder {name}: "),
        ),
        (
            vec![
                "token",
                "new",
                "--account",
                "PRIV\\ann",
                "--data-dir",
                &name,
            ],
            format!("cannot add a token to the tokens file {name}/tokens.toml: {right}"),
        ),
        (
            vec![
                "token",
                "new",
                "--account",
                "PRIV\\ann",
                "--data-dir",
                &format!("{name}/more"),
            ],
            format!("cannot make the data folder {name}/more: {right}"),
        ),
    ] {
        let said = fails(&mut unprivileged(&arguments));
        assert!(
            said.starts_with(&sentence) && said.ends_with(right),
            "{said}\n{sentence}"
        );
    }
}

#[test]
fn a_store_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let program = Program::serve(data);
    let serve = ["serve", "--data-dir", data, "--listen", "127.0.0.1:0"];
    let said = fails(&mut countersign(&serve));
    assert!(
        said.starts_with(&format!("cannot open the store {data}/countersign.db: ")),
        "{said}"
    );
    drop(program);
    let store = Connection::open(folder.path().join("countersign.db")).unwrap();
    store.pragma_update(None, "user_version", 999).unwrap();
    drop(store);
    let said = fails(&mut countersign(&serve));
    assert!(
        said.starts_with(&format!("cannot use the store {data}/countersign.db: ")),
        "{said}"
    );
    assert!(said.contains("written by a newer version"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_list_its_roles_is_named() {
    let kit = Kit::start().await;
    let here = format!("http://{}", kit.address);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let wrong = format!("cst_0123456789abcdef_{}", "x".repeat(43));
    for (server, token, sentence, advice) in [
        (
            &nowhere,
            kit.token(ANN),
            format!("cannot reach a server of Countersign at {nowhere}/: connection refused"),
            "start it there, or name another with --server",
        ),
        (
            &here,
            kit.token(JEN),
            format!("cannot list the roles of the server at {here}/: ACCESS_DENIED: "),
            "use the token of an account that is an --administrator of the server",
        ),
        (
            &here,
            &*wrong,
            format!("cannot list the roles of the server at {here}/: UNAUTHENTICATED: "),
            "`countersign token list` shows those of a tokens file",
        ),
    ] {
        let mut command = countersign(&["role", "list", "--server", server]);
        let said = fails(
            command
                .env("COUNTERSIGN_TOKEN", token)
                .env_remove("COUNTERSIGN_TOKEN_FILE"),
        );
        assert!(
            said.starts_with(&sentence) && said.ends_with(advice),
            "{said}\n{sentence}"
        );
        assert!(!said.contains(token), "{said}");
    }
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    token(data, "PRIV\\ann");
    for arguments in [
        &["token", "list"][..],
        &["check-config", "--listen", "127.0.0.1:0"],
    ] {
        let output = into_closed_pipe(countersign(arguments).args(["--data-dir", data]));
        assert_eq!(
            (
                output.status.code(),
                &*String::from_utf8_lossy(&output.stderr)
            ),
            (Some(0), "")
        );
    }
    // A token that is printed to no reader would be valid without an owner.
    let said = fails_into_closed_pipe(
        countersign(&["token", "new", "--account", "PRIV\\sam", "--data-dir", data]).env_clear(),
    );
    assert!(
        said.starts_with("cannot print the token: broken pipe; the token was revoked again"),
        "{said}"
    );
    let listed = countersign(&["token", "list", "--data-dir", data])
        .output()
        .unwrap();
    assert!(
        !String::from_utf8(listed.stdout)
            .unwrap()
            .contains("PRIV\\sam")
    );
}

/// A folder with the files that the tables name.
fn prepared() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["data", "utf16", "broken"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("file"), "text").unwrap();
    fs::write(folder.path().join("utf16/tokens.toml"), b"\xff\xfe[\0[\0").unwrap();
    fs::write(
        folder.path().join("broken/tokens.toml"),
        "[[token]]\nid = s3cret\n",
    )
    .unwrap();
    folder
}

/// Runs a command that must fail, and returns its error without the name of the program.
fn fails(command: &mut Command) -> String {
    error(&command.output().unwrap())
}

fn error(output: &std::process::Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap_or_default();
    let error = last
        .strip_prefix("countersign: ")
        .unwrap_or_else(|| panic!("{said}"));
    for of_the_api in [
        "Something went wrong",
        "The service cannot answer",
        "os error",
    ] {
        assert!(!error.contains(of_the_api), "{error}");
    }
    error.to_owned()
}

/// Runs a command whose standard output has no reader.
fn into_closed_pipe(command: &mut Command) -> std::process::Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command
        .stdout(Stdio::from(writer))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap()
}

fn fails_into_closed_pipe(command: &mut Command) -> String {
    error(&into_closed_pipe(command))
}

/// The program as a user whom the modes of files bind, which they do not bind root.
fn unprivileged(arguments: &[&str]) -> Command {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return countersign(arguments);
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--bounding-set=-dac_override,-dac_read_search",
        env!("CARGO_BIN_EXE_countersign"),
    ]);
    command.args(arguments);
    command
}
