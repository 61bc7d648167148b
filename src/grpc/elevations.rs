//! `pam.v1.ElevationService`.

use tonic::{Request, Response, Status, async_trait};

use super::convert::{in_field, remark, uuid};
use super::{Grpc, caller, deadline};
use crate::domain::id::{ElevationId, RoleId};
use crate::domain::moment::Life;
use crate::proto::pam::v1::elevation_service_server::ElevationService;
use crate::proto::pam::v1::{
    CreateElevationRequest, CreateElevationResponse, GetElevationRequest, GetElevationResponse,
};
use crate::service;

#[async_trait]
impl ElevationService for Grpc {
    async fn create_elevation(
        &self,
        request: Request<CreateElevationRequest>,
    ) -> Result<Response<CreateElevationResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let asked = service::Request {
            role: RoleId(uuid(&message.role_id).map_err(in_field("role_id"))?),
            life: message.life.map(Life::try_from).transpose().map_err(in_field("life"))?,
            justification: remark(message.justification, "justification")?,
        };
        let caller = caller(&extensions)?;
        let shown = self.service.create_elevation(&caller, asked, deadline(&extensions)).await?;
        Ok(Response::new(CreateElevationResponse { elevation: Some(shown.into()) }))
    }

    async fn get_elevation(
        &self,
        request: Request<GetElevationRequest>,
    ) -> Result<Response<GetElevationResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let id = ElevationId(uuid(&message.elevation_id).map_err(in_field("elevation_id"))?);
        let shown = self.service.elevation(&*caller(&extensions)?, id).await?;
        Ok(Response::new(GetElevationResponse { elevation: Some(shown.into()) }))
    }
}
