//! The operations on elevations.

use super::{Context, MOST_ATTEMPTS, Outcome, Service, Shown, contended, tells_unwritten_end};
use crate::domain::caller::Caller;
use crate::domain::decide::{Command, Facts, decide};
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::event::Event;
use crate::domain::id::ElevationId;
use crate::domain::query::{ElevationField, Page, Query};
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::version::Versioned;
use crate::record::Envelope;
use crate::store::{ElevationKey, ElevationRead, Key};
use crate::time::Clock;

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
    /// Reads one elevation, with what happened to it.
    pub async fn elevation(&self, caller: &Caller, id: ElevationId) -> Result<History, Error> {
        let event = |envelope: Envelope| Ok((envelope.sequence, envelope.event()?));
        for _ in 0..MOST_ATTEMPTS {
            // Asked before the reading, see [`Service::shown`].
            let now = self.time.now();
            let read = self.readable(caller, id).await?;
            let events = self
                .store
                .events_of(id)
                .await?
                .into_iter()
                .map(event)
                .collect::<Result<_, Error>>()?;
            // Neither is told of a moment that the other does not know.
            if self.readable(caller, id).await?.elevation.version == read.elevation.version {
                let undecidable = self
                    .is_undecidable(&read.elevation.value, read.role.as_ref(), now)
                    .await?;
                return Ok(History {
                    shown: Shown {
                        elevation: read.elevation,
                        now,
                    },
                    events,
                    undecidable,
                });
            }
        }
        Err(contended())
    }

    /// Reads an elevation with its role, for somebody who may.
    async fn readable(&self, caller: &Caller, id: ElevationId) -> Result<ElevationRead, Error> {
        let read = self
            .store
            .elevation(ElevationKey::Elevation(id))
            .await?
            .ok_or(Refusal::AccessDenied)?;
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
            let facts = Facts {
                elevation: Some(&read.elevation.value),
                ..self.facts(caller, request)
            };
            let decided = decide(&facts, Command::Close, now);
            if tells_unwritten_end(&decided, &read.elevation.value, now) {
                self.pass_time(read, now, request.deadline).await?;
                continue;
            }
            let reported = (
                Key::Elevation(read.elevation.value.id),
                read.elevation.version,
            );
            let confirmed = self
                .confirmed(decided, Some(reported), request.deadline)
                .await?;
            let Some(events) = confirmed else { continue };
            if events.is_empty() {
                return Ok(Shown {
                    elevation: read.elevation,
                    now,
                });
            }
            let outcome = Outcome {
                before: vec![read.elevation],
                events,
                ..Outcome::default()
            };
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
        self.store.elevations(caller.account.id, query, now).await
    }
}
