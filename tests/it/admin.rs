//! What an operator does around a server: files of roles, a check before the start, a signal to read again.

mod check;
mod database;
mod errors;
mod log;
mod reload;
mod role;
mod settings;
