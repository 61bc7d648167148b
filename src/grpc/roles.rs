//! `pam.v1.RoleService`.

use tonic::{Request, Response, Status, async_trait};

use super::convert::{self, in_field, uuid};
use super::{Grpc, caller, deadline};
use crate::domain::id::RoleId;
use crate::proto::pam::v1::role_service_server::RoleService;
use crate::proto::pam::v1::{CreateRoleRequest, CreateRoleResponse, GetRoleRequest, GetRoleResponse};

#[async_trait]
impl RoleService for Grpc {
    async fn create_role(
        &self,
        request: Request<CreateRoleRequest>,
    ) -> Result<Response<CreateRoleResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let role = convert::role(message.role, self.service.new_role_id())?;
        let role = self.service.create_role(&*caller(&extensions)?, role, deadline(&extensions)).await?;
        Ok(Response::new(CreateRoleResponse { role: Some(role.into()) }))
    }

    async fn get_role(&self, request: Request<GetRoleRequest>) -> Result<Response<GetRoleResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let id = RoleId(uuid(&message.role_id).map_err(in_field("role_id"))?);
        let role = self.service.role(&*caller(&extensions)?, id).await?;
        Ok(Response::new(GetRoleResponse { role: Some(role.into()) }))
    }
}
