//! A real PostgreSQL of the tests' own, in a temporary folder.
//!
//! It has what the law needs of a server (`fsync` is on), and a collation of its own, so that an order by code point has to
//! be asked for.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use countersign::store::Store;
use countersign::store::postgres::PostgresStore;
use countersign::telemetry::metrics::StoreMetrics;
use tokio_postgres::{Client, NoTls};

/// The server that the tests of this process share, unless they break it.
static SHARED: LazyLock<Arc<Server>> = LazyLock::new(|| Arc::new(Server::start()));

/// A server. It ends with the process, however that ends: its shell waits for the end of its standard input, stops it and
/// deletes its folder.
pub struct Server {
    folder: PathBuf,
    shell: Child,
    input: Option<ChildStdin>,
}

/// A place for one store: a schema.
#[derive(Clone)]
pub struct Database {
    pub server: Arc<Server>,
    schema: String,
}

impl Server {
    /// Starts a server for one test alone.
    pub fn start() -> Self {
        let programs = programs().expect(
            "PostgreSQL; tests that need it are ignored by no_postgres, which build.rs sets",
        );
        let folder = tempfile::Builder::new()
            .prefix("countersign-pg-")
            .tempdir()
            .unwrap();
        let mut shell = as_somebody(&folder)
            .args(["sh", "-c", SCRIPT, "sh"])
            .args([folder.path(), &programs])
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let folder = folder.keep();
        let mut answer = String::new();
        BufReader::new(shell.stdout.take().unwrap())
            .read_line(&mut answer)
            .unwrap();
        let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert_eq!(answer, "started\n", "{}", log());
        let input = shell.stdin.take();
        Self {
            folder,
            shell,
            input,
        }
    }

    /// The folder of its socket.
    pub fn folder(&self) -> String {
        self.folder.display().to_string()
    }

    /// Does something to the server: `pg_ctl` with these words.
    pub fn control(&self, words: &[&str]) {
        let program = programs().unwrap().join("pg_ctl");
        self.run(
            &program.to_string_lossy(),
            &[&["-D", "data", "-l", "log"], words].concat(),
        );
    }

    /// Kills its first process with SIGKILL, and starts it again after the others have ended.
    pub fn kill_and_start(&self) {
        let programs = programs().unwrap().display().to_string();
        self.run("sh", &["-c", KILL_AND_START, "sh", &programs]);
    }

    /// Sends a signal to some of its processes.
    pub fn signal(&self, signal: &str, pids: &[i32]) {
        let pids: Vec<String> = pids.iter().map(i32::to_string).collect();
        self.run("sh", &["-c", &format!("kill -{signal} {}", pids.join(" "))]);
    }

    /// Stops all of its processes, so that they answer nothing and end no connection.
    pub fn freeze(&self) {
        self.run("sh", &["-c", &ALL_OF_IT.replace("SIGNAL", "STOP")]);
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.run("sh", &["-c", &ALL_OF_IT.replace("SIGNAL", "CONT")]);
    }

