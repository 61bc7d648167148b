//! A real server on port 0, with a temporary store, a clock that is set by hand, and a cast of accounts.

mod clock;
mod http;
mod ids;
mod messages;
mod options;
mod person;
mod server;

pub use clock::HandClock;
pub use http::{Answer, answered};
pub use messages::{principal, reason, replacing, role};
pub use options::{Around, Options};
pub use person::{Authorized, Person};
pub use server::Kit;

use countersign::domain::moment::Moment;

/// The administrator.
pub const ANN: &str = "PRIV\\ann";
/// A candidate of the kit's roles.
pub const JEN: &str = "PRIV\\jen";
/// A candidate through the group `SQL Users`.
pub const GIL: &str = "PRIV\\gil";
/// An approver of the kit's roles.
pub const SAM: &str = "PRIV\\sam";
/// An approver through the group `SQL Owners`.
pub const KIM: &str = "PRIV\\kim";
/// The monitor.
pub const MAX: &str = "PRIV\\max";
/// An account without rights.
pub const EVE: &str = "PRIV\\eve";

const CAST: [(&str, &[&str]); 7] = [
    (ANN, &[]),
    (JEN, &[]),
    (GIL, &["SQL Users"]),
    (SAM, &[]),
    (KIM, &["SQL Owners"]),
    (MAX, &[]),
    (EVE, &[]),
];

/// 2015-06-12T04:49:37.58Z, when every test begins.
pub const START: Moment = Moment::from_ticks(14_340_845_775_800_000);
