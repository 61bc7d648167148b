//! The parts that all operations share: the service itself, the context of a request, and reads from the directory.

use std::sync::Arc;

use tokio::sync::watch;

use super::last_census::LastCensus;
use super::turns::Turns;
use super::wake::Wake;
use crate::directory::Directory;
use crate::domain::caller::{Caller, Principals};
use crate::domain::decide::Call;
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::event::Origin;
use crate::domain::explain;
use crate::domain::moment::Moment;
use crate::domain::people::StagePeople;
use crate::domain::policy::Policy;
use crate::domain::role::Role;
use crate::domain::status::Status;
use crate::domain::version::Versioned;
use crate::ids::Ids;
use crate::store::Store;
use crate::time::{Deadline, Time};

/// The operations.
///
/// If the store does not respond, each of them may fail with `Unavailable`. Then it is not known whether it happened.
pub struct Service {
    pub(super) store: Arc<dyn Store>,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) time: Arc<Time>,
    pub(super) ids: Arc<dyn Ids>,
    pub(super) policy: Policy,
    pub(super) wake: Wake,
    pub(super) census: LastCensus,
    pub(super) turns: Turns,
}

/// The context of every request that changes something.
#[derive(Clone, Debug)]
pub struct Context {
    /// The origin of the request, for the record.
    pub origin: Origin,
    /// The time until which the caller waits for the response.
    pub deadline: Option<Deadline>,
}

impl Context {
    /// Returns the call of a caller in this context.
    pub(super) fn call<'a>(&'a self, caller: &'a Caller) -> Call<'a> {
        Call {
            caller,
            origin: &self.origin,
        }
    }
}

/// An elevation, and the moment at which its status is reported.
#[derive(Clone, Debug)]
pub struct ElevationView {
    /// The elevation.
    pub elevation: Versioned<Elevation>,
    /// The moment.
    pub now: Moment,
}

impl Service {
    /// Returns the operations on that store, with that directory, time, ids and policy.
    pub fn new(
        store: Arc<dyn Store>,
        directory: Arc<dyn Directory>,
        time: Arc<Time>,
        ids: Arc<dyn Ids>,
        policy: Policy,
    ) -> Self {
        Self {
            store,
            directory,
            time,
            ids,
            policy,
            wake: Wake::new(),
            census: LastCensus::new(),
            turns: Turns::default(),
        }
    }

    /// Returns whether the last check found the machine's clock fit to decide by, and signals each change.
    pub fn right_time(&self) -> watch::Receiver<bool> {
        self.time.right()
    }

    /// Reads the principals of each person who has decided the approval of an elevation, in the order of the decisions.
    pub(super) async fn deciders(
        &self,
        elevation: &Elevation,
        now: Moment,
    ) -> Result<Vec<Principals>, Error> {
        let mut deciders = Vec::new();
        if let Some(approval) = &elevation.approval {
            for decision in &approval.decisions {
                deciders.push(self.directory.principals(&decision.approver, now).await?);
            }
        }
        Ok(deciders)
    }

    /// Reads the people of each stage of a role, only as many as [`is_undecidable`](explain::is_undecidable) needs
    /// after that number of decisions.
    pub(super) async fn people(
        &self,
        role: Option<&Versioned<Role>>,
        decisions: usize,
        now: Moment,
    ) -> Result<StagePeople, Error> {
        self.most_people(role, enough(role, decisions), now).await
    }

    /// Reads at most `most` people of each stage of a role.
    pub(super) async fn most_people(
        &self,
        role: Option<&Versioned<Role>>,
        most: usize,
        now: Moment,
    ) -> Result<StagePeople, Error> {
        let mut people = StagePeople::default();
        if let Some(role) = role {
            for stage in &role.value.stages {
                people.push(self.directory.members(&stage.approvers, most, now).await?);
            }
        }
        Ok(people)
    }

    /// Returns whether an elevation waits for approval and too few people are left to approve it.
    pub(super) async fn is_undecidable(
        &self,
        elevation: &Elevation,
        role: Option<&Versioned<Role>>,
        now: Moment,
    ) -> Result<bool, Error> {
        if elevation.status_at(now) != Status::PendingApproval {
            return Ok(false);
        }
        let deciders = self.deciders(elevation, now).await?;
        let people = self.people(role, deciders.len(), now).await?;
        Ok(explain::is_undecidable(
            elevation, role, &deciders, &people, now,
        ))
    }
}

/// Returns the number of people of a stage that must be known to determine whether a request can be decided. It is the
/// number that all stages need, plus the people who cannot decide: the requester and those who have decided.
pub(super) fn enough(role: Option<&Versioned<Role>>, decisions: usize) -> usize {
    let mut required: usize = 0;
    if let Some(role) = role {
        for stage in &role.value.stages {
            let of_stage = usize::try_from(stage.required_approvals).unwrap_or(usize::MAX);
            required = required.saturating_add(of_stage);
        }
    }
    required.saturating_add(decisions).saturating_add(1)
}
