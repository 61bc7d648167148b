//! The REST API as it describes itself: Schemathesis reads `/openapi.json`, makes up requests, valid ones and others, and
//! checks every response. All of its checks are on: no 5xx; no status, type, header or body that is not described; valid
//! requests are accepted, and others are refused; no request works without credentials or with another method.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::clients::{curl, run};
use crate::program::{Server, program, token};

#[test]
#[ignore = "needs curl and Schemathesis; a step of .ci/run"]
fn described() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let [ann, jen, sam] = ["ann", "jen", "sam"].map(|name| token(&data, name));
    let server = Server::start(&data, &["--max-pending", "0", "--max-filings", "0"]);
    make_roles(&server, &folder, &ann);
    file_requests(&server, &jen);
    write_configuration(&server, &folder, &jen, &sam);
    // The approver first, so that some of the candidate's requests have been decided.
    check(&server, &folder, &sam);
    check(&server, &folder, &jen);
    everything_happened(&server, &ann);
}

fn make_roles(server: &Server, folder: &TempDir, ann: &str) {
    let file = folder.path().join("roles.toml");
    fs::write(&file, ROLES).unwrap();
    let applied = run(program()
        .args(["role", "apply"])
        .arg(&file)
        .args(["--yes", "--server", &format!("http://{}", server.address)])
        .env("COUNTERSIGN_TOKEN", ann));
    assert!(applied.status.success(), "{applied:?}");
}

/// Files so many requests that there are ids to try, and more approvals than the approver comes to at first.
fn file_requests(server: &Server, jen: &str) {
    for round in 1..=40 {
        for role in ids(server, jen, "pamroles", "/RoleId") {
            let role = role.as_str().unwrap();
            let form = format!("RoleId={role}&Justification=Round+{round}");
            let filed = call(
                server,
                jen,
                "POST",
                "api/pamresources/pamrequests",
                &["-d", &form],
            );
            assert!(filed.starts_with('{'), "{filed}");
        }
    }
}

/// A list in JSON is also one in TOML.
fn write_configuration(server: &Server, folder: &TempDir, jen: &str, sam: &str) {
    let list = |values: Vec<Value>| Value::from(values).to_string();
    let roles = list(ids(server, jen, "pamroles", "/RoleId"));
    let requests = list(ids(server, jen, "pamrequests", "/RequestId"));
    let approvals = list(ids(
        server,
        sam,
        "pamrequeststoapprove",
        "/ApprovalObjectID/Value",
    ));
    let configuration = CONFIGURATION
        .replace("ROLES", &roles)
        .replace("REQUESTS", &requests)
        .replace("APPROVALS", &approvals);
    fs::write(folder.path().join("schemathesis.toml"), configuration).unwrap();
}

/// Checks the server with the credentials of one caller. The requests are the same every time, except for the ids. The
/// files of Schemathesis are outside the checkout.
fn check(server: &Server, folder: &TempDir, token: &str) {
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi");
    let checked = run(Command::new("schemathesis")
        .current_dir(folder.path())
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", hooks)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["run", &format!("http://{}/openapi.json", server.address)])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--seed", "1", "--max-examples", "60"])
        .args(["--generation-database", "none", "--no-color"]));
    let report = String::from_utf8_lossy(&checked.stdout);
    println!("{report}");
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
}

/// The requests have reached every operation, and there were no defects.
fn everything_happened(server: &Server, ann: &str) {
    let metrics = call(server, ann, "GET", "metrics", &[]);
    for kind in ["Filed", "Activated", "Approved", "Rejected", "Closed"] {
        let name = format!("countersign_events_total{{kind=\"{kind}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
        assert_ne!(count.unwrap_or("0"), "0", "nothing was {kind}");
    }
    let defects: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("countersign_refusals_total"))
        .filter(|line| line.contains("\"INTERNAL\"") || line.contains("\"UNAVAILABLE\""))
        .collect();
    assert_eq!(defects, [""; 0]);
}

/// The value at a JSON pointer in each row of a list.
fn ids(server: &Server, token: &str, list: &str, pointer: &str) -> Vec<Value> {
    let body = call(
        server,
        token,
        "GET",
        &format!("api/pamresources/{list}"),
        &[],
    );
    let list: Value = serde_json::from_str(&body).unwrap();
    let rows = list["value"].as_array().unwrap().iter();
    rows.map(|row| row.pointer(pointer).unwrap().clone())
        .collect()
}

/// Returns the body of a response that succeeded.
fn call(server: &Server, token: &str, method: &str, path: &str, more: &[&str]) -> String {
    let header = format!("Authorization: Bearer {token}");
    let url = format!("http://{}/{path}", server.address);
    let response = curl(&url, method, &header, more);
    assert!(response.status().starts_with('2'), "{}", response.body);
    response.body
}

const ROLES: &str = r#"
[[role]]
display_name = "Backup"
max_duration = "1h"
candidates = ['PRIV\jen']
approval_required = false

[[role]]
display_name = "SQL File Access"
description = "Read access to the files of the SQL servers."
max_duration = "2h"
candidates = ['PRIV\jen']
approvers = ['PRIV\sam']
required_approvals = 1

[[role]]
display_name = "Domain Admins"
max_duration = "1h"
candidates = ['PRIV\jen']
approvers = ['PRIV\sam', 'PRIV\kim']
required_approvals = 2
"#;
const CONFIGURATION: &str = r#"
[dictionaries]
roles = { values = ROLES }
requests = { values = REQUESTS }
approvals = { values = APPROVALS }

[parameters]
"body.RoleId" = { dictionary = "roles", probability = 0.5 }
"path.requestId" = { dictionary = "requests", probability = 0.5 }
"path.approvalId" = { dictionary = "approvals", probability = 0.5 }
"path.roleId" = { dictionary = "roles", probability = 0.5 }
"#;
