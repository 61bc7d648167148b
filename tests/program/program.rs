//! The program, as an operator starts it.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

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
        let lines = Lines::of(child.stderr.take().unwrap());
        let mut server = Self {
            child,
            address: String::new(),
        };
        let mut log = Vec::new();
        while server.address.is_empty() {
            let line = match lines.next(START_TIME) {
                Ok(line) => line,
                Err(error) => panic!("no server: {error}: {log:#?}"),
            };
            if let Ok(line) = serde_json::from_str::<Value>(&line)
                && let Some(address) = line["address"].as_str()
            {
                server.address = address.to_owned();
            }
            log.push(line);
        }
        server
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

/// The lines that a program prints. A thread reads all of them, because a full pipe would stop the program.
pub struct Lines(Receiver<String>);

impl Lines {
    /// Starts to read.
    pub fn of(output: impl Read + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The test may have read enough.
                let _ = sender.send(line);
            }
        });
        Self(lines)
    }

    /// Waits for the next line. The error says whether the program has ended, or prints none in that time.
    pub fn next(&self, time: Duration) -> Result<String, RecvTimeoutError> {
        self.0.recv_timeout(time)
    }
}

/// The maximum time until a server has started.
const START_TIME: Duration = Duration::from_secs(60);

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
