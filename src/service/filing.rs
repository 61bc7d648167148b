//! Filing an elevation, and giving a role up.

use std::future::ready;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, Waker};

use uuid::Uuid;

use super::attempt::{ElevationChange, until_settled};
use super::shared::{Context, ElevationView, Service};
use super::turns::{Line, Place, QueuedFiling, Turn};
use crate::domain::caller::Caller;
use crate::domain::decide::{self, Filing, FilingFacts, ReleaseFacts, Ruling};
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::event::{ClientRequest, Event, Fact};
use crate::domain::explain::is_undecidable;
use crate::domain::id::{ApprovalId, ElevationId, RoleId};
use crate::domain::moment::{Moment, Seconds};
use crate::domain::quota::{Allowance, Load};
use crate::domain::refusal::Refusal;
use crate::domain::role::Role;
use crate::domain::version::{Version, Versioned};
use crate::store::{FilingKey, FilingRead, Key, Record};

/// A request to hold a role, or to give it up.
#[derive(Clone, Debug)]
pub struct FilingRequest {
    /// The role.
    pub role: RoleId,
    /// How long to hold the role; `None` for the maximum of the role, zero to give it up.
    pub duration: Option<Seconds>,
    /// The justification, if there is one.
    pub justification: Option<String>,
    /// The requested start; `None` for now.
    pub requested_start_time: Option<Moment>,
    /// The client's own id of the request, if it gives one.
    pub id: Option<Uuid>,
}

impl FilingRequest {
    fn client_request(&self) -> Option<ClientRequest> {
        Some(ClientRequest::of(
            self.id?,
            self.role,
            self.duration,
            self.justification.as_deref(),
            self.requested_start_time,
        ))
    }
}

/// An elevation that was filed.
#[derive(Clone, Debug)]
pub struct NewElevation {
    /// The elevation.
    pub view: ElevationView,
    /// Whether it waits for approval and too few people are left to approve it.
    pub undecidable: bool,
}

/// A commit that has been queued.
type QueuedCommit<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Versioned<Elevation>>, Error>> + Send + 'a>>;

/// The next step of an attempt to file.
enum Step<'a> {
    /// Report an elevation that was filed before.
    Repeat,
    /// Refuse.
    Refuse(Refusal),
    /// Wait until earlier filings are durable. Then the guard has this version.
    Wait(Version),
    /// Complete the commit. It has this place in its line if later filings may rely on it.
    Commit(QueuedCommit<'a>, Option<Place>),
}

impl Service {
    /// Files an elevation, or gives a role up. See the rpc CreateElevation.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]; one that reports an earlier filing is durable. `Overloaded` if other filings of the requester
    /// kept changing the same records; then nothing was filed.
    pub async fn create_elevation(
        &self,
        caller: &Caller,
        request: FilingRequest,
        context: &Context,
    ) -> Result<NewElevation, Error> {
        let filing = Filing {
            elevation: ElevationId(self.ids.next()),
            approval: ApprovalId(self.ids.next()),
            client_request: request.client_request(),
            duration: request.duration,
            justification: request.justification,
            requested_start_time: request.requested_start_time,
        };
        let turn = self.turns.of(caller.account.id);
        until_settled(|| self.try_to_file(caller, request.role, &filing, &turn, context)).await
    }

