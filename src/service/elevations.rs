//! The operations on elevations.

use super::{MOST_ATTEMPTS, Service, Shown, contended};
use crate::domain::caller::Caller;
use crate::domain::decide::{Command, Facts, Filing, Refusal, decide};
use crate::domain::error::Error;
use crate::domain::id::{ApprovalId, ElevationId, RoleId};
use crate::domain::moment::Life;
use crate::steady::Deadline;
use crate::store::{ElevationKey, Key};

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The role.
    pub role: RoleId,
    /// How long to hold it; `None` is as long as the role allows.
    pub life: Option<Life>,
    /// Why, where it is said.
    pub justification: Option<String>,
}

impl Service {
    /// Files an elevation. See the rpc CreateElevation.
    pub async fn create_elevation(
        &self,
        caller: &Caller,
        asked: Request,
        deadline: Option<Deadline>,
    ) -> Result<Shown, Error> {
        let filing = Filing {
            elevation: ElevationId(self.ids.next()),
            approval: ApprovalId(self.ids.next()),
            life: asked.life,
            justification: asked.justification,
        };
        for _ in 0..MOST_ATTEMPTS {
            let role = self.store.role(asked.role).await?.ok_or(Refusal::AccessDenied)?;
            let now = self.clock.now();
            let facts = Facts {
                caller,
                elevation: None,
                pending_timeout: self.settings.pending_timeout,
                requester: caller.principals(),
                role: Some(&role),
            };
            let events = decide(&facts, Command::File(filing.clone()), now)?;
            let relied_on = (Key::Role(asked.role), role.version);
            if let Some(elevation) = self.commit_elevation(None, relied_on, events, deadline).await? {
                return Ok(Shown { elevation, now });
            }
        }
        Err(contended())
    }

    /// Reads one elevation.
    pub async fn elevation(&self, caller: &Caller, id: ElevationId) -> Result<Shown, Error> {
        self.shown(caller, ElevationKey::Elevation(id)).await
    }
}
