//! `pam.v1.RoleService`.

use std::sync::Arc;

use tonic::{Extensions, Request, Response, Status, async_trait};

use super::convert::{self, uuid};
use super::{Grpc, caller, context, list, reply};
use crate::domain::caller::Caller;
use crate::domain::error::Error;
use crate::domain::id::RoleId;
use crate::domain::rights;
use crate::proto::pam::v1::role_service_server::RoleService;
use crate::proto::pam::v1::{
    self, CreateRoleRequest, CreateRoleResponse, DeleteRoleRequest, DeleteRoleResponse,
    GetRoleRequest, GetRoleResponse, ListAllRolesRequest, ListAllRolesResponse, ListRolesRequest,
    ListRolesResponse, UpdateRoleRequest, UpdateRoleResponse,
};
use crate::service::Checked;

#[async_trait]
impl RoleService for Grpc {
    async fn create_role(
        &self,
        request: Request<CreateRoleRequest>,
    ) -> Result<Response<CreateRoleResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let caller = administrator(&extensions)?;
        let role = convert::role(message.role, self.service.new_role_id())?;
        let role = self
            .service
            .create_role(&caller, role, &context(&extensions)?)
            .await?;
        let (role, shortages) = told(role);
        Ok(reply(CreateRoleResponse { role, shortages }))
    }

    async fn get_role(
        &self,
        request: Request<GetRoleRequest>,
    ) -> Result<Response<GetRoleResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let id = RoleId(uuid(&message.role_id, "role_id")?);
        let role = self.service.role(&*caller(&extensions)?, id).await?;
        let (role, shortages) = told(role);
        Ok(reply(GetRoleResponse { role, shortages }))
    }

    async fn list_roles(
        &self,
        request: Request<ListRolesRequest>,
    ) -> Result<Response<ListRolesResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let caller = caller(&extensions)?;
        let (query, listing) = list::query(message, &list::ROLE_FIELDS, &caller)?;
        let offset = query.offset;
        let page = self.service.roles(&caller, query).await?;
        Ok(reply(ListRolesResponse {
            next_page_token: listing.next_page_token(offset, &page),
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
        let offset = query.offset;
        let page = self.service.all_roles(&caller, query).await?;
        Ok(reply(ListAllRolesResponse {
            next_page_token: listing.next_page_token(offset, &page),
            roles: page.items.into_iter().map(v1::Role::from).collect(),
            total_size: page.total.map(u64::cast_signed),
        }))
    }

    async fn update_role(
        &self,
        request: Request<UpdateRoleRequest>,
    ) -> Result<Response<UpdateRoleResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let caller = administrator(&extensions)?;
        let role = convert::revised_role(message.role)?;
        let role = self
            .service
            .update_role(&caller, role, &context(&extensions)?)
            .await?;
        let (role, shortages) = told(role);
        Ok(reply(UpdateRoleResponse { role, shortages }))
    }

    async fn delete_role(
        &self,
        request: Request<DeleteRoleRequest>,
    ) -> Result<Response<DeleteRoleResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let id = RoleId(uuid(&message.role_id, "role_id")?);
        self.service
            .delete_role(&*caller(&extensions)?, id, &context(&extensions)?)
            .await?;
        Ok(reply(DeleteRoleResponse {}))
    }
}

/// The caller, who is one to change roles: what nobody else may ask for is not even looked at.
fn administrator(extensions: &Extensions) -> Result<Arc<Caller>, Status> {
    let caller = caller(extensions)?;
    rights::administers(&caller).map_err(Error::from)?;
    Ok(caller)
}

fn told(Checked { role, shortages }: Checked) -> (Option<v1::Role>, Vec<v1::Shortage>) {
    (
        Some(role.into()),
        shortages.into_iter().map(v1::Shortage::from).collect(),
    )
}
