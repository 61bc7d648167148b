//! The operations on roles.

use super::{MOST_ATTEMPTS, Service, contended};
use crate::domain::caller::Caller;
use crate::domain::decide::{Command, Facts, Refusal, decide};
use crate::domain::error::Error;
use crate::domain::id::RoleId;
use crate::domain::rights;
use crate::domain::role::Role;
use crate::domain::version::{Version, Versioned};
use crate::steady::Deadline;
use crate::store::{Change, Commit, Key, Record};

impl Service {
    /// An id for a role that came without one.
    pub fn new_role_id(&self) -> RoleId {
        RoleId(self.ids.next())
    }

    /// Creates a role. See the rpc CreateRole.
    pub async fn create_role(
        &self,
        caller: &Caller,
        role: Role,
        deadline: Option<Deadline>,
    ) -> Result<Versioned<Role>, Error> {
        for _ in 0..MOST_ATTEMPTS {
            let existing = self.store.role(role.id).await?;
            let facts = Facts {
                caller,
                elevation: None,
                pending_timeout: self.settings.pending_timeout,
                requester: caller.principals(),
                role: existing.as_ref(),
            };
            let events = decide(&facts, Command::CreateRole(role.clone()), self.clock.now())?;
            let change = Change {
                expects: vec![(Key::Role(role.id), Version::ABSENT)],
                puts: vec![Record::Role(Box::new(role.clone()))],
                events,
                deadline,
            };
            if let Commit::Committed { .. } = self.store.commit(change).await? {
                return Ok(Versioned { version: Version::ABSENT.next(), value: role });
            }
        }
        Err(contended())
    }

    /// Reads one role.
    pub async fn role(&self, caller: &Caller, id: RoleId) -> Result<Versioned<Role>, Error> {
        let role = self.store.role(id).await?.ok_or(Refusal::AccessDenied)?;
        rights::reads_role(caller, &role.value)?;
        Ok(role)
    }
}