    /// Files once; `None` if the facts have to be read again.
    async fn try_to_file(
        &self,
        caller: &Caller,
        role: RoleId,
        filing: &Filing,
        turn: &Turn<'_>,
        context: &Context,
    ) -> Result<Option<NewElevation>, Error> {
        let now = self.time.deciding()?;
        let key = FilingKey {
            requester: caller.account.id,
            role,
            now,
            live: filing.is_release(),
            load: self.policy.quota.is_set() && turn.line().most().is_none(),
            client_request: filing.client_request.map(|request| request.id),
        };
        let read = self.store.filing(key).await?;
        let (role, filed_before) = (read.role.clone(), read.filed_before.clone());
        // Read before the commit: once it is durable, no error may reach the caller.
        let people = self.people(role.as_ref(), 0, now).await?;
        let step = self.take_turn(caller, filing, &key, read, &mut turn.line(), context);
        let reported = filed_before
            .as_ref()
            .map(|before| (Key::Elevation(before.value.id), before.version));
        let (commit, place) = match step {
            None => return Ok(None),
            Some(Step::Commit(commit, place)) => (commit, place),
            Some(Step::Refuse(refusal)) => {
                return self.refuse(refusal, reported, context.deadline).await;
            }
            Some(Step::Wait(guard)) => {
                let guard = Some((Key::Guard(key.requester), guard));
                self.confirm(guard, context.deadline).await?;
                return Ok(None);
            }
            Some(Step::Repeat) => {
                let confirmed = self.confirm(reported, context.deadline).await?;
                return match filed_before {
                    Some(before) if confirmed => self.filed(before, role, now).await.map(Some),
                    _ => Ok(None),
                };
            }
        };
        let committed = commit.await;
        if let Some(place) = place {
            match committed {
                Ok(Some(_)) => turn.line().commit(filing.elevation),
                Ok(None) | Err(_) => turn.line().forget(place),
            }
        }
        let Some(elevation) = committed? else {
            return Ok(None);
        };
        let undecidable = is_undecidable(&elevation.value, role.as_ref(), &[], &people, now);
        let view = ElevationView { elevation, now };
        Ok(Some(NewElevation { view, undecidable }))
    }

    /// Returns an elevation that was filed before.
    async fn filed(
        &self,
        elevation: Versioned<Elevation>,
        role: Option<Versioned<Role>>,
        now: Moment,
    ) -> Result<NewElevation, Error> {
        let undecidable = self
            .is_undecidable(&elevation.value, role.as_ref(), now)
            .await?;
        let view = ElevationView { elevation, now };
        Ok(NewElevation { view, undecidable })
    }

