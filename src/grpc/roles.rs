//! `pam.v1.RoleService`.

use std::sync::Arc;

use tonic::{Extensions, Request, Response, Status, async_trait};

use super::convert::{self, RoleMask, uuid};
use super::{Grpc, caller, context, list, reply};
use crate::domain::caller::Caller;
use crate::domain::error::Error;
use crate::domain::id::RoleId;
use crate::domain::version::Versioned;
use crate::proto::pam::v1::role_service_server::RoleService;
use crate::proto::pam::v1::{
    self, CreateRoleRequest, CreateRoleResponse, DeleteRoleRequest, DeleteRoleResponse,
    GetRoleRequest, GetRoleResponse, ListAllRolesRequest, ListAllRolesResponse, ListRolesRequest,
    ListRolesResponse, UpdateRoleRequest, UpdateRoleResponse,
};
use crate::service::RoleView;

#[async_trait]
impl RoleService for Grpc {
    async fn create_role(
        &self,
        request: Request<CreateRoleRequest>,
    ) -> Result<Response<CreateRoleResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let caller = self.administrator(&extensions)?;
        let role = convert::role(message.role, self.service.new_role_id())?;
        let role = self
            .service
            .create_role(&caller, role, &*context(&extensions)?)
            .await?;
        let (role, shortages) = reported(role);
        Ok(reply(CreateRoleResponse { role, shortages }))
    }

    async fn get_role(
        &self,
        request: Request<GetRoleRequest>,
    ) -> Result<Response<GetRoleResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let id = RoleId(uuid(&message.role_id, "role_id")?);
        let role = self.service.role(&*caller(&extensions)?, id).await?;
        let (role, shortages) = reported(role);
        Ok(reply(GetRoleResponse { role, shortages }))
    }

    async fn list_roles(
        &self,
        request: Request<ListRolesRequest>,
    ) -> Result<Response<ListRolesResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let caller = caller(&extensions)?;
        let (query, listing) = list::query(message, &list::ROLE_FIELDS, &caller)?;
        let page = self.service.roles(&caller, query).await?;
        Ok(reply(ListRolesResponse {
            next_page_token: listing.next_page_token(&page),
            roles: page.items.into_iter().map(v1::Role::from).collect(),
            total_size: page.total.map(u64::cast_signed),
        }))
    }

    async fn list_all_roles(
        &self,
        request: Request<ListAllRolesRequest>,
    ) -> Result<Response<ListAllRolesResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let caller = caller(&extensions)?;
        let (query, listing) = list::query(message, &list::ROLE_FIELDS, &caller)?;
        let page = self.service.all_roles(&caller, query).await?;
        Ok(reply(ListAllRolesResponse {
            next_page_token: listing.next_page_token(&page),
            roles: page.items.into_iter().map(v1::Role::from).collect(),
            total_size: page.total.map(u64::cast_signed),
        }))
    }

    async fn update_role(
        &self,
        request: Request<UpdateRoleRequest>,
    ) -> Result<Response<UpdateRoleResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let caller = self.administrator(&extensions)?;
        let sent = message.role.ok_or_else(|| Error::required("role"))?;
        let (id, version) = convert::role_version(&sent)?;
        let mask = RoleMask::read(message.update_mask, &sent)?;
        let context = context(&extensions)?;
        let role = match &mask {
            RoleMask::Everything => convert::role(Some(sent), id)?,
            RoleMask::Fields(_) => {
                let stored = self
                    .service
                    .role_to_change(&caller, id, version, &context)
                    .await?;
                convert::merged_role(stored, &sent, &mask)?
            }
        };
        let role = Versioned {
            version,
            value: role,
        };
        let role = self.service.update_role(&caller, role, &context).await?;
        let (role, shortages) = reported(role);
        Ok(reply(UpdateRoleResponse { role, shortages }))
    }

    async fn delete_role(
        &self,
        request: Request<DeleteRoleRequest>,
    ) -> Result<Response<DeleteRoleResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let id = RoleId(uuid(&message.role_id, "role_id")?);
        self.service
            .delete_role(&*caller(&extensions)?, id, &*context(&extensions)?)
            .await?;
        Ok(reply(DeleteRoleResponse {}))
    }
}

impl Grpc {
    /// Returns the caller if they are an administrator. Checked first, so that others learn nothing from validation errors.
    fn administrator(&self, extensions: &Extensions) -> Result<Arc<Caller>, Status> {
        let caller = caller(extensions)?;
        self.service.check_administrator(&caller)?;
        Ok(caller)
    }
}

fn reported(RoleView { role, shortages }: RoleView) -> (Option<v1::Role>, Vec<v1::Shortage>) {
    (
        Some(role.into()),
        shortages.into_iter().map(v1::Shortage::from).collect(),
    )
}
