//! The operations on roles.

use super::{Context, MOST_ATTEMPTS, Service, check_snapshot, contended};
use crate::domain::caller::Caller;
use crate::domain::decide::{Command, Facts, Refusal, decide};
use crate::domain::error::Error;
use crate::domain::id::RoleId;
use crate::domain::query::{Page, Query, RoleField};
use crate::domain::rights;
use crate::domain::role::Role;
use crate::domain::version::{Version, Versioned};
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
        request: &Context,
    ) -> Result<Versioned<Role>, Error> {
        let (id, put) = (role.id, Record::Role(Box::new(role.clone())));
        let version = self.change_role(caller, id, Command::CreateRole(role.clone()), put, request).await?;
        Ok(Versioned { version, value: role })
    }

    /// Replaces a role, when it still is at `version`. See the rpc UpdateRole.
    pub async fn update_role(
        &self,
        caller: &Caller,
        Versioned { version, value: role }: Versioned<Role>,
        request: &Context,
    ) -> Result<Versioned<Role>, Error> {
        let (id, put) = (role.id, Record::Role(Box::new(role.clone())));
        let command = Command::UpdateRole(role.clone(), version);
        let version = self.change_role(caller, id, command, put, request).await?;
        Ok(Versioned { version, value: role })
    }

    /// Deletes a role. See the rpc DeleteRole.
    pub async fn delete_role(&self, caller: &Caller, id: RoleId, request: &Context) -> Result<(), Error> {
        self.change_role(caller, id, Command::DeleteRole, Record::RoleDeleted(id), request).await?;
        Ok(())
    }

    /// Reads one role.
    pub async fn role(&self, caller: &Caller, id: RoleId) -> Result<Versioned<Role>, Error> {
        let role = self.store.role(id).await?.ok_or(Refusal::AccessDenied)?;
        rights::reads_role(caller, &role.value)?;
        Ok(role)
    }

    /// Lists the roles that the caller may ask to hold.
    pub async fn roles(
        &self,
        caller: &Caller,
        query: Query<RoleField>,
    ) -> Result<Page<Versioned<Role>>, Error> {
        let now = self.clock.now();
        check_snapshot(&query, now)?;
        let candidates = caller.principals().iter().collect();
        self.store.roles(Some(candidates), query, now).await
    }

    /// Lists all roles, for an administrator.
    pub async fn all_roles(
        &self,
        caller: &Caller,
        query: Query<RoleField>,
    ) -> Result<Page<Versioned<Role>>, Error> {
        rights::administers(caller)?;
        let now = self.clock.now();
        check_snapshot(&query, now)?;
        self.store.roles(None, query, now).await
    }

    /// Decides a command on a role and writes what comes of it; answers the role's new version.
    async fn change_role(
        &self,
        caller: &Caller,
        id: RoleId,
        command: Command,
        put: Record,
        request: &Context,
    ) -> Result<Version, Error> {
        for _ in 0..MOST_ATTEMPTS {
            let now = self.clock.now();
            let read = self.store.role_use(id, now).await?;
            let facts = Facts {
                role: read.role.as_ref(),
                role_id_taken: read.version != Version::ABSENT,
                role_in_use: read.in_use,
                ..self.facts(caller, request)
            };
            let events = decide(&facts, command.clone(), now)?;
            let mut expects = vec![(Key::Role(id), read.version)];
            if matches!(command, Command::DeleteRole) {
                expects.push((Key::Live(id, None), read.live));
            }
            let change = Change { expects, puts: vec![put.clone()], events, deadline: request.deadline };
            if let Commit::Committed { .. } = self.store.commit(change).await? {
                return Ok(read.version.next());
            }
        }
        Err(contended())
    }
}