    /// Decides a filing after the filings of the same requester that are in flight, and queues it. Nothing waits here,
    /// so the commits are queued in the order of the turns. `None` if the facts have to be read again.
    fn take_turn<'a>(
        &'a self,
        caller: &Caller,
        filing: &Filing,
        key: &FilingKey,
        mut read: FilingRead,
        line: &mut Line,
        context: &'a Context,
    ) -> Option<Step<'a>> {
        let guarded = self.policy.quota.is_set() || key.client_request.is_some();
        let in_flight = if guarded {
            line.unknown_at(read.guard)?
        } else {
            Vec::new()
        };
        if in_flight
            .iter()
            .any(|other| other.has_client_request(key.client_request))
        {
            return Some(Step::Wait(line.guard()));
        }
        let allowance = if self.policy.quota.is_set() {
            Some(self.allowance(key, &read, &in_flight, line)?)
        } else {
            None
        };
        let ruling = self.decide_filing(caller, filing, &read, allowance, key.now, context);
        let events = match ruling {
            Ok(Ruling::Happened(events)) => events,
            Ok(Ruling::AlreadySo) => return Some(Step::Repeat),
            Err(Refusal::TooManyFilings(_) | Refusal::TooManyPending(_)) if !key.load => {
                // The load was not read, and may have fallen since it was.
                line.set_most(None);
                return None;
            }
            Err(Refusal::TooManyFilings(_) | Refusal::TooManyPending(_))
                if !in_flight.is_empty() =>
            {
                // Filings in flight may still fail, and then they do not count.
                return Some(Step::Wait(line.guard()));
            }
            Err(refusal) => return Some(Step::Refuse(refusal)),
        };
        if !guarded {
            let change = filing_change(key, events, read);
            return Some(Step::Commit(self.queue(change, context), None));
        }
        let queued = QueuedFiling {
            elevation: filing.elevation,
            pending: waits_for_approval(&events),
            client_request: key.client_request,
            committed: false,
        };
        read.guard = line.guard();
        let change = guarded_change(key, events, read, line.uncommitted());
        let commit = self.queue(change, context);
        Some(Step::Commit(commit, Some(line.push(queued))))
    }

    /// Returns the quota with the maximum that the requester asks for; `None` if that has to be counted.
    fn allowance(
        &self,
        key: &FilingKey,
        read: &FilingRead,
        in_flight: &[QueuedFiling],
        line: &mut Line,
    ) -> Option<Allowance> {
        if key.load {
            line.set_most(Some(with_filings(read.load, in_flight)));
        }
        // It is unknown again if another node has filed since it was counted.
        Some(Allowance {
            quota: self.policy.quota,
            load: line.most()?,
        })
    }

    fn decide_filing(
        &self,
        caller: &Caller,
        filing: &Filing,
        read: &FilingRead,
        allowance: Option<Allowance>,
        now: Moment,
        context: &Context,
    ) -> Result<Ruling, Refusal> {
        let facts = FilingFacts {
            call: context.call(caller),
            policy: &self.policy,
            role: read.role.as_ref(),
            allowance,
            filed_before: read.filed_before.as_ref().map(|before| &before.value),
        };
        if filing.is_release() {
            let facts = ReleaseFacts {
                filing: facts,
                live: &read.live,
            };
            decide::release(&facts, filing, now)
        } else {
            decide::filing(&facts, filing, now)
        }
    }

    /// Starts a commit, so that it is in the queue of the store when this returns.
    fn queue<'a>(&'a self, change: ElevationChange, context: &'a Context) -> QueuedCommit<'a> {
        let mut commit: QueuedCommit<'a> = Box::pin(self.commit(change, context.deadline));
        let mut waker = TaskContext::from_waker(Waker::noop());
        match commit.as_mut().poll(&mut waker) {
            Poll::Ready(committed) => Box::pin(ready(committed)),
            Poll::Pending => commit,
        }
    }
}

/// Returns the load with the filings that are in flight.
fn with_filings(load: Load, filings: &[QueuedFiling]) -> Load {
    let pending = filings.iter().filter(|filing| filing.pending).count();
    Load {
        pending: load.pending + pending as u64,
        filings: load.filings + filings.len() as u64,
    }
}

fn waits_for_approval(events: &[Event]) -> bool {
    events
        .iter()
        .any(|event| matches!(&event.fact, Fact::Filed(filed) if filed.approval.is_some()))
}

/// Returns the change of a filing, which relies on the role, and on the live elevations if it gives them up.
fn filing_change(key: &FilingKey, events: Vec<Event>, read: FilingRead) -> ElevationChange {
    let role_version = match read.role {
        Some(role) => role.version,
        None => Version::ABSENT,
    };
    let mut relied_on = vec![(Key::Role(key.role), role_version)];
    if key.live {
        let live = Key::Live(key.role, Some(key.requester));
        relied_on.push((live, read.live_version));
    }
    ElevationChange {
        before: read.live,
        relied_on,
        puts: Vec::new(),
        events,
    }
}

/// Returns the change of a filing that also relies on the guard of its requester and writes it. If the last filing is
/// in flight, the change relies on it too.
fn guarded_change(
    key: &FilingKey,
    events: Vec<Event>,
    read: FilingRead,
    last: Option<ElevationId>,
) -> ElevationChange {
    let guard = (Key::Guard(key.requester), read.guard);
    let mut change = filing_change(key, events, read);
    change.relied_on.push(guard);
    // If the last filing failed and another node filed at that version, the version of the guard alone would match.
    if let Some(last) = last {
        change
            .relied_on
            .push((Key::Elevation(last), Version::ABSENT.next()));
    }
    change.puts.push(Record::Guard(key.requester));
    change
}
