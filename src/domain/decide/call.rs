//! The call that carries a command.

use crate::domain::account::Principal;
use crate::domain::caller::Caller;
use crate::domain::event::{Actor, Event, Fact, Origin, Subject};
use crate::domain::id::ElevationId;
use crate::domain::moment::Moment;

/// A caller, and the origin of the request.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The caller.
    pub caller: &'a Caller,
    /// The origin of the request, for the record.
    pub origin: &'a Origin,
}

impl Call<'_> {
    /// Returns the caller as the actor of an event. `via` is the principal of the role that gives the right; `None` if
    /// no role does.
    pub(super) fn actor(&self, via: Option<&Principal>) -> Actor {
        Actor {
            account: self.caller.account.clone(),
            via: via.cloned(),
            credential: self.caller.credential.clone(),
            origin: self.origin.clone(),
        }
    }

    /// Returns an event of one elevation with the caller as its actor, see [`actor`](Self::actor).
    pub(super) fn event(
        &self,
        elevation: ElevationId,
        via: Option<&Principal>,
        time: Moment,
        fact: Fact,
    ) -> Event {
        Event {
            time,
            subject: Subject::Elevation(elevation),
            by: Some(self.actor(via)),
            fact,
        }
    }
}
