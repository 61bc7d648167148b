//! Countersign decides privileged-access requests. One contract, in protobuf, is served two ways: gRPC for internal
//! callers and exploration, and the PAM REST API that clients of Microsoft Identity Manager 2016 already speak.
//!
//! A request comes in through [`server`], which assembles everything else. [`auth`] identifies the caller. [`grpc`]
//! implements the services of [`proto`] and calls [`service`]; [`rest`] speaks OData on one side and those same services
//! on the other. [`service`] has one method per operation: it loads facts from [`store`], lets [`domain`] decide, and
//! commits the outcome. What happened goes into the [`record`], an append-only list of events chained by hashes.
//! [`errors`] has the table of errors in both dialects.
//!
//! This is not a library for others: the crate is split from its program so that tests can start a server of their own.
//! Imports point down only, and a test holds them to it.

pub mod auth;
pub mod cli;
pub mod config;
pub mod directory;
pub mod domain;
pub mod errors;
pub mod grpc;
pub mod ids;
pub mod proto;
pub mod record;
pub mod rest;
pub mod server;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod time;
pub mod tokens_file;
