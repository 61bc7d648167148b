//! The operations on elevations.

use uuid::Uuid;

use super::{
    Context, MOST_ATTEMPTS, Outcome, Service, Shown, check_snapshot, contended, tells_unwritten_end,
};
use crate::domain::caller::Caller;
use crate::domain::decide::{Command, Facts, Filing, decide};
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::event::{ClientRequest, Event};
use crate::domain::explain::is_undecidable;
use crate::domain::id::{ApprovalId, ElevationId, RoleId};
use crate::domain::moment::{Life, Moment};
use crate::domain::query::{ElevationField, Page, Query};
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::role::Role;
use crate::domain::version::{Version, Versioned};
use crate::ports::Clock;
use crate::record::Envelope;
use crate::store::{ElevationKey, ElevationRead, FilingKey, FilingRead, Key, Record};

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The role.
    pub role: RoleId,
    /// How long to hold it; `None` is as long as the role allows, zero gives it up.
    pub life: Option<Life>,
    /// Why, where it is said.
    pub justification: Option<String>,
    /// The start; `None` is now.
    pub requested_start: Option<Moment>,
    /// The client's own name of this request, where it gives one.
    pub id: Option<Uuid>,
}

impl Request {
    fn client_request(&self) -> Option<ClientRequest> {
        let justification = self.justification.as_deref();
        self.id.map(|id| ClientRequest::of(id, self.role, self.life, justification, self.requested_start))
    }
}

/// What was filed.
#[derive(Clone, Debug)]
pub struct Filed {
    /// The elevation.
    pub shown: Shown,
    /// Whether it waits for approval and too few people are left to give it.
    pub undecidable: bool,
}

/// An elevation, and what happened to it.
#[derive(Clone, Debug)]
pub struct History {
    /// The elevation.
    pub shown: Shown,
    /// Its events, each with its place in the record.
    pub events: Vec<(u64, Event)>,
    /// Whether it waits for approval and too few people are left to give it.
    pub undecidable: bool,
}

impl Service {
    /// Files an elevation, or gives a role up. See the rpc CreateElevation.
    pub async fn create_elevation(
        &self,
        caller: &Caller,
        asked: Request,
        request: &Context,
    ) -> Result<Filed, Error> {
        let filing = Filing {
            elevation: ElevationId(self.ids.next()),
            approval: ApprovalId(self.ids.next()),
            client_request: asked.client_request(),
            life: asked.life,
            justification: asked.justification,
            requested_start: asked.requested_start,
        };
        for _ in 0..MOST_ATTEMPTS {
            let now = self.time.deciding()?;
            let key = FilingKey {
                requester: caller.account.id,
                role: asked.role,
                now,
                live: filing.life == Some(Life::ZERO),
                load: self.policy.quota.is_set(),
                client_request: asked.id,
            };
            let mut read = self.store.filing(key).await?;
            let facts = Facts {
                live: &read.live,
                load: read.load,
                filed_before: read.filed_before.as_ref().map(|before| &before.value),
                role: read.role.as_ref(),
                ..self.facts(caller, request)
            };
            let decided = decide(&facts, Command::File(filing.clone()), now);
            let reported = read.filed_before.as_ref();
            let reported = reported.map(|before| (Key::Elevation(before.value.id), before.version));
            let confirmed = self.confirmed(decided, reported, request.deadline).await?;
            let Some(events) = confirmed else { continue };
            let role = read.role.take();
            if let Some(elevation) = read.filed_before.take().filter(|_| events.is_empty()) {
                let undecidable = self.is_undecidable(&elevation.value, role.as_ref(), now).await?;
                return Ok(Filed { shown: Shown { elevation, now }, undecidable });
            }
            // Asked before the commit, behind which nothing may fail any more.
            let people = self.people(role.as_ref(), 0, now).await?;
            let outcome = Outcome { events, ..relying_on(&key, role.as_ref(), read) };
            if let Some(elevation) = self.commit(outcome, request.deadline).await? {
                let undecidable = is_undecidable(&elevation.value, role.as_ref(), &[], &people, now);
                return Ok(Filed { shown: Shown { elevation, now }, undecidable });
            }
        }
        Err(contended())
    }

