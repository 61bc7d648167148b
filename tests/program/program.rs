//! The program, as an operator starts it.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::Value;

/// A server, which is killed at the end.
pub struct Server {
    child: Child,
    /// The host and the port, as in a URL.
    pub address: String,
}

impl Server {
    /// Starts a server on the store of a folder, on a free port, which its log names.
    pub fn start(data: &Path, more: &[&str]) -> Self {
        let mut child = program()
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(["--administrator", "PRIV\\ann", "--data-dir"])
            .arg(data)
            .args(more)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut log = Vec::new();
        let address = loop {
            let Some(line) = lines.next() else {
                panic!("the server has ended: {log:#?}");
            };
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if let Some(address) = line["address"].as_str() {
                break address.to_owned();
            }
            log.push(line);
        };
        // A full pipe would stop the server.
        thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// Ends the server by a signal that it cannot handle.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// A command of the program, without the settings of this environment.
pub fn program() -> Command {
    let path: PathBuf = match env::var_os("TESTED_PROGRAM") {
        Some(path) => path.into(),
        None => env!("CARGO_BIN_EXE_countersign").into(),
    };
    let mut command = Command::new(path);
    without(&mut command, "COUNTERSIGN_");
    command
}

/// Removes the variables with a prefix from the environment of a command.
pub fn without(command: &mut Command, prefix: &str) {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with(prefix) {
            command.env_remove(name);
        }
    }
}

/// Makes a token in a data folder.
pub fn token(data: &Path, name: &str) -> String {
    let output = program()
        .args(["token", "new", "--account", &format!("PRIV\\{name}")])
        .arg("--data-dir")
        .arg(data)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
