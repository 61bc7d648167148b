//! The program: parse, start telemetry, run, exit code.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use countersign::{cli, config, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    let config::Cli { command, log, log_format } = config::Cli::parse();
    telemetry::start(log_format, log);
    match cli::run(command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error.source().map(|cause| format!(" ({cause})")).unwrap_or_default();
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "countersign: {error}{cause}");
            ExitCode::FAILURE
        }
    }
}
