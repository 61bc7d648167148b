//! Compiles the proto files: messages, service traits, clients, and the descriptor set that reflection serves.

use std::error::Error;
use std::{env, fs, path::PathBuf};

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
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let api = compile(&API)?;
    fs::write(out.join("pam.v1.bin"), api.encode_file_descriptor_set())?;
    for compiler in [api, compile(&RECORD)?] {
        tonic_prost_build::configure().build_transport(false).compile_fds(compiler.file_descriptor_set())?;
    }
    Ok(())
}

/// With source info, so that the comments reach rustdoc and whoever explores by reflection.
fn compile(files: &[&str]) -> Result<protox::Compiler, protox::Error> {
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    Ok(compiler)
}
