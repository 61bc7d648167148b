//! The resources of the REST API: their properties, and the calls of the services that answer for them.

pub mod approvals;
mod create;
pub mod fields;
pub mod requests;
pub mod roles;
pub mod session;
