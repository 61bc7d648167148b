//! The commands: each is a thin call of the part of the program that does the work.

mod backup;
mod check;
mod checks;
mod data;
mod dev;
mod failure;
mod files;
mod finding;
mod listener;
mod notify;
mod output;
mod role;
mod serve;
mod text;
mod token;

use crate::config::{Command, Role, Token};
pub use failure::sentence;

/// Runs a command.
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
