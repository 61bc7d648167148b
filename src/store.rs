//! The store of elevations, roles and the record: a trait, its law, and two backends.

mod columns;
mod draft;
mod list;
pub mod postgres;
mod queue;
mod ready;
pub mod sqlite;
mod tables;
mod thread;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use crate::domain::census::Census;
use crate::domain::effect::Effect;
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::event::Event;
use crate::domain::id::{AccountId, ApprovalId, EffectId, ElevationId, PrincipalId, RoleId};
use crate::domain::moment::Moment;
use crate::domain::query::{ElevationField, Page, Query, RoleField};
use crate::domain::quota::Load;
use crate::domain::role::Role;
use crate::domain::version::{Version, Versioned};
use crate::record::Envelope;
use crate::time::Deadline;

/// A store. One method is one transaction, and none is open when it returns.
///
/// The law, which one suite of tests proves for every backend:
///
/// 1. Acknowledged means durable: after [`commit`](Store::commit) returns `Committed`, neither kill -9 nor a power loss
///    undoes it. The same is true for a change that writes nothing: what it expects is as durable as if it had written
///    it. A read alone promises only that the store holds what it returns now.
/// 2. All or nothing: the records and events of a change appear together or not at all.
/// 3. A change happens only if every expectation is true at that moment. Events have one total order, the sequence,
///    without a gap, and it agrees with the order of the changes.
/// 4. A commit reads the present: its expectations are checked inside its transaction. A read that starts after an
///    acknowledgement sees it on the node that acknowledged, and on every node that uses the same primary.
/// 5. A reader never blocks a writer.
/// 6. An effect is written in the change that causes it, and is read until a change settles it. Of two changes that settle
///    one attempt, one is a conflict. An effect is not read before the earlier ones of its subject are settled.
///
/// `queue.rs` keeps sentences 1 to 3 for both backends.
///
/// # Errors
///
/// Every method can return `Unavailable`: the store cannot be reached or does not respond in time. A read can be repeated.
/// A defect, such as a row that cannot be read, is `Internal`.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes a change, or nothing.
    ///
    /// A change without records and events confirms: it is committed once everything that it expects is durable. Every
    /// response that reports an earlier decision or filing is backed by such a commit. Changes that arrive together are
    /// written in one transaction and share one sync.
    ///
    /// # Errors
    ///
    /// * `DeadlineExceeded`: the deadline passed while the change waited. Nothing was written.
    /// * `Overloaded`: too many changes wait. Nothing was written.
    /// * `ClockSkewed`: the clock of this node is too far from the database's. Nothing was written.
    /// * `Unavailable`: the outcome is unknown. Read the record before trying again.
    ///
    /// A change that has begun finishes, even if its caller has left.
    async fn commit(&self, change: Change) -> Result<Commit, Error>;

    /// Reads an elevation and its role, in one snapshot. Returns `None` if there is no such elevation.
    async fn elevation(&self, key: ElevationKey) -> Result<Option<ElevationRead>, Error>;

    /// Reads a role. Returns `None` if it does not exist or was deleted.
    async fn role(&self, id: RoleId) -> Result<Option<Versioned<Role>>, Error>;

    /// Reads everything that a filing depends on, in one snapshot.
    async fn filing(&self, key: FilingKey) -> Result<FilingRead, Error>;

    /// Reads everything that a new, changed or deleted role depends on, in one snapshot.
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

    /// Reads at most `limit` elevations whose deadline or start is not after `now`, the earliest first. Also reads the next
    /// alarm after `now`. Checks a bounded number of alarms, so [spent](DueRead::spent) ones can hide later ones until they
    /// are [swept](Self::sweep).
    async fn due(&self, now: Moment, limit: u32) -> Result<DueRead, Error>;

    /// Deletes those of the alarms that are spent in the transaction that deletes. An alarm whose elevation is due at its
    /// moment stays, so a repeated or late sweep loses nothing. See [`commit`](Store::commit) for errors.
    async fn sweep(&self, alarms: Vec<Alarm>) -> Result<(), Error>;

    /// Counts the pending and the active elevations at `now`, and finds the earliest start or end that is due and not
    /// recorded. Its cost grows with the number of elevations that have not ended.
    async fn census(&self, now: Moment) -> Result<Census, Error>;

    /// Reads at most `limit` effects whose time is not after `now`, the earliest first. Leaves out an effect while an earlier
    /// one of its subject is not settled, even if that one is not due.
    async fn effects_due(&self, now: Moment, limit: u32) -> Result<Vec<Versioned<Effect>>, Error>;

    /// Reads at most `limit` events of the record, starting with sequence `after` + 1. The first sequence is 1.
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Envelope>, Error>;

    /// Reads the events of one elevation, in order.
    async fn events_of(&self, id: ElevationId) -> Result<Vec<Envelope>, Error>;

    /// Reads the last event of the record. Returns `None` if the record is empty.
    async fn last_event(&self) -> Result<Option<Envelope>, Error>;

    /// Returns the moment of the last event of the record.
    async fn last_moment(&self) -> Result<Option<Moment>, Error> {
        match self.last_event().await? {
            Some(envelope) => Ok(Some(Moment::from_ticks(envelope.header()?.time))),
            None => Ok(None),
        }
    }

    /// Returns a receiver of the readiness: whether the store takes commits and answers reads. After a refused commit it is
    /// `false` until a commit succeeds; if there is none, the store tries an empty one. With PostgreSQL it is also `false`
    /// while the clock of the node is too far from the database's.
    fn ready(&self) -> watch::Receiver<bool>;

    /// Completes when the store has failed for good. The process must end then, because the content of the file is unknown
    /// after a failed sync.
    async fn failed(&self);
}

