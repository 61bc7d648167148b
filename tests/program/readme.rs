//! What the README promises, in a fresh clone: its first command starts a server, whose printed commands are run as they
//! are; its second runs the tests, its third installs the program.

use std::env;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::clients::run;
use crate::program::{Lines, without};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SERVE: &str = "cargo run --release -- serve --dev";
const TEST: &str = "cargo test";
const INSTALL: &str = "cargo install --locked --path .";
/// The address of `serve --dev`.
const ADDRESS: &str = "127.0.0.1:8086";
/// The maximum time between two lines of the first command, which builds the program.
const BUILD_TIME: Duration = Duration::from_secs(900);
/// The maximum time in which a server ends.
const END_TIME: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs git, curl and grpcurl, and builds in a fresh clone; a step of .ci/run"]
fn readme() {
    for command in [SERVE, TEST, INSTALL] {
        assert_promised(command);
    }
    let user = User::new();
    let server = Demo::start(&user);
    server.try_commands();
    server.end(&user);
    user.succeed(user.shell(TEST));
    user.install();
}

/// A command is in one of the README's blocks of shell.
fn assert_promised(command: &str) {
    let text = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let mut is_shell = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_shell = line == "```sh";
        } else if is_shell && line == command {
            return;
        }
    }
    panic!("no block of sh has the line: {command}");
}

/// A user with a fresh clone.
struct User {
    folder: TempDir,
    target: PathBuf,
}

impl User {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        let cloned = run(Command::new("git")
            .args(["clone", "--quiet", ROOT])
            .arg(folder.path().join("clone")));
        assert!(cloned.status.success(), "{cloned:?}");
        // A folder of its own, because cargo takes two checkouts in one target folder for the same.
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(target) => Path::new(ROOT).join(target),
            None => Path::new(ROOT).join("target"),
        };
        Self {
            folder,
            target: target.join("demo"),
        }
    }

    fn clone(&self) -> PathBuf {
        self.folder.path().join("clone")
    }

    /// A command in the clone, as the user types it: without the variables that cargo sets for this test.
    fn shell(&self, line: &str) -> Command {
        println!("$ {line}");
        let mut command = Command::new("bash");
        command.args(["-c", &format!("exec {line}")]);
        for prefix in [
            "CARGO",
            "COUNTERSIGN_",
            "LD_LIBRARY_PATH",
            "RUSTUP_TOOLCHAIN",
        ] {
            without(&mut command, prefix);
        }
        if let Some(home) = env::var_os("CARGO_HOME") {
            command.env("CARGO_HOME", home);
        }
        command
            .current_dir(self.clone())
            .env("CARGO_TARGET_DIR", &self.target)
            .stdin(Stdio::null());
        command
    }

    fn succeed(&self, mut command: Command) {
        let status = command.status().unwrap();
        assert!(status.success(), "{command:?}: {status}");
    }

    /// Installs the program into a folder of this test.
    fn install(&self) {
        let installed = self.folder.path().join("installed");
        let mut install = self.shell(INSTALL);
        install.env("CARGO_INSTALL_ROOT", &installed);
        self.succeed(install);
        let mut version = Command::new(installed.join("bin/countersign"));
        version.arg("--version");
        self.succeed(version);
    }
}

/// The server of the first command, with the lines that it printed.
struct Demo {
    child: Child,
    lines: Lines,
    /// The printed commands.
    commands: Vec<String>,
}

