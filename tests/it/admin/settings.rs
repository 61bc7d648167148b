//! Tokens that expire, settings that cannot be meant, and `serve --dev` next to the variables of a real server.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::server::countersign;

#[test]
fn a_token_expires_after_ninety_days_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let new = |arguments: &[&str]| {
        let account = [
            "token",
            "new",
            "--account",
            "PRIV\\ann",
            "--data-dir",
            &data,
        ];
        let output = countersign(&account).args(arguments).output().unwrap();
        assert!(output.status.success());
        let token = String::from_utf8(output.stdout).unwrap();
        (
            token[4..20].to_owned(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let ((standard, first), (never, second), (hour, _)) = (
        new(&[]),
        new(&["--expires", "never"]),
        new(&["--expires", "1h"]),
    );
    assert!(
        first.contains(&format!(
            "warning: the data folder {data} was created now and holds no store"
        )),
        "{first}"
    );
    assert!(
        second.contains(&format!("warning: the data folder {data} holds no store")),
        "{second}"
    );
    let listed = countersign(&["token", "list", "--data-dir", &data])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let duration = |id: &str| {
        let line = listed.lines().find(|line| line.starts_with(id)).unwrap();
        let (_, times) = line.split_once("created ").unwrap();
        let (created, expires) = times.split_once("  expires ").unwrap();
        let moment = |text: &str| text.parse::<jiff::Timestamp>().ok();
        moment(expires).map(|expires| expires.as_second() - moment(created).unwrap().as_second())
    };
    assert_eq!(
        (duration(&standard), duration(&never), duration(&hour)),
        (Some(90 * 86_400), None, Some(3_600))
    );
    std::fs::write(folder.path().join("data/countersign.db"), "").unwrap();
    assert_eq!(new(&[]).1, "", "there is a store");
}

#[test]
fn a_revocation_that_no_server_can_read_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let new = || {
        let output = countersign(&[
            "token",
            "new",
            "--account",
            "PRIV\\ann",
            "--data-dir",
            &data,
        ])
        .output()
        .unwrap();
        String::from_utf8(output.stdout).unwrap()[4..20].to_owned()
    };
    let (first, second, third) = (new(), new(), new());
    let revoke = |id: &str| {
        countersign(&["token", "revoke", id, "--data-dir", &data])
            .output()
            .unwrap()
    };
    assert!(revoke(&first).status.success());

    // An entry that the server refuses, and with it the whole file.
    let path = folder.path().join("tokens.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, after) = text.split_at(text.rfind("PRIV").unwrap());
    std::fs::write(
        &path,
        format!("{before}{}", after.replacen("ann", "ann  twice", 1)),
    )
    .unwrap();
    let output = revoke(&second);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("a running server accepts the token until the file is corrected"),
        "{said}"
    );
    assert!(!std::fs::read_to_string(&path).unwrap().contains(&second));
    assert!(std::fs::read_to_string(&path).unwrap().contains(&third));
}

#[test]
fn settings_that_cannot_be_meant_are_refused_by_their_names() {
    for (arguments, named) in [
        (
            ["--allowed-origin", "http://pamsrv:8090/"],
            "browsers send http://pamsrv:8090,",
        ),
        (["--allowed-origin", "*"], "'--allowed-origin"),
        (["--allowed-origin", "null"], "sandboxed"),
        (["--log", "inof"], "not even errors are logged"),
        (["--log", "off"], "not even errors are logged"),
        (["--log", "info,countersign=loud"], "'--log"),
        (["--forwarded-headers", "both"], "'--forwarded-headers"),
    ] {
        for command in ["serve", "check-config"] {
            let output = countersign(&[command, "--listen", "127.0.0.1:0"])
                .args(arguments)
                .output()
                .unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
            assert!(said.contains(named), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn settings_that_may_be_meant_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let output = countersign(&[
        "check-config",
        "--listen",
        "127.0.0.1:0",
        "--trusted-proxy",
        "0.0.0.0/0",
        "--data-dir",
    ])
    .arg(folder.path())
    .env("COUNTERSIGN_ADMINISTRATOR", "PRIV\\ann")
    .output()
    .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{listed}");
    for warning in [
        "warning  every address of 0.0.0.0/0 is a trusted proxy",
        "warning  the environment variable COUNTERSIGN_ADMINISTRATOR is no setting, and changes nothing",
    ] {
        assert!(listed.contains(warning), "{listed}");
    }
}

/// As in the container, whose variables name the folder of the data.
#[test]
fn dev_runs_next_to_the_variables_of_a_real_server_and_leaves_its_data_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut child = countersign(&["serve", "--dev", "--listen", "127.0.0.1:0"])
        .env("COUNTERSIGN_DATA_DIR", &data)
        .env("COUNTERSIGN_ADMINISTRATORS", "PRIV\\bob")
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut commands = Vec::new();
    while !commands
        .last()
        .is_some_and(|last: &String| last.contains("CreateElevation"))
    {
        let line = lines.next().unwrap().unwrap();
        commands.extend(
            line.strip_prefix("  ")
                .filter(|line| line.contains("curl "))
                .map(str::to_owned),
        );
    }
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    for name in ["COUNTERSIGN_DATA_DIR", "COUNTERSIGN_ADMINISTRATORS"] {
        let warned = log
            .by_ref()
            .map(Result::unwrap)
            .any(|line| line.contains(&format!("--dev ignores {name}")));
        assert!(warned, "{name}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let starts: Vec<&str> = commands
        .iter()
        .map(|command| command.split_once(" 'http").map_or(&**command, |it| it.0))
        .collect();
    assert_eq!(starts[0], "curl -s", "the list comes first");
    assert!(starts[1].starts_with("curl -i -X POST") && commands[1].contains("/Approve"));
    assert!(
        commands
            .iter()
            .take(4)
            .all(|command| command.starts_with("curl "))
    );
    assert!(!data.exists());
    let output = countersign(&["serve", "--dev", "--data-dir", "x"])
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(2),
        "what is typed is not ignored"
    );
}
