//! What commands say of a store in PostgreSQL that they cannot use.

use std::fs;
use std::path::Path;
use std::process::Command;

use tokio_postgres::Client;

use crate::kit::{self, Person, replacing};
use crate::postgres::Server;
use crate::server::{Program, countersign, token};

#[test]
fn hosts_that_do_not_answer_are_named() {
    let nowhere = "error connecting to server: connection refused; start PostgreSQL there, or correct the URL of the store";
    for (url, sentence) in [
        ("postgres://ann@127.0.0.1:1/x", format!("127.0.0.1:1: {nowhere}")),
        ("postgres://ann@127.0.0.1:1,127.0.0.2:1/x", format!("127.0.0.1:1: {nowhere}. 127.0.0.2:1: {nowhere}")),
        (
            "postgres:///x?user=ann&host=/nowhere",
            "/nowhere/.s.PGSQL.5432: error connecting to server: no such file or directory; start PostgreSQL there, or \
             correct the URL of the store"
                .to_owned(),
        ),
    ] {
        assert_eq!(refused(url, None), sentence);
    }
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_told_with_what_to_do() {
    let server = Server::start();
    let (folder, owner) = (server.folder(), server.connect().await);
    let script = "CREATE ROLE careful LOGIN PASSWORD 'right'; CREATE ROLE guest LOGIN; CREATE DATABASE empty";
    for statement in script.split("; ") {
        owner.batch_execute(statement).await.unwrap();
    }
    let hba = Path::new(&folder).join("data/pg_hba.conf");
    let rules = fs::read_to_string(&hba).unwrap();
    fs::write(&hba, format!("local all careful scram-sha-256\n{rules}")).unwrap();
    server.control(&["reload"]);
    let url =
        |user: &str, database: &str| format!("postgres:///{database}?user={user}&host={folder}");
    let socket = format!("{folder}/.s.PGSQL.5432: ");
    for (user, database, password, sentence) in [
        (
            "careful",
            "empty",
            Some("hunter2"),
            format!(
                "{socket}28P01: password authentication failed for user \"careful\"; check the user in the URL, and the \
                 password in it or in --store-password-file"
            ),
        ),
        (
            "nobody",
            "empty",
            None,
            format!("{socket}28000: role \"nobody\" does not exist; check the user in the URL, and pg_hba.conf of the server"),
        ),
        (
            "guest",
            "missing",
            None,
            format!(
                "{socket}3D000: database \"missing\" does not exist; create the database, or correct its name in the URL"
            ),
        ),
        (
            "guest",
            "empty",
            None,
            "the user guest may not create tables in the schema public; GRANT CREATE ON SCHEMA public TO guest, or start \
             this version once as the owner"
                .to_owned(),
        ),
    ] {
        assert_eq!(refused(&url(user, database), password), sentence);
    }
}

/// The rights that the check asks for are enough to decide, and nothing less passes it.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn a_user_needs_exactly_the_rights_that_are_checked() {
    let server = Server::start();
    let owner = server.connect().await;
    let url = |user: &str| format!("postgres:///postgres?user={user}&host={}", server.folder());
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let people = ["PRIV\\ann", "PRIV\\jen", "PRIV\\sam"].map(|account| token(data, account));
    drop(Program::run(serve(data, &url("countersign"))));

    owner
        .batch_execute("CREATE ROLE clerk LOGIN")
        .await
        .unwrap();
    let refusal = refused(&url("clerk"), None);
    assert_eq!(
        refusal,
        "42501: permission denied for table migration; grant the user in the URL that right, or name another user"
    );
    owner
        .batch_execute("GRANT SELECT ON migration TO clerk")
        .await
        .unwrap();
    let mut granted = 0;
    while let Some(grant) = missing_grant(&url("clerk")) {
        owner.batch_execute(&grant).await.unwrap();
        granted += 1;
        assert!(granted < 100, "{grant}");
    }
    assert!(granted > 15, "{granted}");
    assert!(!may(&owner, "event", "UPDATE").await && !may(&owner, "event", "DELETE").await);

    let program = Program::run(serve(data, &url("clerk")));
    let [ann, jen, sam] = people.map(|token| Person::at(program.address, &token));
    let role = ann
        .create_role(kit::role("SQL", &["PRIV\\sam"], 1))
        .await
        .unwrap();
    let filed = jen.file(&role.id).await.unwrap();
    assert_eq!(sam.act(&filed.approval_id, "Approve").await.status, 200);
    let changed = replacing(role);
    ann.roles().update_role(changed).await.unwrap();
}

/// What `check-config` says must be granted first.
fn missing_grant(url: &str) -> Option<String> {
    let output = check(url, None).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let line = listed.lines().find(|line| line.starts_with("error"))?;
    Some(line.split_once("; ").unwrap().1.to_owned())
}

async fn may(owner: &Client, table: &str, right: &str) -> bool {
    let row = owner
        .query_one(
            "SELECT has_table_privilege('clerk', $1::text, $2::text)",
            &[&table, &right],
        )
        .await;
    row.unwrap().get(0)
}

/// Why neither `check-config` nor `serve` takes the store.
fn refused(url: &str, password: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, password.unwrap_or_default()).unwrap();
    let password = password.map(|_| &*file);
    let output = check(url, password).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{listed}");
    let found = listed
        .lines()
        .find_map(|line| line.strip_prefix("error    cannot use the store in PostgreSQL: "));
    let found = found.unwrap_or_else(|| panic!("{listed}")).to_owned();
    let mut command = serve(folder.path().to_str().unwrap(), url);
    with(&mut command, password).args(["--listen", "127.0.0.1:0"]);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.ends_with(&format!(
            "\ncountersign: cannot use the store in PostgreSQL: {found}\n"
        )),
        "{said}"
    );
    assert!(
        !said.contains("hunter2") && !listed.contains("hunter2"),
        "{said}"
    );
    found
}

fn check(url: &str, password: Option<&Path>) -> Command {
    let mut command = countersign(&["check-config", "--listen", "127.0.0.1:0", "--store", url]);
    with(&mut command, password);
    command
}

fn serve(data: &str, url: &str) -> Command {
    countersign(&["serve", "--data-dir", data, "--store", url])
}

fn with<'a>(command: &'a mut Command, password: Option<&Path>) -> &'a mut Command {
    command
        .args(password.map(|_| "--store-password-file"))
        .args(password)
}
