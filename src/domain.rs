//! What Countersign decides, and by which rules. Pure: no clock, no store, no transport.
//!
//! Two functions carry it. [`decide`](decide::decide) answers whether a command may happen and what happened then, as
//! events; [`Elevation::apply`](elevation::Elevation::apply) answers what is true after an event. Every rule is in the
//! first and nowhere else; the second also replays the record.

pub mod account;
pub mod caller;
pub mod decide;
pub mod elevation;
pub mod error;
pub mod event;
pub mod id;
pub mod moment;
pub mod query;
pub mod quota;
pub mod rights;
pub mod role;
pub mod text;
pub mod version;
