//! The commands: each is a thin call of what does the work.

mod backup;
mod check;
mod dev;
mod files;
mod notify;
mod role;
mod serve;
mod token;

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::config::{Command, Role, Token};
use crate::domain::error::Error;

/// Does what the command line asks for.
pub async fn run(command: Command) -> Result<(), Error> {
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
fn create_data_dir(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::internal)
}

fn print(text: &str) -> Result<(), Error> {
    io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()).map_err(Error::internal)
}

/// A text of somebody else's as one line that a terminal takes for nothing but text.
fn printable(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\\' | '\'' | '"' => letter.to_string(),
        letter => letter.escape_debug().to_string(),
    };
    text.chars().map(shown).collect()
}
