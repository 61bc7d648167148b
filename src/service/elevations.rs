//! The operations on elevations.

use super::{Context, MOST_ATTEMPTS, Outcome, Service, Shown, check_snapshot, contended};
use crate::domain::caller::Caller;
use crate::domain::decide::{Command, Facts, Filing, Refusal, decide};
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::id::{ApprovalId, ElevationId, RoleId};
use crate::domain::moment::{Life, Moment};
use crate::domain::query::{ElevationField, Page, Query};
use crate::domain::version::{Version, Versioned};
use crate::store::{ElevationKey, FilingKey, FilingRead, Key, Record};

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
}

impl Service {
    /// Files an elevation, or gives a role up. See the rpc CreateElevation.
    pub async fn create_elevation(
        &self,
        caller: &Caller,
        asked: Request,
        request: &Context,
    ) -> Result<Shown, Error> {
        let filing = Filing {
            elevation: ElevationId(self.ids.next()),
            approval: ApprovalId(self.ids.next()),
            life: asked.life,
            justification: asked.justification,
            requested_start: asked.requested_start,
        };
        for _ in 0..MOST_ATTEMPTS {
            let now = self.clock.now();
            if filing.requested_start.is_some_and(|start| start > now) {
                return Err(Error::invalid("A start in the future cannot be asked for yet.")
                    .in_field("requested_start"));
            }
            let key = FilingKey {
                requester: caller.account.id,
                role: asked.role,
                now,
                live: filing.life == Some(Life::ZERO),
                load: self.settings.quota.is_set(),
            };
            let read = self.store.filing(key).await?;
            let facts = Facts {
                live: &read.live,
                load: read.load,
                role: read.role.as_ref(),
                ..self.facts(caller, request)
            };
            let events = decide(&facts, Command::File(filing.clone()), now)?;
            let outcome = Outcome { events, ..relying_on(&key, read) };
            if let Some(elevation) = self.commit(outcome, request).await? {
                return Ok(Shown { elevation, now });
            }
        }
        Err(contended())
    }

    /// Reads one elevation.
    pub async fn elevation(&self, caller: &Caller, id: ElevationId) -> Result<Shown, Error> {
        self.shown(caller, ElevationKey::Elevation(id)).await
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
            let elevation = read.ok_or(Refusal::AccessDenied)?.elevation;
            let now = self.clock.now();
            let facts = Facts { elevation: Some(&elevation.value), ..self.facts(caller, request) };
            let events = decide(&facts, Command::Close, now)?;
            if events.is_empty() {
                return Ok(Shown { elevation, now });
            }
            let outcome = Outcome { before: vec![elevation], events, ..Outcome::default() };
            if let Some(elevation) = self.commit(outcome, request).await? {
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
        let now = self.clock.now();
        check_snapshot(&query, now)?;
        self.store.elevations(caller.account.id, query, now).await
    }
}

/// What a filing relies on: the role, what it gives up, and under a quota whatever else its requester files.
fn relying_on(key: &FilingKey, read: FilingRead) -> Outcome {
    let role_version = read.role.map_or(Version::ABSENT, |role| role.version);
    let mut outcome = Outcome {
        before: read.live,
        relied_on: vec![(Key::Role(key.role), role_version)],
        ..Outcome::default()
    };
    if key.live {
        outcome.relied_on.push((Key::Live(key.role, Some(key.requester)), read.live_version));
    }
    if key.load {
        outcome.relied_on.push((Key::Guard(key.requester), read.guard));
        outcome.puts.push(Record::Guard(key.requester));
    }
    outcome
}
