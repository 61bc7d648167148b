//! PostgreSQL alone: pgbench updates one row in each transaction.

use std::fs;
use std::path::{Path, PathBuf};

use super::postgres::Server;

/// Creates the table.
pub fn prepare(server: &Server) {
    run(server, &["--initialize", "--quiet", "--scale=10"]);
}

/// Runs `count` updates with prepared statements; returns the files of the times.
pub fn update(server: &Server, clients: usize, count: usize) -> Vec<PathBuf> {
    let folder = PathBuf::from(server.folder());
    fs::write(folder.join("update.sql"), UPDATE).unwrap();
    let extent = [
        format!("--client={clients}"),
        format!("--transactions={}", count / clients),
    ];
    let words = [
        "--no-vacuum",
        "--protocol=prepared",
        "--log",
        "--log-prefix=times",
        "--file=update.sql",
    ];
    for log in logs(&folder) {
        fs::remove_file(log).unwrap();
    }
    run(
        server,
        &[&words[..], &extent.each_ref().map(|word| &**word)].concat(),
    );
    logs(&folder)
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("times.")
        })
        .collect()
}

fn run(server: &Server, words: &[&str]) {
    let folder = server.folder();
    let address = ["--host", &folder, "--username=countersign"];
    server.run("pgbench", &[&address[..], words, &["postgres"]].concat());
}

const UPDATE: &str = "\\set account random(1, 1000000)\n\
     UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :account;\n";