/// The expectations and the effects of one decision.
#[derive(Clone, Debug)]
pub struct Change {
    /// Every record that the decision depends on, with the version that was read.
    pub expects: Vec<(Key, Version)>,
    /// The records after the decision. Each of them is expected too.
    pub puts: Vec<Record>,
    /// The events, in order. No record is written without an event. One exception: the outcome of an attempt at an effect is
    /// not a decision, so a change that settles or postpones effects needs none.
    pub events: Vec<Event>,
    /// The time until which the caller waits.
    pub deadline: Option<Deadline>,
}

impl Change {
    /// Returns whether the change only confirms, see [`Store::commit`].
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.puts.is_empty()
    }
}

/// Names a record.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Key {
    /// An effect.
    Effect(EffectId),
    /// An elevation, with its approval.
    Elevation(ElevationId),
    /// The guard of a requester. A filing under a quota or with a request id of the client expects it and writes it, so that
    /// the second of two concurrent filings sees the first.
    Guard(AccountId),
    /// The set of elevations of a role that no event has ended, of one requester or of all. It has no row: its version is
    /// the sequence of the last event of any of them. While the version stays the same, no elevation was added to the set
    /// and none in it has changed. Some may have ended and left it; a decision that relies on those expects each of them.
    Live(RoleId, Option<AccountId>),
    /// A role, deleted or not.
    Role(RoleId),
}

/// A record to write.
#[derive(Clone, Debug)]
pub enum Record {
    /// An effect: a new one, or one whose next attempt is later.
    Effect(Box<Effect>),
    /// The end of an effect: it was carried out, or is given up.
    EffectSettled(EffectId),
    /// An elevation, with its approval.
    Elevation(Box<Elevation>),
    /// The guard of a requester, which holds nothing but its version.
    Guard(AccountId),
    /// A role.
    Role(Box<Role>),
    /// The deletion of a role. Its id is never used again.
    RoleDeleted(RoleId),
}

impl Record {
    /// Returns the key of the record.
    pub fn key(&self) -> Key {
        match self {
            Self::Effect(effect) => Key::Effect(effect.id),
            Self::EffectSettled(id) => Key::Effect(*id),
            Self::Elevation(elevation) => Key::Elevation(elevation.id),
            Self::Guard(account) => Key::Guard(*account),
            Self::Role(role) => Key::Role(role.id),
            Self::RoleDeleted(id) => Key::Role(*id),
        }
    }
}

/// The outcome of a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Commit {
    /// It is durable.
    Committed {
        /// The sequence of its last event; for a change without events, that of the last event of the record.
        sequence: u64,
    },
    /// An expectation was not true. Nothing was written.
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
    /// Its role; `None` if it was deleted.
    pub role: Option<Arc<Versioned<Role>>>,
}

/// A filing, and which parts of [`FilingRead`] to read.
#[derive(Clone, Copy, Debug)]
pub struct FilingKey {
    /// The requester.
    pub requester: AccountId,
    /// The requested role.
    pub role: RoleId,
    /// The time of the filing.
    pub now: Moment,
    /// Whether to read `live`, which only the release of a role needs.
    pub live: bool,
    /// Whether to read `load`, which only a quota needs.
    pub load: bool,
    /// The client's own id of the request.
    pub client_request: Option<Uuid>,
}

/// Everything that a filing depends on.
#[derive(Clone, Debug)]
pub struct FilingRead {
    /// The role; `None` if it does not exist.
    pub role: Option<Versioned<Role>>,
    /// The elevations of the role that the requester holds or waits for; empty if they were not requested.
    pub live: Vec<Versioned<Elevation>>,
    /// The version of `live`, see [`Key::Live`]. [`Version::ABSENT`] if they were not requested: it is read from all of
    /// them, and only a release relies on it.
    pub live_version: Version,
    /// The requester's pending elevations and recent filings; zero if they were not requested.
    pub load: Load,
    /// The last elevation that the requester filed with the same client's id.
    pub filed_before: Option<Versioned<Elevation>>,
    /// The version of the requester's guard, see [`Key::Guard`].
    pub guard: Version,
}

/// The work of the scheduler at one moment.
#[derive(Clone, Debug)]
pub struct DueRead {
    /// The elevations that are due, the earliest first.
    pub elevations: Vec<ElevationRead>,
    /// A moment that is not after the next one at which an elevation is due; `None` if there is none. It is earlier if
    /// only spent alarms come before, or if more spent alarms are due than one read checks.
    pub next: Option<Moment>,
    /// The due alarms that mean nothing any longer: their elevations have ended, or are due at another moment.
    pub spent: Vec<Alarm>,
}

/// A moment at which the scheduler looks at an elevation. Each commit that gives an elevation a moment writes one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Alarm {
    /// The moment.
    pub due: Moment,
    /// The elevation.
    pub id: ElevationId,
}

/// Everything that a change of a role depends on.
#[derive(Clone, Debug)]
pub struct RoleUse {
    /// The role; `None` if it does not exist.
    pub role: Option<Versioned<Role>>,
    /// The version of the role's record, also after its deletion.
    pub version: Version,
    /// The version of its live elevations, see [`Key::Live`].
    pub live: Version,
    /// Whether any of them is pending, scheduled or active at that moment.
    pub in_use: bool,
}

/// The approver whose pending approvals to list.
#[derive(Clone, Debug)]
pub struct Approver {
    /// The account.
    pub account: AccountId,
    /// The account and its groups.
    pub principals: Vec<PrincipalId>,
}
