//! `role apply` and `role list`, against a running server.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use countersign::proto::pam::v1::{ListAllRolesRequest, Role};
use tempfile::TempDir;

use crate::kit::{ANN, JEN, Kit, principal, replacing, role};
use crate::server::countersign;

const SQL: &str = r#"
[[role]]
display_name = "SQL File Access"
description = "Read access."
max_duration = "1h"
candidates = ['PRIV\jen', { group = "SQL Users" }]
approvers = ['PRIV\sam', { group = "SQL Owners" }]
required_approvals = 1
"#;

const MAIL: &str = r#"
[[role]]
id = "5DBD9D0C-0A9D-4F75-8CBD-FF6FFDC00143"
display_name = "Mail"
max_duration = "2d 12h"
candidates = [{ group = 'PRIV\Postmasters' }]
approval_required = false
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_shown_then_applied_and_then_changes_nothing() {
    let desk = Desk::open().await;
    let other = desk
        .kit
        .as_(ANN)
        .create_role(role("Other", &[], 0))
        .await
        .unwrap();
    let file = desk.file(&[SQL, MAIL].concat());
    let (code, told) = desk.run(&["apply", &file]);
    assert_eq!(
        (code, &*told),
        (
            0,
            "create     SQL File Access\ncreate     Mail  5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143\n2 create. Nothing was changed. Use --yes to apply.\n"
        )
    );
    assert_eq!(desk.roles().await, std::slice::from_ref(&other));

    let (code, told) = desk.run(&["apply", &file, "--yes"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.ends_with("2 created.\n"), "{told}");
    let [mail, _, sql] = <[Role; 3]>::try_from(desk.roles().await).unwrap();
    assert_eq!(
        (&*mail.id, mail.approval_required),
        ("5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143", false)
    );
    assert_eq!(mail.max_duration.unwrap().seconds, 60 * 3_600);
    assert_eq!(mail.candidates, [principal("group:PRIV\\Postmasters")]);
    let expected = Role {
        description: "Read access.".to_owned(),
        id: sql.id.clone(),
        revision: 1,
        ..role("SQL File Access", &["PRIV\\sam", "group:SQL Owners"], 1)
    };
    assert_eq!(sql, expected);

    for arguments in [&["apply", &*file][..], &["apply", &*file, "--yes"]] {
        let (code, told) = desk.run(arguments);
        assert!(code == 0 && told.contains("2 unchanged."), "{told}");
        assert_eq!(
            desk.roles().await,
            [mail.clone(), other.clone(), sql.clone()]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_is_told_old_and_new() {
    let desk = Desk::open().await;
    assert_eq!(desk.run(&["apply", &desk.file(SQL), "--yes"]).0, 0);
    let [before] = <[Role; 1]>::try_from(desk.roles().await).unwrap();
    let changed = SQL
        .replace("Read access.", "Read\\u001B[31m and\\nwrite.")
        .replace("\"1h\"", "\"90m\"")
        .replace("'PRIV\\jen', ", "'PRIV\\new', ")
        .replace("required_approvals = 1", "required_approvals = 2");
    let differences = [
        "description: \"Read access.\" -> ",
        "max_duration: \"1h\" -> \"1h 30m\"",
        "candidates: - 'PRIV\\jen'",
        "candidates: + 'PRIV\\new'",
        "required_approvals: 1 -> 2",
    ];
    let (code, told) = desk.run(&["apply", &desk.file(&changed)]);
    assert_eq!(code, 0);
    let mut lines = told.lines();
    assert_eq!(
        lines.next().unwrap(),
        format!("update     SQL File Access  {}", before.id)
    );
    for difference in differences {
        let line = lines.next().unwrap();
        assert!(line.trim_start().starts_with(difference), "{line}");
        assert!(
            !line.contains('\u{1b}'),
            "nothing that a terminal would obey"
        );
    }
    assert_eq!(
        lines.next(),
        Some("1 update. Nothing was changed. Use --yes to apply.")
    );
    assert_eq!(desk.roles().await, std::slice::from_ref(&before));

    assert_eq!(desk.run(&["apply", &desk.file(&changed), "--yes"]).0, 0);
    let [after] = <[Role; 1]>::try_from(desk.roles().await).unwrap();
    assert_eq!(
        (after.id, after.revision, after.stages[0].required_approvals),
        (before.id, 2, 2)
    );
    assert_eq!(after.description, "Read\u{1b}[31m and\nwrite.");
}

/// What the server reports of a role is reported in the plan, and after applying.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_nobody_can_approve_is_reported() {
    let desk = Desk::open().await;
    let file = desk.file(
        &SQL.replace(
            "{ group = \"SQL Owners\" }",
            "{ group = \"No Such Group\" }",
        )
        .replace("required_approvals = 1", "required_approvals = 2"),
    );
    let warning = "             warning: requests cannot be approved: stage 1 needs 2 approvers with valid tokens, not counting the requester, and has 1\n";
    for (arguments, word) in [
        (&["apply", &*file, "--yes"][..], "created"),
        (&["apply", &*file], "unchanged"),
        (&["apply", &*file, "--yes"], "unchanged"),
    ] {
        let (code, told) = desk.run(arguments);
        assert!(
            code == 0 && told.starts_with(word) && told.contains(warning),
            "{told}"
        );
    }
    let (code, told) = desk.run(&["apply", &desk.file(SQL), "--yes"]);
    assert!(
        code == 0 && told.starts_with("updated") && !told.contains("warning"),
        "{told}"
    );
}

/// A role that looks like another of the server is that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_looks_the_same_is_the_same_role() {
    let desk = Desk::open().await;
    assert_eq!(desk.run(&["apply", &desk.file(SQL), "--yes"]).0, 0);
    for name in [
        "SQL File Access ",
        "SQL File\u{a0}Access",
        "ＳＱＬ File Access",
    ] {
        let (code, told) = desk.run(&["apply", &desk.file(&SQL.replace("SQL File Access", name))]);
        assert!(code == 0 && told.starts_with("update "), "{name}: {told}");
    }
    let (code, told) = desk.run(&[
        "apply",
        &desk.file(&[SQL, &SQL.replace("Access", "Access ")].concat()),
    ]);
    assert!(
        code == 1 && told.contains("another entry of the file is the same role"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_listed_can_be_applied() {
    let (here, there) = (Desk::open().await, Desk::open().await);
    let ann = here.kit.as_(ANN);
    let mut strange = role(
        "\"Strange\" 'Role' \\",
        &["group:PRIV\\A", "group:group:B"],
        2,
    );
    strange.description = "one\u{202e}\n'''\"\"\"\\\u{1b}[31m\ttwo\r\n[[role]]\nid = 1".to_owned();
    strange.candidates = vec![
        principal("group:SQL Users"),
        principal("PRIV\\O'Neil \"x\""),
        principal("PRIV\\é"),
    ];
    strange.max_duration.as_mut().unwrap().seconds = 3_660 * 86_400;
    ann.create_role(strange).await.unwrap();
    let mut plain = role("group accounts", &[], 0);
    // An account, whatever its domain looks like.
    plain.candidates[0].kind = Some(countersign::proto::pam::v1::principal::Kind::Account(
        "group:PRIV\\jen".to_owned(),
    ));
    plain.max_duration.as_mut().unwrap().seconds = 93_784;
    ann.create_role(plain).await.unwrap();
    for number in 0..150 {
        // Twins have the same name, and differ by their ids.
        ann.create_role(role(&format!("Role {}", number / 2), &["PRIV\\sam"], 1))
            .await
            .unwrap();
    }

    let (code, listed) = here.run(&["list", "--format", "toml"]);
    assert_eq!(code, 0);
    let file = here.file(&listed);
    let before = here.roles().await;
    let (code, told) = here.run(&["apply", &file, "--yes"]);
    assert!(code == 0 && told.ends_with("\n152 unchanged.\n"), "{told}");
    assert_eq!(here.roles().await, before);

    let (code, told) = there.run(&["apply", &file, "--yes"]);
    assert!(code == 0 && told.ends_with("\n152 created.\n"), "{told}");
    assert_eq!(there.roles().await, before, "with their ids");
    let (_, lines) = there.run(&["list"]);
    assert_eq!(lines.lines().count(), 152);
    let id = &before
        .iter()
        .find(|role| role.display_name == "Role 0")
        .unwrap()
        .id;
    let first = format!("{id}  Role 0  at most 1h  2 candidates  1 of 1 approvers  revision 1\n");
    assert!(lines.contains(&first));
    assert!(
        !lines.contains(['\u{202e}', '\u{1b}']),
        "nothing that a terminal would obey"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_clear_changes_nothing() {
    let desk = Desk::open().await;
    for name in ["Twin", "Twin", "Single"] {
        desk.kit
            .as_(ANN)
            .create_role(role(name, &[], 0))
            .await
            .unwrap();
    }
    let before = desk.roles().await;
    let single = &before[0].id;
    let named = |name: &str| SQL.replace("SQL File Access", name);
    let with_id =
        |id: &str, name: &str| named(name).replace("[[role]]", &format!("[[role]]\nid = \"{id}\""));
    let new = "5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143";
    for (first, second, finding) in [
        (
            SQL.to_owned(),
            named("Twin"),
            "line 10 of the file is ambiguous: the server has several roles",
        ),
        (
            SQL.to_owned(),
            SQL.to_owned(),
            "line 2 of the file is ambiguous: another entry of the file",
        ),
        (
            with_id(new, "A"),
            with_id(&new.to_uppercase(), "B"),
            "line 11 of the file is ambiguous: another",
        ),
        (
            with_id(single, "Renamed"),
            named("Single"),
            "line 11 of the file is ambiguous: another",
        ),
        (
            with_id(single, "Same"),
            named("Same"),
            "line 11 of the file is ambiguous: another",
        ),
        (
            with_id(new, "SQL"),
            named("SQL"),
            "line 11 of the file is ambiguous: another",
        ),
    ] {
        let (code, told) = desk.run(&["apply", &desk.file(&(first + &second)), "--yes"]);
        assert_eq!(code, 1, "{told}");
        assert!(told.contains(finding), "{finding}: {told}");
        assert_eq!(desk.roles().await, before, "{finding}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_file_changes_nothing_and_is_not_repeated() {
    let desk = Desk::open().await;
    let table = [
        (
            "required_approvals = 1",
            "required_approvals = 1\ncst_s3cret = 2",
            "line 9: expected one of `id`, `display_name`",
        ),
        (
            "required_approvals = 1",
            "required_approvals = \"s3cret, expected s3cret\"",
            "line 8: expected u32",
        ),
        (
            "required_approvals = 1",
            "required_approvals = -1",
            "line 8: expected u32",
        ),
        (
            "required_approvals = 1",
            "required_approvals = 1\nrequired_approvals = 2",
            "line 9: duplicate key",
        ),
        (
            "required_approvals = 1",
            "required_approvals = 1\nstages = [{ approvers = ['PRIV\\sam'], required_approvals = 2 }]",
            "line 2: a role must have either stages",
        ),
        (
            "\"1h\"",
            "\"s3cret\"",
            "line 5: expected a duration such as 90d",
        ),
        ("\"1h\"", "3600", "line 5: expected a string"),
        (
            "{ group = \"SQL Users\" }",
            "{ group = \"a\", s3cret = \"b\" }",
            "line 6: expected an account as",
        ),
        (
            "{ group = \"SQL Users\" }",
            "{ account = 's3cret' }",
            "line 6: expected an account as",
        ),
        (
            "display_name = \"SQL File Access\"\n",
            "",
            "line 2: missing field `display_name`",
        ),
        ("[[role]]", "[[role]]\nid = \"s3cret\"", "line 3: "),
        ("[[role]]", "[[roles]]", "line 2: expected `role`"),
        ("[[role]]", "cst_0123456789abcdef_s3cret", "line 2: "),
        ("[[role]]", "[[role]", "line 2: "),
    ];
    for (before, after, finding) in table {
        let text = SQL.replace(before, after);
        assert_ne!(text, SQL);
        let (code, told) = desk.run(&["apply", &desk.file(&(text.clone() + MAIL)), "--yes"]);
        assert_eq!(code, 1, "{text}");
        assert!(
            told.contains(&format!("The file of roles is malformed at {finding}")),
            "{finding}: {told}"
        );
        assert!(!told.contains("s3cret"), "{told}");
    }
    assert_eq!(desk.roles().await, []);
    let (code, told) = desk.run(&["apply", "/nowhere/roles.toml", "--yes"]);
    assert!(
        code == 1
            && told.contains("cannot read the file of roles /nowhere/roles.toml: no such file"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_refuses_is_told_and_the_rest_is_done() {
    let desk = Desk::open().await;
    let deleted = desk.kit.role().await;
    let request = countersign::proto::pam::v1::DeleteRoleRequest {
        role_id: deleted.id.clone(),
    };
    desk.kit
        .as_(ANN)
        .roles()
        .delete_role(request)
        .await
        .unwrap();
    let named = |name: &str| SQL.replace("SQL File Access", name);
    let file = [
        named("Taken").replace("[[role]]", &format!("[[role]]\nid = \"{}\"", deleted.id)),
        named("Forgotten").replace(
            "approvers = ['PRIV\\sam', { group = \"SQL Owners\" }]\nrequired_approvals = 1",
            "",
        ),
        named("Contradictory") + "approval_required = false\n",
        named("Nobody").replace("required_approvals = 1", ""),
        named("Endless").replace("\"1h\"", "\"3661d\""),
        named("Short").replace("\"1h\"", "\"1500ms\""),
        named("Fine"),
    ];
    let (code, told) = desk.run(&["apply", &desk.file(&file.concat()), "--yes"]);
    assert_eq!(code, 1);
    for line in [
        &*format!("refused    Taken  {}  ROLE_EXISTS: ", deleted.id),
        "refused    Forgotten    INVALID_ARGUMENT: role.stages: A role must have stages if approval is required",
        "refused    Contradictory    INVALID_ARGUMENT: role.stages: A role must have stages if approval is required",
        "refused    Nobody    INVALID_ARGUMENT: role.stages[0].required_approvals must be 1 to 100.",
        "refused    Endless    INVALID_ARGUMENT: role.max_duration: A duration is at most 3,660 days",
        "refused    Short    INVALID_ARGUMENT: role.max_duration: A duration is a number of whole seconds.",
        "created    Fine  ",
        "6 refused, 1 created.\n",
        "countersign: some steps failed; see the lines above\n",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert_eq!(desk.names().await, ["Fine"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_somebody_changes_meanwhile_stays_theirs() {
    let desk = Desk::open().await;
    let running = desk.begin_long_apply().await;
    let roles = desk.roles().await;
    let theirs = Role {
        description: "theirs".to_owned(),
        ..roles[1].clone()
    };
    desk.kit
        .as_(ANN)
        .roles()
        .update_role(replacing(theirs))
        .await
        .unwrap();
    let (code, told) = running.finish();
    assert_eq!(code, 1);
    assert!(told.contains("\nrefused    B  "), "{told}");
    assert!(told.contains("  ROLE_CHANGED: "), "{told}");
    assert!(told.ends_with("2 updated, 1 refused.\n"), "{told}");
    let descriptions: Vec<String> = desk
        .roles()
        .await
        .into_iter()
        .map(|role| role.description)
        .collect();
    assert_eq!(descriptions, ["new", "theirs", "new"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_when_the_server_goes_is_told() {
    let desk = Desk::open().await;
    let running = desk.begin_long_apply().await;
    desk.kit.signal();
    desk.kit.ended().await;
    let (code, told) = running.finish();
    assert_eq!(code, 1);
    assert!(
        told.contains("\nfailed     B  ") && told.contains("\nnot tried  C  "),
        "{told}"
    );
    assert!(
        told.ends_with("1 updated, 1 failed, 1 not tried.\n"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_administrator_may_and_the_token_is_not_told() {
    let desk = Desk::open().await;
    let file = desk.file(SQL);
    let server = format!("http://{}", desk.kit.address);
    let apply = ["role", "apply", &*file, "--yes"];
    let wrong = format!("cst_0123456789abcdef_{}", "x".repeat(43));
    let elsewhere = "http://192.0.2.1:8086".to_owned();
    for (server, token, finding) in [
        (&server, desk.kit.token(JEN), "ACCESS_DENIED: "),
        (&server, &*wrong, "UNAUTHENTICATED: "),
        (
            &server,
            "s3cret\u{7f}",
            "cannot use the token in COUNTERSIGN_TOKEN: it is not a bearer token",
        ),
        (
            &elsewhere,
            desk.kit.token(ANN),
            "on this machine and use plain HTTP",
        ),
    ] {
        let output = countersign(&apply)
            .env("COUNTERSIGN_SERVER", server)
            .env("COUNTERSIGN_TOKEN", token)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{finding}");
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(
            told.contains(finding) && !told.contains(token),
            "{finding}: {told}"
        );
    }
    let output = countersign(&apply)
        .env_remove("COUNTERSIGN_TOKEN")
        .args(["--server", &server])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .contains("put it into COUNTERSIGN_TOKEN, or name its file with --token-file")
    );
    assert_eq!(desk.roles().await, []);
    let on_the_command_line = countersign(&apply)
        .args(["--token", desk.kit.token(ANN)])
        .output()
        .unwrap();
    assert_eq!(
        on_the_command_line.status.code(),
        Some(2),
        "there is no such flag"
    );

    let token = desk.folder.path().join("token");
    fs::write(&token, format!("{}\n", desk.kit.token(ANN))).unwrap();
    let output = countersign(&apply)
        .args(["--server", &server, "--token-file"])
        .arg(&token)
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(desk.names().await, ["SQL File Access"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_of_the_help_and_of_the_documentation_can_be_applied() {
    let help = countersign(&["role", "apply", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let desk = Desk::open().await;
    for (text, end) in [
        (&*help, "\n\n"),
        (include_str!("../../../docs/operations.md"), "```"),
        (include_str!("../../../docs/migrating-from-mim.md"), "```"),
    ] {
        let start = text.find("[[role]]\n").unwrap();
        let example = &text[start..start + text[start..].find(end).unwrap()];
        let (code, told) = desk.run(&["apply", &desk.file(example), "--yes"]);
        assert_eq!(code, 0, "{told}");
    }
    assert_eq!(desk.roles().await[0].revision, 1, "the same example");
    let (code, told) = desk.run(&["apply", &desk.file("")]);
    assert_eq!(
        (code, &*told),
        (0, "no roles. Nothing was changed. Use --yes to apply.\n")
    );
}

/// A server and its administrator.
struct Desk {
    kit: Kit,
    folder: TempDir,
}

impl Desk {
    async fn open() -> Self {
        Self {
            kit: Kit::start().await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, text: &str) -> String {
        let path: PathBuf = self.folder.path().join("roles.toml");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = countersign(&["role"]);
        command
            .args(arguments)
            .args(["--server", &format!("http://{}", self.kit.address)]);
        command
            .env("COUNTERSIGN_TOKEN", self.kit.token(ANN))
            .env_remove("COUNTERSIGN_TOKEN_FILE");
        command
    }

    /// What the command exits with, and all that it says.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command(arguments).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(told).unwrap(),
        )
    }

    async fn roles(&self) -> Vec<Role> {
        let request = ListAllRolesRequest {
            page_size: 1_000,
            ..Default::default()
        };
        self.kit
            .as_(ANN)
            .roles()
            .list_all_roles(request)
            .await
            .unwrap()
            .into_inner()
            .roles
    }

    async fn names(&self) -> Vec<String> {
        self.roles()
            .await
            .into_iter()
            .map(|role| role.display_name)
            .collect()
    }

    /// Starts to update A, B and C. Returns after the update of A, whose report does not fit into
    /// the pipe. The command waits before B until the test reads on.
    async fn begin_long_apply(&self) -> Running {
        let many = |letter: &str| {
            (0..999)
                .map(|number| format!("'PRIV\\{}{number}'", letter.repeat(200)))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let text = |description: &str, candidates: &str| {
            let named = |name: &str| {
                SQL.replace("SQL File Access", name)
                    .replace("Read access.", description)
            };
            named("A").replace("'PRIV\\jen'", candidates) + &named("B") + &named("C")
        };
        let (code, told) = self.run(&["apply", &self.file(&text("old", &many("x"))), "--yes"]);
        assert_eq!(code, 0, "{told}");
        let file = self.file(&text("new", &many("y")));
        let mut child = self
            .command(&["apply", &file, "--yes"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        told.read_line(&mut first).unwrap();
        assert!(first.starts_with("updated    A"), "{first}");
        Running { child, told }
    }
}

/// A command that has begun.
struct Running {
    child: Child,
    told: BufReader<ChildStdout>,
}

impl Running {
    /// What the command exits with, and what else it says.
    fn finish(mut self) -> (i32, String) {
        let mut told = String::new();
        self.told.read_to_string(&mut told).unwrap();
        (self.child.wait().unwrap().code().unwrap(), told)
    }
}
