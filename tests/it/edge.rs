//! The edge of the server: bounds on what a request may bring, in either dialect.

mod clients;
mod files;
mod host;
mod messages;
mod pages;
