//! SIGHUP.

use std::fs;
use std::process::Command;

use countersign::proto::pam::v1::GetSessionRequest;

use crate::kit::Person;
use crate::server::{Program, token};

const HUNG_UP: &str = "SIGHUP: the tokens file is read again; settings change with a restart only";

#[test]
fn a_hangup_reads_the_tokens_file_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let ann = token(data, "PRIV\\ann");
    let program = Program::serve(data);
    let sam = token(data, "PRIV\\sam");
    hang_up(&program);
    program.logged(HUNG_UP);
    let read = program.logged("the tokens file was read again");
    assert_eq!(
        read["tokens"], 2,
        "without a request that would have looked"
    );
    assert!(works(&program, &sam));

    fs::write(folder.path().join("tokens.toml"), "[[token").unwrap();
    hang_up(&program);
    program.logged("the tokens file cannot be read; the tokens stay as they were");
    assert!(
        works(&program, &ann) && works(&program, &sam),
        "a slip locks nobody out"
    );

    fs::write(folder.path().join("tokens.toml"), "").unwrap();
    hang_up(&program);
    assert_eq!(
        program.logged("the tokens file was read again")["tokens"],
        0
    );
    assert!(!works(&program, &ann) && !works(&program, &sam));
}

/// The way systemd reloads.
fn hang_up(program: &Program) {
    let pid = program.child.id().to_string();
    assert!(
        Command::new("sh")
            .args(["-c", "kill -HUP \"$0\"", &pid])
            .status()
            .unwrap()
            .success()
    );
}

fn works(program: &Program, token: &str) -> bool {
    let person = Person::at(program.address, token);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        person
            .sessions()
            .get_session(GetSessionRequest {})
            .await
            .is_ok()
    })
}
