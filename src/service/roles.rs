//! The operations on roles.

use super::attempt::until_settled;
use super::shared::{Context, Service, enough};
use crate::domain::caller::Caller;
use crate::domain::decide::{self, CreateRoleFacts, DeleteRoleFacts, UpdateRoleFacts};
use crate::domain::error::Error;
use crate::domain::event::Event;
use crate::domain::explain::role_shortages;
use crate::domain::id::RoleId;
use crate::domain::moment::Moment;
use crate::domain::query::{Page, Query, RoleField};
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::role::Role;
use crate::domain::shortage::Shortage;
use crate::domain::version::{Version, Versioned};
use crate::store::{Change, Commit, Key, Record, RoleUse};
use crate::time::Clock;

/// A role, and whether requests for it could be decided.
#[derive(Clone, Debug)]
pub struct RoleView {
    /// The role.
    pub role: Versioned<Role>,
    /// The stages for which the directory knows too few people.
    pub shortages: Vec<Shortage>,
}

impl Service {
    /// Returns an id for a role that came without one.
    pub fn new_role_id(&self) -> RoleId {
        RoleId(self.ids.next())
    }

    /// Checks that the caller is an administrator, before the caller's message is validated.
    ///
    /// # Errors
    ///
    /// `AccessDenied` if not.
    pub fn check_administrator(&self, caller: &Caller) -> Result<(), Error> {
        Ok(rights::administers(caller)?)
    }

    /// Creates a role. See the rpc CreateRole.
    ///
    /// # Errors
    ///
    /// `AccessDenied` if the caller is no administrator. `RoleExists` if a role has the id, or a deleted role had it.
    pub async fn create_role(
        &self,
        caller: &Caller,
        role: Role,
        context: &Context,
    ) -> Result<RoleView, Error> {
        // Read before the commit: once it is durable, no error may reach the caller.
        let mut view = self.view(Version::ABSENT, role.clone()).await?;
        let put = Record::Role(Box::new(role.clone()));
        let decide = |read: &RoleUse, now| {
            let facts = CreateRoleFacts {
                call: context.call(caller),
                id_taken: read.version != Version::ABSENT,
            };
            decide::create_role(&facts, &role, now)
        };
        view.role.version = self.change_role(role.id, put, context, decide).await?;
        Ok(view)
    }

    /// Replaces a role that is at the version of `role`. See the rpc UpdateRole.
    ///
    /// # Errors
    ///
    /// `AccessDenied` if the caller is no administrator or there is no such role. `RoleChanged` if it is at another
    /// version.
    pub async fn update_role(
        &self,
        caller: &Caller,
        role: Versioned<Role>,
        context: &Context,
    ) -> Result<RoleView, Error> {
        let mut view = self.view(role.version, role.value.clone()).await?;
        let put = Record::Role(Box::new(role.value.clone()));
        let decide = |read: &RoleUse, now| {
            let facts = UpdateRoleFacts {
                call: context.call(caller),
                role: read.role.as_ref(),
            };
            decide::update_role(&facts, &role.value, role.version, now)
        };
        view.role.version = self
            .change_role(role.value.id, put, context, decide)
            .await?;
        Ok(view)
    }

    /// Reads a role that the caller is about to change.
    ///
    /// # Errors
    ///
    /// `AccessDenied` if the caller is no administrator or there is no such role. `RoleChanged` if it is not at
    /// `version`.
    pub async fn role_to_change(
        &self,
        caller: &Caller,
        id: RoleId,
        version: Version,
        context: &Context,
    ) -> Result<Role, Error> {
        rights::administers(caller)?;
        until_settled(|| self.role_at(id, version, context)).await
    }

    /// Reads a role at `version`; `None` if it has changed since it was read.
    async fn role_at(
        &self,
        id: RoleId,
        version: Version,
        context: &Context,
    ) -> Result<Option<Role>, Error> {
        let role = self.store.role(id).await?.ok_or(Refusal::AccessDenied)?;
        if role.version == version {
            return Ok(Some(role.value));
        }
        let reported = Some((Key::Role(id), role.version));
        self.refuse(Refusal::RoleChanged, reported, context.deadline)
            .await
    }

