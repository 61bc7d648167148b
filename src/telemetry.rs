//! What the server reports about itself: logs, metrics and traces.

pub mod logs;
pub mod metrics;
pub mod traces;
