//! The rules of Countersign. They are pure: no clock, no store, no transport.
//!
//! The functions of [`decide`] return whether a command may happen, and the events that follow. [`decide::due`] returns
//! the event that time alone has caused. [`Elevation::apply`](elevation::Elevation::apply) returns the state after an
//! event, and also replays the record. Every rule is in `decide` and nowhere else.

pub mod account;
pub mod approval;
pub mod bulk;
pub mod caller;
pub mod census;
pub mod decide;
pub mod effect;
pub mod elevation;
pub mod error;
pub mod event;
pub mod explain;
pub mod fault;
pub mod id;
pub mod moment;
pub mod people;
pub mod policy;
pub mod query;
pub mod quota;
pub mod reason;
pub mod refusal;
pub mod rights;
pub mod role;
pub mod shortage;
pub mod stages;
pub mod status;
pub mod text;
pub mod timeline;
pub mod version;
pub mod window;
mod wording;