    /// Runs a program in its folder, as its user.
    pub fn run(&self, program: &str, words: &[&str]) {
        let mut command = as_somebody(&self.folder);
        let done = command
            .arg(program)
            .args(words)
            .current_dir(&self.folder)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{program} {words:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    /// A connection past the store.
    pub async fn connect(&self) -> Client {
        let url = format!(
            "postgres:///postgres?user=countersign&host={}",
            self.folder.display()
        );
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.input = None;
        // Nothing is left to do if it is gone already.
        let _ = self.shell.wait();
    }
}

impl Database {
    /// A new one on the shared server.
    pub async fn new() -> Self {
        Self::on(SHARED.clone()).await
    }

    /// A new one on a server that this test may break.
    pub async fn alone() -> Self {
        Self::on(Arc::new(Server::start())).await
    }

    async fn on(server: Arc<Server>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let schema = format!("test_{}", COUNT.fetch_add(1, Ordering::SeqCst));
        server
            .connect()
            .await
            .batch_execute(&format!("CREATE SCHEMA {schema}"))
            .await
            .unwrap();
        Self { server, schema }
    }

    pub fn url(&self) -> String {
        format!(
            "postgres:///postgres?user=countersign&host={}&options=-c%20search_path%3D{}&application_name={}",
            self.server.folder.display(),
            self.schema,
            self.schema
        )
    }

    /// The URL of the same database at other hosts, such as a proxy.
    pub fn url_at(&self, hosts: &str) -> String {
        let url = self.url();
        let (_, options) = url.split_once("&options").unwrap();
        format!("postgres://countersign@{hosts}/postgres?options{options}")
    }

    pub async fn open(&self) -> Arc<dyn Store> {
        self.open_with(StoreMetrics::default()).await
    }

    pub async fn open_with(&self, metrics: StoreMetrics) -> Arc<dyn Store> {
        Arc::new(
            PostgresStore::open(&self.url(), None, None, metrics)
                .await
                .unwrap(),
        )
    }

    /// A connection past the store.
    pub async fn connect(&self) -> Client {
        let client = self.server.connect().await;
        client
            .batch_execute(&format!("SET search_path = {}", self.schema))
            .await
            .unwrap();
        client
    }

    /// Waits until a connection of the store waits for a lock.
    pub async fn waits_for_lock(&self) {
        let sql =
            "SELECT FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'";
        let observer = self.connect().await;
        while observer
            .query(sql, &[&self.schema])
            .await
            .unwrap()
            .is_empty()
        {
            tokio::task::yield_now().await;
        }
    }

    /// The process ids of the store's own connections.
    pub async fn backends(&self) -> Vec<i32> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = $1";
        let rows = self
            .connect()
            .await
            .query(sql, &[&self.schema])
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// A command as a user that may run PostgreSQL, which root may not; the folder becomes that user's.
fn as_somebody(folder: impl AsRef<Path>) -> Command {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Command::new("env");
    }
    let id = |which| {
        let id = Command::new("id")
            .args([which, "postgres"])
            .output()
            .unwrap();
        String::from_utf8(id.stdout)
            .unwrap()
            .trim()
            .parse::<u32>()
            .ok()
    };
    chown(folder, id("-u"), id("-g")).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    command
}

/// The folder of PostgreSQL's programs: the newest of Debian's, or one on the path.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.splice(0..0, std::env::split_paths(&path));
    folders
        .into_iter()
        .rev()
        .find(|folder| folder.join("initdb").exists())
}

const KILL_AND_START: &str = r#"
    kill -KILL "$(head -n 1 data/postmaster.pid)" || exit
    for try in $(seq 300); do
        "$1/pg_ctl" -D data -l log -w start >>log 2>&1 && exit
        sleep 0.1
    done
    exit 1
"#;
/// The first process is stopped first, so that it starts no other meanwhile.
const ALL_OF_IT: &str = r#"
    first="$(head -n 1 data/postmaster.pid)"
    kill -SIGNAL "$first" || exit
    for child in $(cat "/proc/$first/task/$first/children"); do
        # It may have ended by itself.
        kill -SIGNAL "$child" || true
    done
"#;
const SCRIPT: &str = r#"
    trap : INT TERM
    "$2/initdb" -D data -U countersign -A trust -E UTF8 --no-sync \
        --locale=C.UTF-8 --locale-provider=icu --icu-locale=en >log 2>&1 || exit
    printf '%s\n' "unix_socket_directories = '$1'" "listen_addresses = ''" "max_connections = 200" >>data/postgresql.conf
    "$2/pg_ctl" -D data -l log -w start >>log 2>&1 || exit
    echo started
    read -r end
    kill -CONT "$(head -n 1 data/postmaster.pid)"
    "$2/pg_ctl" -D data -m immediate stop >>log 2>&1
    cd / && rm -rf "$1"
"#;
