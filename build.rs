//! Compiles the proto files: messages, service traits, clients, and the descriptor set that reflection serves.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const API: [&str; 6] = [
    "pam/v1/account.proto",
    "pam/v1/approval_service.proto",
    "pam/v1/elevation_service.proto",
    "pam/v1/query.proto",
    "pam/v1/role_service.proto",
    "pam/v1/session_service.proto",
];
const RECORD: [&str; 1] = ["record/v1/event.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!(
        "cargo:rustc-env=BUILD_REVISION={}",
        revision().unwrap_or_else(|| "unknown revision".to_owned())
    );
    if !has_postgres() {
        println!("cargo:rustc-cfg=no_postgres");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let api = compile(&API)?;
    fs::write(out.join("pam.v1.bin"), api.encode_file_descriptor_set())?;
    for compiler in [api, compile(&RECORD)?] {
        tonic_prost_build::configure()
            .build_transport(false)
            .compile_fds(compiler.file_descriptor_set())?;
    }
    Ok(())
}

/// Compiles with source info, so that the comments reach rustdoc and the clients of reflection.
fn compile(files: &[&str]) -> Result<protox::Compiler, protox::Error> {
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(files)?;
    Ok(compiler)
}

/// Whether the tests that need PostgreSQL are run: where its programs are, and with `CI` always. Elsewhere `cargo test` lists
/// them as ignored. What Debian installs is noticed by itself; after another installation, touch this file.
fn has_postgres() -> bool {
    println!("cargo:rustc-check-cfg=cfg(no_postgres)");
    println!("cargo:rerun-if-env-changed=CI");
    let packages = Path::new("/var/lib/dpkg/status");
    if packages.exists() {
        println!("cargo:rerun-if-changed={}", packages.display());
    }
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    env::var_os("CI").is_some()
        || folders
            .chain(env::split_paths(&path))
            .any(|folder| folder.join("initdb").exists())
}

/// Returns the revision of the source: from `SOURCE_REVISION` where there is one, for builds without a repository, or else
/// from git. A repository around the source, which is of something else, does not count.
fn revision() -> Option<String> {
    println!("cargo:rerun-if-env-changed=SOURCE_REVISION");
    if let Ok(revision) = env::var("SOURCE_REVISION")
        && !revision.is_empty()
        && revision
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric())
    {
        return Some(revision);
    }
    let source = env::var("CARGO_MANIFEST_DIR").ok()?;
    let root = git(&source, &["rev-parse", "--show-toplevel"])?;
    if fs::canonicalize(root).ok()? != fs::canonicalize(&source).ok()? {
        return None;
    }
    // Every commit and every checkout appends to the log, where git keeps one.
    for file in ["HEAD", "logs/HEAD"] {
        let path = Path::new(&source).join(git(&source, &["rev-parse", "--git-path", file])?);
        if path.exists() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    git(&source, &["rev-parse", "--short=12", "HEAD"])
}

fn git(folder: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
