//! The program: parse, start telemetry, run, exit code.

use std::io::Write;
use std::process::ExitCode;

use countersign::telemetry::logs;
use countersign::{cli, config};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let config::Cli {
        command,
        log,
        log_format,
    } = config::Cli::read();
    logs::start(log_format, log.filter());
    match cli::run(command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, there is no reader to report to.
            let _ = writeln!(std::io::stderr(), "countersign: {}", cli::sentence(&error));
            ExitCode::FAILURE
        }
    }
}
