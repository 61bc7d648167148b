//! The ids of new roles, elevations, approvals and requests.

use uuid::Uuid;

/// A source of ids.
pub trait Ids: Send + Sync {
    /// Returns an id that nothing has.
    fn next(&self) -> Uuid;
}

/// Ids of version 7: random, and in the order of their creation, which keeps the pages of the store together.
#[derive(Clone, Copy, Debug)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is the Ids")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}
