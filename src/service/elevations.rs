//! The operations on elevations.

use super::attempt::until_settled;
use super::shared::{Context, ElevationView, Service};
use crate::domain::caller::Caller;
use crate::domain::decide::{self, ClosingFacts};
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::event::Event;
use crate::domain::id::ElevationId;
use crate::domain::query::{ElevationField, Page, Query};
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::version::Versioned;
use crate::store::{ElevationKey, ElevationRead};
use crate::time::Clock;

/// An elevation with its events.
#[derive(Clone, Debug)]
pub struct History {
    /// The elevation.
    pub view: ElevationView,
    /// Its events, each with its sequence in the record.
    pub events: Vec<(u64, Event)>,
    /// Whether it waits for approval and too few people are left to approve it.
    pub undecidable: bool,
}

impl Service {
    /// Reads one elevation with its events.
    ///
    /// # Errors
    ///
    /// `AccessDenied` if there is none or the caller may not read it. `Overloaded` if it kept changing during the
    /// reads.
    pub async fn elevation(&self, caller: &Caller, id: ElevationId) -> Result<History, Error> {
        until_settled(|| self.read_history(caller, id)).await
    }

    /// Reads one elevation with its events; `None` if it has changed meanwhile, so that the two do not agree.
    async fn read_history(
        &self,
        caller: &Caller,
        id: ElevationId,
    ) -> Result<Option<History>, Error> {
        // Taken before the read, see [`Service::approval`].
        let now = self.time.now();
        let read = self.readable(caller, id).await?;
        let mut events = Vec::new();
        for envelope in self.store.events_of(id).await? {
            events.push((envelope.sequence, envelope.event()?));
        }
        let again = self.readable(caller, id).await?;
        if again.elevation.version != read.elevation.version {
            return Ok(None);
        }
        let ElevationRead { elevation, role } = read;
        let undecidable = self
            .is_undecidable(&elevation.value, role.as_deref(), now)
            .await?;
        Ok(Some(History {
            view: ElevationView { elevation, now },
            events,
            undecidable,
        }))
    }

    /// Reads an elevation with its role, if the caller may read it.
    async fn readable(&self, caller: &Caller, id: ElevationId) -> Result<ElevationRead, Error> {
        let read = self.store.elevation(ElevationKey::Elevation(id)).await?;
        let read = read.ok_or(Refusal::AccessDenied)?;
        rights::reads_elevation(caller, &read.elevation.value, read.role.as_deref())?;
        Ok(read)
    }

    /// Closes one elevation, and returns it as closed. See the rpc CloseElevation.
    ///
    /// # Errors
    ///
    /// `AccessDenied` if the caller has not requested it. `ElevationEnded` if it was rejected or has expired.
    pub async fn close_elevation(
        &self,
        caller: &Caller,
        id: ElevationId,
        context: &Context,
    ) -> Result<ElevationView, Error> {
        until_settled(|| self.try_to_close(caller, id, context)).await
    }

    /// Closes once; `None` if the elevation has changed meanwhile.
    async fn try_to_close(
        &self,
        caller: &Caller,
        id: ElevationId,
        context: &Context,
    ) -> Result<Option<ElevationView>, Error> {
        let read = self.store.elevation(ElevationKey::Elevation(id)).await?;
        let read = read.ok_or(Refusal::AccessDenied)?;
        let now = self.time.deciding()?;
        let facts = ClosingFacts {
            call: context.call(caller),
            elevation: &read.elevation.value,
        };
        let ruling = decide::closing(&facts, now);
        self.settle(read, Vec::new(), ruling, now, context.deadline)
            .await
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
