//! What the server reports to a service manager: a real socket, the real program.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use tokio::net::{TcpListener, UnixDatagram};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::kit::{ANN, MAX, Person};
use crate::server::{countersign, token};

#[tokio::test]
async fn a_supervisor_learns_when_the_server_is_ready_reloads_and_stops() {
    let supervisor = Supervisor::start();
    let server = supervisor.serve(&supervisor.data(), "127.0.0.1:0");
    assert_eq!(supervisor.told().await, ["READY=1"]);
    let ann = server.person(&token(&supervisor.data(), ANN));
    assert_eq!(ann.get("/readyz").await.status, 200, "at the first attempt");

    server.signal("HUP");
    let reloading = supervisor.told().await;
    assert_eq!((reloading.len(), &*reloading[0]), (2, "RELOADING=1"));
    let time: u64 = reloading[1]
        .strip_prefix("MONOTONIC_USEC=")
        .unwrap()
        .parse()
        .unwrap();
    assert!(time > 0);
    assert_eq!(supervisor.told().await, ["READY=1"]);
    let max = server.person(&token(&supervisor.data(), MAX));
    server.signal("HUP");
    assert_eq!(supervisor.told().await[0], "RELOADING=1");
    assert_eq!(supervisor.told().await, ["READY=1"]);
    assert_eq!(
        max.get("/metrics").await.status,
        403,
        "the new token was read before"
    );

    server.signal("TERM");
    assert_eq!(supervisor.told().await, ["STOPPING=1"]);
    assert!(server.ended().await);
    supervisor.is_told_nothing_more();
}

#[tokio::test]
async fn a_server_that_cannot_start_is_never_ready() {
    let supervisor = Supervisor::start();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert!(
        !supervisor.serve(&supervisor.data(), &address).ended().await,
        "the address is in use"
    );
    supervisor.is_told_nothing_more();

    let server = supervisor.serve(&supervisor.data(), "127.0.0.1:0");
    assert_eq!(supervisor.told().await, ["READY=1"]);
    assert!(
        !supervisor
            .serve(&supervisor.data(), "127.0.0.1:0")
            .ended()
            .await,
        "the store is in use"
    );
    supervisor.is_told_nothing_more();
    drop(server);
}

/// The socket of a service manager.
struct Supervisor {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Supervisor {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        Self { folder, socket }
    }

    /// The data folder of its server.
    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// Starts a server.
    fn serve(&self, data: &str, listen: &str) -> Server {
        let log = self.folder.path().join("log");
        let mut command = countersign(&["serve", "--data-dir", data, "--listen", listen]);
        command.args(["--log-format", "json", "--administrator", ANN]);
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify"));
        let process = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
        Server {
            process,
            log: fs::canonicalize(log).unwrap(),
        }
    }

    /// The lines of the next report.
    async fn told(&self) -> Vec<String> {
        let mut report = [0; 4_096];
        let received = timeout(Duration::from_secs(60), self.socket.recv(&mut report));
        let length = received.await.expect("a report that never comes").unwrap();
        str::from_utf8(&report[..length])
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Holds once the server has ended, or for what it would have reported before.
    fn is_told_nothing_more(&self) {
        assert!(self.socket.try_recv(&mut [0; 4_096]).is_err());
    }
}

/// The real program, killed when this is dropped.
struct Server {
    process: Child,
    log: std::path::PathBuf,
}

impl Server {
    fn person(&self, token: &str) -> Person {
        Person::at(address(&self.log), token)
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end; whether it was a success.
    async fn ended(mut self) -> bool {
        spawn_blocking(move || self.process.wait().unwrap().success())
            .await
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address that the log names, which it does before the server is ready.
fn address(log: &Path) -> SocketAddr {
    let told = fs::read_to_string(log).unwrap();
    let lines = told
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut addresses = lines.filter_map(|line| line["address"].as_str()?.parse().ok());
    addresses
        .next()
        .unwrap_or_else(|| panic!("no address in: {told}"))
}
