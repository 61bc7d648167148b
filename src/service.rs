//! One method per operation: read the facts, decide, apply, commit.
//!
//! Both dialects end here. The service owns the clock and the ids, and knows the store only by its law.

mod approvals;
mod attempt;
mod census;
mod elevations;
mod filing;
mod last_census;
mod roles;
mod scheduler;
mod shared;
mod turns;
mod wake;

pub use approvals::ApprovalDecision;
pub use elevations::History;
pub use filing::{FilingRequest, NewElevation};
pub use roles::RoleView;
pub use shared::{Context, ElevationView, Service};
