//! The filings of one requester take turns: each relies on the one before although that is not durable yet.
//!
//! Filings with a quota or a client request id rely on the guard of their requester and write it. Filings that arrive
//! at once would all read the same guard, and all except one would fail. So the process remembers the filings of a
//! requester that are in flight. The next filing assumes that they succeed. If one of them fails, the filings that
//! relied on it conflict and are decided again. Nodes do not know each other's filings; between nodes only the version
//! of the guard decides.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::domain::id::{AccountId, ElevationId};
use crate::domain::quota::Load;
use crate::domain::version::Version;

/// The requesters with filings in flight.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<AccountId, Arc<Mutex<Line>>>>);

impl Turns {
    /// Returns the turn of a filing of this requester. The filing keeps it until it ends.
    pub(super) fn of(&self, requester: AccountId) -> Turn<'_> {
        let mut lines = lock(&self.0);
        Turn {
            turns: self,
            requester,
            line: lines.entry(requester).or_default().clone(),
        }
    }
}

/// A filing that is being decided. The last one of its requester removes the line from the map.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    requester: AccountId,
    line: Arc<Mutex<Line>>,
}

impl Turn<'_> {
    /// Locks the filings of the requester. The lock must not be kept while waiting for anything.
    pub(super) fn line(&self) -> MutexGuard<'_, Line> {
        lock(&self.line)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut lines = lock(&self.turns.0);
        // One reference is the map's, the other is this turn's. The map is locked, so no other turn can take one.
        if Arc::strong_count(&self.line) == 2 {
            lines.remove(&self.requester);
        }
    }
}

/// The last filings of one requester, each of which moves the guard by one version.
pub(super) struct Line {
    /// The version of the guard before the first of them.
    start: Version,
    filings: VecDeque<QueuedFiling>,
    /// The maximum that the requester asks for, with all of them. It falls only through time and approvers, so it need
    /// not be counted for each filing.
    most: Option<Load>,
    /// The number of times that all filings were forgotten.
    forgotten: u64,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            start: Version::ABSENT,
            filings: VecDeque::new(),
            most: None,
            forgotten: 0,
        }
    }
}

/// A filing that is in flight, or was committed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct QueuedFiling {
    /// Its elevation.
    pub(super) elevation: ElevationId,
    /// Whether it waits for approval.
    pub(super) pending: bool,
    /// The client's own id of the request, if it gives one.
    pub(super) client_request: Option<Uuid>,
    /// Whether its commit has been acknowledged.
    pub(super) committed: bool,
}

impl QueuedFiling {
    /// Returns whether the client gave the filing that id; false for no id.
    pub(super) fn has_client_request(&self, client_request: Option<Uuid>) -> bool {
        client_request.is_some() && self.client_request == client_request
    }
}

/// Where a filing is in its line, see [`Line::forget`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(u64);

impl Line {
    /// Returns the filings that are missing from a read of the guard at this version. `None` if too much has happened
    /// since, so that the store has to be read again.
    pub(super) fn unknown_at(&mut self, guard: Version) -> Option<Vec<QueuedFiling>> {
        let end = self.guard();
        if self.filings.is_empty() || guard.0 > end.0 {
            // Another node has filed, or no node has.
            if guard.0 != end.0 {
                self.most = None;
            }
            self.filings.clear();
            self.start = guard;
        }
        let known = usize::try_from(guard.0.checked_sub(self.start.0)?).ok()?;
        Some(self.filings.range(known..).copied().collect())
    }

    /// Returns the version of the guard after all of them.
    pub(super) fn guard(&self) -> Version {
        Version(self.start.0.saturating_add(self.filings.len() as u64))
    }

    /// Returns the maximum that the requester asks for, if it is known.
    pub(super) fn most(&self) -> Option<Load> {
        self.most
    }

    /// Sets the counted load; `None` if it has to be counted.
    pub(super) fn set_most(&mut self, load: Option<Load>) {
        self.most = load;
    }

    /// Adds a filing that was queued to be committed.
    pub(super) fn push(&mut self, filing: QueuedFiling) -> Place {
        if self.filings.len() == LONGEST_LINE {
            self.filings.pop_front();
            self.start = self.start.next();
        }
        if let Some(most) = &mut self.most {
            most.filings += 1;
            most.pending += u64::from(filing.pending);
        }
        self.filings.push_back(filing);
        Place(self.forgotten)
    }

    /// Records that a filing was committed. The version of the guard that it wrote is then durable.
    pub(super) fn commit(&mut self, elevation: ElevationId) {
        if let Some(filing) = self
            .filings
            .iter_mut()
            .find(|filing| filing.elevation == elevation)
        {
            filing.committed = true;
        }
    }

