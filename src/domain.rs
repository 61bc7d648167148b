//! What Countersign decides, and by which rules. Pure: no clock, no store, no transport.
//!
//! Three functions carry it. [`decide`](decide::decide) answers whether a command may happen and what happened then, as
//! events; [`advance`](decide::advance) what time alone has done; [`Elevation::apply`](elevation::Elevation::apply) what is
//! true after an event. Every rule is in the first two and nowhere else; the third also replays the record.

pub mod account;
pub mod bulk;
pub mod caller;
pub mod census;
pub mod decide;
pub mod elevation;
pub mod error;
pub mod event;
pub mod explain;
pub mod id;
pub mod moment;
pub mod policy;
pub mod query;
pub mod quota;
pub mod reason;
pub mod refusal;
pub mod rights;
pub mod role;
pub mod stages;
pub mod text;
pub mod timeline;
pub mod version;
pub mod window;
