//! Where elevations, roles and the record are kept: a trait, its law, and the backends that keep it.

mod columns;
mod draft;
mod list;
pub mod postgres;
mod queue;
mod ready;
pub mod sqlite;
mod tables;
mod thread;

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use crate::domain::census::Census;
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::event::Event;
use crate::domain::id::{AccountId, ApprovalId, ElevationId, PrincipalId, RoleId};
use crate::domain::moment::Moment;
use crate::domain::query::{ElevationField, Page, Query, RoleField};
use crate::domain::quota::Load;
use crate::domain::role::Role;
use crate::domain::version::{Version, Versioned};
use crate::record::Envelope;
use crate::time::Deadline;

/// A store. One method is one transaction; none is left open when it returns.
///
/// The law, which one suite proves of every backend:
///
/// 1. Acknowledged means durable: after [`commit`](Store::commit) answers, neither kill -9 nor a power loss undoes it.
///    The same holds for a change that writes nothing: what it expects is as durable as if it had written it. A read alone
///    promises no more than that the store holds what it returns now.
/// 2. All or nothing: the records and events of a change appear together or not at all.
/// 3. A change happens only if every expectation held at that moment. Events have one total order, the sequence, without
///    a gap, and it agrees with that.
/// 4. A commit reads the present: what it relied on is checked inside its transaction. A read that starts after an
///    acknowledgement sees it on the node that acknowledged, and on every node that talks to the same primary.
/// 5. A reader never blocks a writer.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes a change, or nothing.
    ///
    /// A change without records and events confirms: it is committed once everything that it expects is durable. Every
    /// response that reports an earlier decision or filing is backed by such a commit.
    ///
    /// Changes that arrive together are written in one transaction and share one sync. A change whose deadline passed
    /// while it waited is dropped, and is `DeadlineExceeded`; once begun it finishes. `Unavailable` leaves the outcome
    /// unknown.
    async fn commit(&self, change: Change) -> Result<Commit, Error>;

    /// Reads an elevation together with its role, as of one moment.
    async fn elevation(&self, key: ElevationKey) -> Result<Option<ElevationRead>, Error>;

    /// Reads a role.
    async fn role(&self, id: RoleId) -> Result<Option<Versioned<Role>>, Error>;

    /// Reads what somebody who files relies on, as of one moment.
    async fn filing(&self, key: FilingKey) -> Result<FilingRead, Error>;

    /// Reads what an administrator who creates, changes or deletes a role relies on, as of one moment.
    async fn role_use(&self, id: RoleId, now: Moment) -> Result<RoleUse, Error>;

    /// Lists the pending elevations that `approver` may decide: of other requesters, of roles whose open stage names the
    /// approver now, without a decision of the approver's.
    async fn pending_approvals(
        &self,
        approver: Approver,
        query: Query<ElevationField>,
        now: Moment,
    ) -> Result<Page<Versioned<Elevation>>, Error>;

    /// Lists the elevations of `requester` in the order of their filing.
    async fn elevations(
        &self,
        requester: AccountId,
        query: Query<ElevationField>,
        now: Moment,
    ) -> Result<Page<Versioned<Elevation>>, Error>;

    /// Lists the roles that one of `candidates` may ask to hold, or all of them, by their display names.
    async fn roles(
        &self,
        candidates: Option<Vec<PrincipalId>>,
        query: Query<RoleField>,
        now: Moment,
    ) -> Result<Page<Versioned<Role>>, Error>;

    /// Reads at most `limit` elevations for which a deadline or a start has come by `now`, in the order of that, and when
    /// the next one comes.
    async fn due(&self, now: Moment, limit: u32) -> Result<DueRead, Error>;

    /// Counts the pending and the active elevations at `now`, and finds the earliest start or end that is due and not
    /// recorded. Its cost grows with the number of elevations that have not ended.
    async fn census(&self, now: Moment) -> Result<Census, Error>;

    /// Reads at most `limit` events of the record, from the one behind `after`.
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Envelope>, Error>;

    /// Reads the events of one elevation, in order.
    async fn events_of(&self, id: ElevationId) -> Result<Vec<Envelope>, Error>;

    /// Reads the last event of the record.
    async fn last_event(&self) -> Result<Option<Envelope>, Error>;

    /// Returns the moment of the last event of the record.
    async fn last_moment(&self) -> Result<Option<Moment>, Error> {
        match self.last_event().await? {
            Some(envelope) => Ok(Some(Moment::from_ticks(envelope.header()?.time))),
            None => Ok(None),
        }
    }

    /// Whether the last commit went through, and when that changes.
    fn ready(&self) -> watch::Receiver<bool>;

    /// Completes when the store has failed for good, which is when the process must end: what a failed sync left behind
    /// cannot be known.
    async fn failed(&self);
}