    /// Returns the last filing if it may still fail. The next one must rely on it in addition to the version of the
    /// guard. Otherwise another node may have filed at that version, and the line would describe the failed filing. The
    /// filings before it need no check, since it relies on them in the same way.
    pub(super) fn uncommitted(&self) -> Option<ElevationId> {
        match self.filings.back() {
            Some(last) if !last.committed => Some(last.elevation),
            _ => None,
        }
    }

    /// Forgets all filings. Called after the filing of that place has failed, and with it those that relied on it.
    pub(super) fn forget(&mut self, place: Place) {
        if place.0 == self.forgotten {
            self.forgotten += 1;
            self.most = None;
            self.filings.clear();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// More filings than one requester can have in flight before other requesters notice the load.
const LONGEST_LINE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn filing(number: u128) -> QueuedFiling {
        let elevation = ElevationId(Uuid::from_u128(number));
        QueuedFiling {
            elevation,
            pending: true,
            client_request: None,
            committed: false,
        }
    }

    #[test]
    fn who_has_read_less_is_shown_more() {
        let mut line = Line::default();
        assert_eq!(line.unknown_at(Version(7)), Some(vec![]));
        assert_eq!(line.guard(), Version(7));
        let filings = [1, 2, 3].map(filing);
        let places = filings.map(|filing| line.push(filing));
        assert_eq!(line.guard(), Version(10));
        for (guard, unknown) in [(7, 0), (8, 1), (10, 3)] {
            assert_eq!(
                line.unknown_at(Version(guard)).unwrap(),
                filings[unknown..],
                "{guard}"
            );
        }
        assert_eq!(
            line.unknown_at(Version(6)),
            None,
            "what was before is not known"
        );
        line.set_most(Some(Load {
            pending: 1,
            filings: 4,
        }));
        assert_eq!(
            line.unknown_at(Version(12)),
            Some(vec![]),
            "another node has filed"
        );
        assert_eq!(line.most(), None, "the version is unknown");
        assert_eq!(line.guard(), Version(12));

        line.set_most(Some(Load {
            pending: 1,
            filings: 4,
        }));
        line.push(filings[0]);
        assert_eq!(
            line.most(),
            Some(Load {
                pending: 2,
                filings: 5
            })
        );
        line.forget(places[1]);
        assert_eq!(line.most(), None);
        assert_eq!(line.unknown_at(Version(12)), Some(vec![]));
        let place = line.push(filings[0]);
        line.forget(places[2]);
        assert_eq!(
            line.unknown_at(Version(12)).unwrap(),
            [filings[0]],
            "forgotten before"
        );
        line.forget(place);
        assert_eq!(line.unknown_at(Version(5)), Some(vec![]));
    }

    /// Another node may have filed at the version that the line expects to write.
    #[test]
    fn a_filing_relies_on_the_last_one_until_that_is_committed() {
        let mut line = Line::default();
        line.unknown_at(Version(5));
        assert_eq!(line.uncommitted(), None);
        let [one, other] = [1, 2].map(filing);
        line.push(one);
        assert_eq!(
            line.unknown_at(Version(6)),
            Some(vec![]),
            "the guard alone does not tell whose filing it is"
        );
        assert_eq!(line.uncommitted(), Some(one.elevation));
        line.commit(one.elevation);
        assert_eq!(line.uncommitted(), None);
        line.push(other);
        line.commit(one.elevation);
        assert_eq!(line.uncommitted(), Some(other.elevation));
    }

    #[test]
    fn a_line_has_an_end() {
        let mut line = Line::default();
        line.unknown_at(Version(0));
        for number in 0..1_000 {
            line.push(filing(number));
        }
        assert_eq!(line.guard(), Version(1_000));
        assert_eq!(
            line.unknown_at(Version(1_000 - LONGEST_LINE as u64))
                .unwrap()
                .len(),
            LONGEST_LINE
        );
        assert_eq!(line.unknown_at(Version(999 - LONGEST_LINE as u64)), None);
    }

    #[test]
    fn the_last_to_leave_takes_all_with_them() {
        let turns = Turns::default();
        let requester = AccountId(Uuid::from_u128(1));
        let (one, other) = (turns.of(requester), turns.of(requester));
        one.line().unknown_at(Version(3));
        drop(one);
        assert_eq!(other.line().guard(), Version(3));
        drop(other);
        assert!(lock(&turns.0).is_empty());
    }
}
