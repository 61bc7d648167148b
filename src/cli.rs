//! The commands: each is a thin call of what does the work.

mod backup;
mod check;
mod checks;
mod dev;
mod failure;
mod files;
mod notify;
mod role;
mod serve;
mod token;

use std::fs::DirBuilder;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::config::{Command, Role, Token};
use failure::cannot;
pub use failure::sentence;

/// Does what the command line asks for.
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(serve) if serve.dev => dev::run(*serve).await,
        Command::Serve(serve) => serve::run(*serve).await,
        Command::Backup(file) => backup::run(&file),
        Command::CheckConfig(settings) => check::run(&settings).await,
        Command::Role(Role::Apply(file)) => role::apply(&file).await,
        Command::Role(Role::List(format)) => role::list(&format).await,
        Command::Token(Token::List(data)) => token::list(&data),
        Command::Token(Token::New(new)) => token::new(&new),
        Command::Token(Token::Revoke(id)) => token::revoke(&id),
    }
}

/// Makes the folder of the data, for this user's eyes only.
fn create_data_dir(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        cannot(
            format_args!("make the data folder {}", path.display()),
            error,
            "",
        )
    })
}

/// Prints a text. A reader that has closed its end has read enough, and the command goes on: it may have more to do than
/// to print.
fn print(text: &str) -> anyhow::Result<()> {
    match print_whole(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed.map_err(|error| cannot("write to standard output", error, "")),
    }
}

/// Prints a text, and fails if its reader has gone.
fn print_whole(text: &str) -> io::Result<()> {
    let mut output = io::stdout();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
}

/// Reports to the operator what should be looked at, without failing.
fn warn(text: &str) {
    // If standard error is closed, there is no reader to report to.
    let _ = writeln!(io::stderr(), "countersign: warning: {}", printable(text));
}

/// A text of somebody else's as one line that a terminal takes for nothing but text.
fn printable(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\\' | '\'' | '"' => letter.to_string(),
        letter => letter.escape_debug().to_string(),
    };
    text.chars().map(shown).collect()
}
