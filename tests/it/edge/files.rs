//! The limit of open files: a server that runs out of them cannot see that a token was revoked.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::kit::Person;
use crate::server::{Program, countersign, token};

#[test]
fn a_revoked_token_is_refused_while_all_connections_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let jen = token(data, "PRIV\\jen");
    // With that limit of files the server could neither accept the connections nor read the tokens
    // again.
    let program = Program::run(limited(
        "ulimit -Sn 64; ulimit -Hn 1000",
        data,
        &["--header-timeout", "1h"],
    ));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let session = async || {
        Person::at(program.address, &jen)
            .get("/api/pamresources/sessioninfo")
            .await
            .status
    };
    assert_eq!(runtime.block_on(session()), 200);
    let _silent: Vec<TcpStream> = (0..99)
        .map(|_| TcpStream::connect(program.address).unwrap())
        .collect();
    assert!(
        countersign(&["token", "revoke", &jen[4..20], "--data-dir", data])
            .status()
            .unwrap()
            .success()
    );
    let refused = async { while session().await != 401 {} };
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(30), refused).await })
        .unwrap();
}

#[test]
fn a_limit_that_is_too_low_is_an_error_before_anything_is_made() {
    for command in ["serve", "check-config"] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let script = format!("ulimit -n 200; exec timeout 60 \"$0\" {command} \"$@\"");
        let program = env!("CARGO_BIN_EXE_countersign");
        let arguments = [
            "--max-connections",
            "100",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
        ];
        let run = Command::new("sh")
            .args(["-c", &script, program])
            .args(arguments)
            .arg(&data)
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(1), "{command}");
        let told = String::from_utf8([run.stdout, run.stderr].concat()).unwrap();
        let expected = "--max-connections 100 needs 228 open files, and the limit is 200.";
        assert!(
            told.contains(expected) && told.contains("at most 72 connections"),
            "{command}: {told}"
        );
        assert!(!data.exists(), "{command}");
    }
}

/// The server, for 100 connections, with a limit that a shell sets.
fn limited(limit: &str, data: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{limit}; exec \"$0\" serve \"$@\"");
    command.args([
        "-c",
        &script,
        env!("CARGO_BIN_EXE_countersign"),
        "--data-dir",
        data,
    ]);
    command.args(["--max-connections", "100"]).args(arguments);
    command
}
