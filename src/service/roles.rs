//! The operations on roles.

use super::{Context, MOST_ATTEMPTS, Service, contended, enough};
use crate::domain::caller::Caller;
use crate::domain::decide::{Command, Facts, decide};
use crate::domain::error::Error;
use crate::domain::explain::role_shortages;
use crate::domain::id::RoleId;
use crate::domain::query::{Page, Query, RoleField};
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::role::Role;
use crate::domain::stages::Shortage;
use crate::domain::version::{Version, Versioned};
use crate::store::{Change, Commit, Key, Record};
use crate::time::Clock;

/// A role, and whether requests for it could be decided.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The role.
    pub role: Versioned<Role>,
    /// The stages for which the directory knows too few people.
    pub shortages: Vec<Shortage>,
}

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
    ) -> Result<Checked, Error> {
        self.put_role(caller, role, Command::CreateRole, request)
            .await
    }

    /// Replaces a role, when it still is at `version`. See the rpc UpdateRole.
    pub async fn update_role(
        &self,
        caller: &Caller,
        Versioned {
            version,
            value: role,
        }: Versioned<Role>,
        request: &Context,
    ) -> Result<Checked, Error> {
        self.put_role(
            caller,
            role,
            |role| Command::UpdateRole(role, version),
            request,
        )
        .await
    }

    /// Reads a role that the caller is about to change.
    ///
    /// # Errors
    /// RoleChanged unless the role is at `version`, AccessDenied if there is no such role or the
    /// caller is not an administrator.
    pub async fn role_to_change(
        &self,
        caller: &Caller,
        id: RoleId,
        version: Version,
        request: &Context,
    ) -> Result<Role, Error> {
        rights::administers(caller)?;
        for _ in 0..MOST_ATTEMPTS {
            let role = self.store.role(id).await?.ok_or(Refusal::AccessDenied)?;
            if role.version == version {
                return Ok(role.value);
            }
            let reported = (Key::Role(id), role.version);
            self.confirmed(Err(Refusal::RoleChanged), Some(reported), request.deadline)
                .await?;
        }
        Err(contended())
    }

    /// Deletes a role. See the rpc DeleteRole.
    pub async fn delete_role(
        &self,
        caller: &Caller,
        id: RoleId,
        request: &Context,
    ) -> Result<(), Error> {
        self.change_role(
            caller,
            id,
            Command::DeleteRole,
            Record::RoleDeleted(id),
            request,
        )
        .await?;
        Ok(())
    }

    /// Reads one role.
    pub async fn role(&self, caller: &Caller, id: RoleId) -> Result<Checked, Error> {
        let role = self.store.role(id).await?.ok_or(Refusal::AccessDenied)?;
        rights::reads_role(caller, &role.value)?;
        self.checked(role).await
    }

    /// Looks whether the directory knows enough people for a role.
    async fn checked(&self, role: Versioned<Role>) -> Result<Checked, Error> {
        let now = self.time.now();
        let most = enough(Some(&role), 0);
        // To tell who owns every stage takes all people.
        let of_stages = if role.value.rules.auto_approve_owners {
            usize::MAX
        } else {
            most
        };
        let people = self.most_people(Some(&role), of_stages, now).await?;
        // One more than all stages need is enough: one of so many is needed by no stage.
        let candidates = self
            .directory
            .members(&role.value.candidates, most, now)
            .await?;
        Ok(Checked {
            shortages: role_shortages(&role.value, &people, candidates.as_ref()),
            role,
        })
    }

    /// Writes a role, for somebody who may.
    async fn put_role(
        &self,
        caller: &Caller,
        role: Role,
        command: impl FnOnce(Role) -> Command,
        request: &Context,
    ) -> Result<Checked, Error> {
        let (id, put) = (role.id, Record::Role(Box::new(role.clone())));
        // Looked up before the commit, behind which nothing may fail any more.
        let mut checked = self
            .checked(Versioned {
                version: Version::ABSENT,
                value: role.clone(),
            })
            .await?;
        checked.role.version = self
            .change_role(caller, id, command(role), put, request)
            .await?;
        Ok(checked)
    }

    /// Lists the roles that the caller may ask to hold.
    pub async fn roles(
        &self,
        caller: &Caller,
        query: Query<RoleField>,
    ) -> Result<Page<Versioned<Role>>, Error> {
        let now = self.time.now();
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
        let now = self.time.now();
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
            let now = self.time.deciding()?;
            let read = self.store.role_use(id, now).await?;
            let facts = Facts {
                role: read.role.as_ref(),
                role_id_taken: read.version != Version::ABSENT,
                role_in_use: read.in_use,
                ..self.facts(caller, request)
            };
            let decided = decide(&facts, command.clone(), now);
            let reported = (Key::Role(id), read.version);
            let confirmed = self
                .confirmed(decided, Some(reported), request.deadline)
                .await?;
            let Some(events) = confirmed else { continue };
            let mut expects = vec![(Key::Role(id), read.version)];
            if matches!(command, Command::DeleteRole) {
                expects.push((Key::Live(id, None), read.live));
            }
            let change = Change {
                expects,
                puts: vec![put.clone()],
                events,
                deadline: request.deadline,
            };
            if let Commit::Committed { .. } = self.store.commit(change).await? {
                return Ok(read.version.next());
            }
        }
        Err(contended())
    }
}
