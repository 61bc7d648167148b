//! The resources of the REST API: their properties, and the service calls that implement them.

pub mod approvals;
mod call;
mod create;
pub mod fields;
pub mod requests;
pub mod roles;
pub mod session;

#[cfg(test)]
use super::odata::model::{Column, short_name};
use super::odata::set::Set;
use approvals::PendingApprovals;
pub use call::ROOT;
use requests::Requests;
use roles::Roles;
use session::Session;

/// Returns the names of the sets, in the order of the service document.
pub fn names() -> [&'static str; 4] {
    [
        Roles::NAME,
        Requests::NAME,
        PendingApprovals::NAME,
        Session::NAME,
    ]
}

/// A set without its rows, for comparison with the served descriptions.
#[cfg(test)]
pub struct Table {
    /// The name in the path.
    pub name: &'static str,
    /// The type of the rows, without its namespace.
    pub kind: &'static str,
    /// The properties of the key.
    pub key: &'static [&'static str],
    /// The properties in their order.
    pub columns: Vec<Column>,
    /// The actions on a row.
    pub actions: &'static [&'static str],
}

#[cfg(test)]
impl Table {
    fn of<S: Set>() -> Self {
        Self {
            name: S::NAME,
            kind: short_name(S::TYPE),
            key: S::KEY,
            columns: S::PROPERTIES
                .iter()
                .map(|property| property.column)
                .collect(),
            actions: S::ACTIONS,
        }
    }
}

/// Returns all sets, in the order of the service document.
#[cfg(test)]
pub fn tables() -> [Table; 4] {
    [
        Table::of::<Roles>(),
        Table::of::<Requests>(),
        Table::of::<PendingApprovals>(),
        Table::of::<Session>(),
    ]
}