impl Demo {
    fn start(user: &User) -> Self {
        assert!(TcpStream::connect(ADDRESS).is_err(), "{ADDRESS} is taken");
        let mut child = user
            .shell(SERVE)
            .env("TMPDIR", user.folder.path().join("tmp"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        let mut demo = Self {
            child,
            lines,
            commands: Vec::new(),
        };
        // The last printed command.
        while !demo
            .commands
            .iter()
            .any(|line| line.contains("CreateElevation"))
        {
            demo.read_line(BUILD_TIME).expect("there is a welcome");
        }
        demo
    }

    /// Reads a line, and keeps it if it is a command.
    fn read_line(&mut self, time: Duration) -> Result<(), RecvTimeoutError> {
        let line = self.lines.next(time)?;
        println!("{line}");
        let command = line.strip_prefix("  ").unwrap_or_default();
        if command.starts_with("curl ") || command.starts_with("grpcurl ") {
            self.commands.push(command.to_owned());
        }
        Ok(())
    }

    /// The printed command that contains a text. Exactly one does.
    fn printed(&self, text: &str) -> &str {
        let found: Vec<&String> = self
            .commands
            .iter()
            .filter(|command| command.contains(text))
            .collect();
        let [command] = found[..] else {
            panic!("{text}: {found:?}");
        };
        command
    }

    /// Runs all printed commands, in the order of a visitor.
    fn try_commands(&self) {
        let approve = self.printed("curl -i -X POST");
        let list = self.printed("pamrequeststoapprove' ");
        let list_grpc = self.printed("ApprovalService/ListApprovals");
        assert_eq!(
            self.commands.len(),
            8,
            "every printed command is tried below"
        );
        let (_, id) = approve.split_once("guid'").unwrap();
        let (id, _) = id.split_once('\'').unwrap();

        // An unknown token changes nothing.
        let (before, token) = approve.split_once("Bearer ").unwrap();
        let end = token.find(['"', '\'']).unwrap();
        let refused = answer(&format!("{before}Bearer wrong{}", &token[end..]));
        assert!(
            refused.starts_with("HTTP/1.1 401 Unauthorized\r\n"),
            "{refused}"
        );
        assert!(answer(list).contains(id));
        assert!(answer(list_grpc).contains(id));

        assert_empty_200(&answer(approve));
        assert!(!answer(list).contains(id));
        assert!(!answer(list_grpc).contains(id));

        let request = json(self.printed("pamrequests(guid"));
        assert_eq!(request["RequestStatus"], "Active");
        let request = json(self.printed("pamrequests' "));
        assert_eq!(request["RequestStatus"], "PendingApproval");

        let approval = json(self.printed("ApprovalService/Approve"));
        assert_eq!(approval["approval"]["status"], "APPROVAL_STATUS_APPROVED");
        assert_empty_200(&answer(approve));
        let elevation = json(self.printed("ElevationService/GetElevation"));
        assert_eq!(elevation["elevation"]["status"], "ELEVATION_STATUS_ACTIVE");
        let elevation = json(self.printed("ElevationService/CreateElevation"));
        let status = &elevation["elevation"]["status"];
        assert_eq!(status, "ELEVATION_STATUS_PENDING_APPROVAL");
    }

    /// Ends the server as an operator does. No file remains.
    fn end(mut self, user: &User) {
        let id = self.child.id().to_string();
        run(Command::new("kill").args(["-TERM", &id]));
        // Its output ends when it does.
        let mut read = Ok(());
        while read.is_ok() {
            read = self.read_line(END_TIME);
        }
        let silent = RecvTimeoutError::Timeout;
        assert_ne!(read, Err(silent), "the server did not end on SIGTERM");
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        assert_eq!(self.commands.len(), 8, "all printed commands were tried");
        let left = fs::read_dir(user.folder.path().join("tmp")).unwrap();
        assert_eq!(left.count(), 0, "the server left files behind");
        let git = run(Command::new("git")
            .args(["status", "--porcelain"])
            .current_dir(user.clone()));
        assert_eq!(
            String::from_utf8(git.stdout).unwrap(),
            "",
            "the checkout has changed"
        );
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // After `end` there is no server.
        let _ = self.child.kill();
    }
}

/// Runs a printed command as it is. Returns its output, line ends included.
fn answer(command: &str) -> String {
    let output = run(Command::new("bash")
        .args(["-c", command])
        .stdin(Stdio::null()));
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(command: &str) -> Value {
    serde_json::from_str(&answer(command)).unwrap()
}

/// The response is an empty 200, headers included.
fn assert_empty_200(answer: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-length: 0"), "{head}");
    assert!(
        !head.to_ascii_lowercase().contains("content-type:"),
        "{head}"
    );
    assert_eq!(body, "");
}
