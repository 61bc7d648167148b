//! A PostgreSQL of our own, in a temporary folder, with its settings as they come, and what pgbench makes of it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::sleep;

/// A server that ends with this.
pub struct Postgres {
    port: u16,
    process: Child,
    folder: TempDir,
}

impl Postgres {
    /// Starts one that syncs every commit.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        own(folder.path());
        let data = folder.path().join("data");
        succeed(program("initdb").args(["--auth=trust", "--username=postgres", "--pgdata"]).arg(&data));
        // Nobody gives a port away, so one is asked of the kernel and let go.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut server = program("postgres");
        server.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-h", "127.0.0.1", "-c", "fsync=on"]);
        let process = server.args(["-p", &port.to_string()]).stderr(Stdio::null()).spawn().unwrap();
        let mut cluster = Self { port, process, folder };
        while !cluster.client("pg_isready").arg("--quiet").status().unwrap().success() {
            assert!(cluster.process.try_wait().unwrap().is_none(), "PostgreSQL has ended");
            sleep(Duration::from_millis(50)).await;
        }
        succeed(cluster.client("pgbench").args(["--initialize", "--quiet", "--scale=10", "postgres"]));
        cluster
    }

    /// The id of the server's first process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// So many updates of one row each, over prepared statements, each in a transaction of its own; answers where the
    /// times are.
    pub fn update(&self, clients: usize, count: usize, log: &Path) -> Vec<PathBuf> {
        let script = self.folder.path().join("update.sql");
        fs::write(&script, UPDATE).unwrap();
        fs::create_dir(log).unwrap();
        let mut pgbench = self.client("pgbench");
        pgbench.args(["--no-vacuum", "--protocol=prepared", "--log", "--log-prefix=times", "--file"]);
        pgbench.arg(&script).current_dir(log);
        pgbench.arg(format!("--client={clients}")).arg(format!("--transactions={}", count / clients));
        succeed(pgbench.arg("postgres"));
        fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(BIN.to_owned() + name);
        command.env("PGHOST", self.folder.path()).env("PGPORT", self.port.to_string());
        command.env("PGUSER", "postgres").stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It removes its shared memory when it is asked to end.
        let asked = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        assert!(asked.unwrap().success());
        self.process.wait().unwrap();
    }
}

/// A program of PostgreSQL as the user it has to run as, which is never root.
fn program(name: &str) -> Command {
    let path = BIN.to_owned() + name;
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", &path]);
        command
    } else {
        Command::new(path)
    };
    command.stdout(Stdio::null()).current_dir("/");
    command
}

fn own(folder: &Path) {
    if is_root() {
        succeed(Command::new("chown").arg("postgres:").arg(folder));
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn succeed(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

const BIN: &str = "/usr/lib/postgresql/15/bin/";
const UPDATE: &str = "\\set account random(1, 1000000)\n\
     UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :account;\n";
