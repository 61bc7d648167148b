//! All integration tests, in one binary: stories told by named accounts over the real server, tables, and the law of the
//! store.

mod kit;

mod auth;
mod law;
mod parity;
mod races;
mod rest;
mod server;
mod stories;
mod tidy;
