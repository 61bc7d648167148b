//! The skew between the clock of a node and the clock of the database.

use std::sync::Arc;

use crate::domain::moment::{Moment, Seconds};
use crate::time::Clock;

/// The maximum distance between the clock of a node and the database's, in either direction.
#[derive(Clone)]
pub struct Skew {
    /// The clock of the node.
    pub clock: Arc<dyn Clock>,
    /// The distance.
    pub most: Seconds,
}

impl Skew {
    /// Returns whether the node may decide while the database's clock has this time.
    pub(super) fn allows(&self, time: Moment) -> bool {
        let now = self.clock.now();
        now <= time.after(self.most) && time <= now.after(self.most)
    }
}