    /// Reads one elevation, with what happened to it.
    pub async fn elevation(&self, caller: &Caller, id: ElevationId) -> Result<History, Error> {
        let event = |envelope: Envelope| Ok((envelope.sequence, envelope.event()?));
        for _ in 0..MOST_ATTEMPTS {
            // Asked before the reading, see [`Service::shown`].
            let now = self.time.now();
            let read = self.readable(caller, id).await?;
            let events =
                self.store.events_of(id).await?.into_iter().map(event).collect::<Result<_, Error>>()?;
            // Neither is told of a moment that the other does not know.
            if self.readable(caller, id).await?.elevation.version == read.elevation.version {
                let undecidable = self.is_undecidable(&read.elevation.value, read.role.as_ref(), now).await?;
                return Ok(History { shown: Shown { elevation: read.elevation, now }, events, undecidable });
            }
        }
        Err(contended())
    }

    /// Reads an elevation with its role, for somebody who may.
    async fn readable(&self, caller: &Caller, id: ElevationId) -> Result<ElevationRead, Error> {
        let read = self.store.elevation(ElevationKey::Elevation(id)).await?.ok_or(Refusal::AccessDenied)?;
        rights::reads_elevation(caller, &read.elevation.value, read.role.as_ref())?;
        Ok(read)
    }

    /// Gives one elevation up. See the rpc CloseElevation.
    pub async fn close_elevation(
        &self,
        caller: &Caller,
        id: ElevationId,
        request: &Context,
    ) -> Result<Shown, Error> {
        for _ in 0..MOST_ATTEMPTS {
            let read = self.store.elevation(ElevationKey::Elevation(id)).await?;
            let read = read.ok_or(Refusal::AccessDenied)?;
            let now = self.time.deciding()?;
            let facts = Facts { elevation: Some(&read.elevation.value), ..self.facts(caller, request) };
            let decided = decide(&facts, Command::Close, now);
            if tells_unwritten_end(&decided, &read.elevation.value, now) {
                self.pass_time(read, now, request.deadline).await?;
                continue;
            }
            let reported = (Key::Elevation(read.elevation.value.id), read.elevation.version);
            let confirmed = self.confirmed(decided, Some(reported), request.deadline).await?;
            let Some(events) = confirmed else { continue };
            if events.is_empty() {
                return Ok(Shown { elevation: read.elevation, now });
            }
            let outcome = Outcome { before: vec![read.elevation], events, ..Outcome::default() };
            if let Some(elevation) = self.commit(outcome, request.deadline).await? {
                return Ok(Shown { elevation, now });
            }
        }
        Err(contended())
    }

    /// Lists the caller's own elevations.
    pub async fn elevations(
        &self,
        caller: &Caller,
        query: Query<ElevationField>,
    ) -> Result<Page<Versioned<Elevation>>, Error> {
        let now = self.time.now();
        check_snapshot(&query, now)?;
        self.store.elevations(caller.account.id, query, now).await
    }
}

/// What a filing relies on: the role, what it gives up, and, under a quota or a name of the client's, whatever else its
/// requester files.
fn relying_on(key: &FilingKey, role: Option<&Versioned<Role>>, read: FilingRead) -> Outcome {
    let role_version = role.map_or(Version::ABSENT, |role| role.version);
    let mut outcome = Outcome {
        before: read.live,
        relied_on: vec![(Key::Role(key.role), role_version)],
        ..Outcome::default()
    };
    if key.live {
        outcome.relied_on.push((Key::Live(key.role, Some(key.requester)), read.live_version));
    }
    if key.load || key.client_request.is_some() {
        outcome.relied_on.push((Key::Guard(key.requester), read.guard));
        outcome.puts.push(Record::Guard(key.requester));
    }
    outcome
}