/// What one decision writes.
#[derive(Clone, Debug)]
pub struct Change {
    /// Every record that the decision relied on, at the version at which it was read.
    pub expects: Vec<(Key, Version)>,
    /// The records after the decision, each of which is expected too.
    pub puts: Vec<Record>,
    /// What happened, in order. No record is written without an event.
    pub events: Vec<Event>,
    /// Until when somebody waits for it.
    pub deadline: Option<Deadline>,
}

impl Change {
    /// Returns whether the change only confirms, see [`Store::commit`].
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

/// Names a record.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Key {
    /// An elevation, with its approval.
    Elevation(ElevationId),
    /// The guard of a requester: whoever files under a quota, or under a name of the client's, relies on it and writes it,
    /// so that of two filings at once the second one sees the first.
    Guard(AccountId),
    /// The elevations of a role that have not ended by their last event, taken together; of one requester, or of all. Nothing writes
    /// it by itself: its version is the sequence of the last event of any of them.
    Live(RoleId, Option<AccountId>),
    /// A role, deleted or not.
    Role(RoleId),
}

/// A record to write.
#[derive(Clone, Debug)]
pub enum Record {
    /// An elevation, with its approval.
    Elevation(Box<Elevation>),
    /// The guard of a requester, which holds nothing but its version.
    Guard(AccountId),
    /// A role.
    Role(Box<Role>),
    /// The end of a role. Its id is never free again.
    RoleDeleted(RoleId),
}

impl Record {
    /// The name of the record.
    pub fn key(&self) -> Key {
        match self {
            Self::Elevation(elevation) => Key::Elevation(elevation.id),
            Self::Guard(account) => Key::Guard(*account),
            Self::Role(role) => Key::Role(role.id),
            Self::RoleDeleted(id) => Key::Role(*id),
        }
    }
}

/// What became of a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Commit {
    /// It is durable.
    Committed {
        /// The sequence of its last event; of the last event of the record for a change without events.
        sequence: u64,
    },
    /// An expectation did not hold; nothing was written.
    Conflict,
}

/// How an elevation is looked up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ElevationKey {
    /// By the id of its approval.
    Approval(ApprovalId),
    /// By its own id.
    Elevation(ElevationId),
}

/// An elevation and its role.
#[derive(Clone, Debug)]
pub struct ElevationRead {
    /// The elevation.
    pub elevation: Versioned<Elevation>,
    /// Its role, when there still is one.
    pub role: Option<Versioned<Role>>,
}

/// Who files, and what of it is to be read.
#[derive(Clone, Copy, Debug)]
pub struct FilingKey {
    /// Who files.
    pub requester: AccountId,
    /// The role that is asked for.
    pub role: RoleId,
    /// The moment at which it is filed.
    pub now: Moment,
    /// Whether to read what is live, which only matters to who gives the role up.
    pub live: bool,
    /// Whether to count, which only matters where there is a quota.
    pub load: bool,
    /// The client's own name of the request, where there is one.
    pub client_request: Option<Uuid>,
}

/// What somebody who files relies on.
#[derive(Clone, Debug)]
pub struct FilingRead {
    /// The role, when there is one.
    pub role: Option<Versioned<Role>>,
    /// The elevations of the role that the requester holds or waits for.
    pub live: Vec<Versioned<Elevation>>,
    /// The version of those, see [`Key::Live`].
    pub live_version: Version,
    /// How much the requester asks for already.
    pub load: Load,
    /// The last elevation that the requester filed under the same name.
    pub filed_before: Option<Versioned<Elevation>>,
    /// The version of the requester's guard, see [`Key::Guard`].
    pub guard: Version,
}

/// What the scheduler is to look at.
#[derive(Clone, Debug)]
pub struct DueRead {
    /// The elevations for which a moment has come, the earliest first.
    pub elevations: Vec<ElevationRead>,
    /// The next moment behind the one that was asked for.
    pub next: Option<Moment>,
}

/// What somebody who changes a role relies on.
#[derive(Clone, Debug)]
pub struct RoleUse {
    /// The role, when there is one.
    pub role: Option<Versioned<Role>>,
    /// The version of the role's record, also after its end.
    pub version: Version,
    /// The version of its live elevations, see [`Key::Live`].
    pub live: Version,
    /// Whether any of them is pending, scheduled or active at this moment.
    pub in_use: bool,
}

/// Whose pending approvals to list.
#[derive(Clone, Debug)]
pub struct Approver {
    /// The account.
    pub account: AccountId,
    /// Everything that the account counts as.
    pub principals: Vec<PrincipalId>,
}
