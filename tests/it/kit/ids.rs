//! Ids that tests choose.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use countersign::ids::Ids;
use uuid::Uuid;

/// Ids that count up, and panic on demand to test a defect of the server.
#[derive(Default)]
pub struct BrittleIds {
    count: AtomicU64,
    broken: AtomicBool,
    chosen: Mutex<VecDeque<Uuid>>,
}

impl BrittleIds {
    /// The ids to give next, before counting goes on. A request takes two: its own, and that of its approval.
    pub fn choose(&self, ids: &[&str]) {
        self.chosen
            .lock()
            .unwrap()
            .extend(ids.iter().map(|id| id.parse::<Uuid>().unwrap()));
    }

    pub fn break_once(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }
}

impl Ids for BrittleIds {
    fn next(&self) -> Uuid {
        assert!(
            !self.broken.swap(false, Ordering::SeqCst),
            "the ids are broken"
        );
        if let Some(chosen) = self.chosen.lock().unwrap().pop_front() {
            return chosen;
        }
        Uuid::from_u128(
            0x7000_8000_0000_0000_0000 + u128::from(1 + self.count.fetch_add(1, Ordering::SeqCst)),
        )
    }
}
