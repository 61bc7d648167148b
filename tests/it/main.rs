//! All integration tests, in one binary: stories of named accounts over the real server, tables,
//! and the law of the store.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::too_many_lines,
    reason = "a story or a table reads best in one piece"
)]

mod kit;

mod admin;
mod atom;
mod auth;
mod clock;
mod contract;
mod documented;
mod edge;
mod fields;
mod gauges;
mod killed;
mod law;
mod layers;
mod lifecycle;
mod masks;
mod metrics;
mod naive;
mod nodes;
mod notify;
mod odata;
mod openapi;
mod operations;
mod parity;
mod postgres;
mod quota;
mod races;
mod rest;
mod server;
mod shortage;
mod silence;
mod standby;
mod stories;
mod streams;
mod tidy;
mod traces;
mod unserved;
mod values;
mod way;
mod wire;