    /// Deletes a role. See the rpc DeleteRole.
    ///
    /// # Errors
    ///
    /// `AccessDenied` if the caller is no administrator or there is no such role. `RoleInUse` if its elevations are
    /// pending, scheduled or active.
    pub async fn delete_role(
        &self,
        caller: &Caller,
        id: RoleId,
        context: &Context,
    ) -> Result<(), Error> {
        let decide = |read: &RoleUse, now| {
            let facts = DeleteRoleFacts {
                call: context.call(caller),
                role: read.role.as_ref(),
                in_use: read.in_use,
            };
            decide::delete_role(&facts, now)
        };
        self.change_role(id, Record::RoleDeleted(id), context, decide)
            .await?;
        Ok(())
    }

    /// Reads one role.
    ///
    /// # Errors
    ///
    /// `AccessDenied` if there is none or the caller may not read it.
    pub async fn role(&self, caller: &Caller, id: RoleId) -> Result<RoleView, Error> {
        let role = self.store.role(id).await?.ok_or(Refusal::AccessDenied)?;
        rights::reads_role(caller, &role.value)?;
        self.view(role.version, role.value).await
    }

    /// Checks whether the directory knows enough people for a role.
    async fn view(&self, version: Version, role: Role) -> Result<RoleView, Error> {
        let role = Versioned {
            version,
            value: role,
        };
        let now = self.time.now();
        let most = enough(Some(&role), 0);
        // All people are needed to find a candidate who owns every stage.
        let of_stages = if role.value.rules.auto_approve_owners {
            usize::MAX
        } else {
            most
        };
        let people = self.most_people(Some(&role), of_stages, now).await?;
        // One candidate more than all stages need is enough: at least one of them is needed by no stage.
        let candidates = self
            .directory
            .members(&role.value.candidates, most, now)
            .await?;
        let shortages = role_shortages(&role.value, &people, candidates.as_ref());
        Ok(RoleView { role, shortages })
    }

    /// Lists the roles that the caller may request to hold.
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
    ///
    /// # Errors
    ///
    /// `AccessDenied` if the caller is no administrator.
    pub async fn all_roles(
        &self,
        caller: &Caller,
        query: Query<RoleField>,
    ) -> Result<Page<Versioned<Role>>, Error> {
        rights::administers(caller)?;
        let now = self.time.now();
        self.store.roles(None, query, now).await
    }

    /// Changes the role as `decide` says, and returns its new version. `put` is the record after the change.
    async fn change_role(
        &self,
        id: RoleId,
        put: Record,
        context: &Context,
        decide: impl Fn(&RoleUse, Moment) -> Result<Event, Refusal>,
    ) -> Result<Version, Error> {
        until_settled(|| self.try_to_change_role(id, put.clone(), context, &decide)).await
    }

    /// Changes a role once; `None` if it has changed meanwhile.
    async fn try_to_change_role(
        &self,
        id: RoleId,
        put: Record,
        context: &Context,
        decide: impl Fn(&RoleUse, Moment) -> Result<Event, Refusal>,
    ) -> Result<Option<Version>, Error> {
        let now = self.time.deciding()?;
        let read = self.store.role_use(id, now).await?;
        let mut expects = vec![(Key::Role(id), read.version)];
        let event = match decide(&read, now) {
            Ok(event) => event,
            Err(refusal) => {
                let reported = Some((Key::Role(id), read.version));
                return self.refuse(refusal, reported, context.deadline).await;
            }
        };
        if matches!(put, Record::RoleDeleted(_)) {
            expects.push((Key::Live(id, None), read.live));
        }
        let change = Change {
            expects,
            puts: vec![put],
            events: vec![event],
            deadline: context.deadline,
        };
        match self.store.commit(change).await? {
            Commit::Committed { .. } => Ok(Some(read.version.next())),
            Commit::Conflict => Ok(None),
        }
    }
}
