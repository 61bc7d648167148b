//! `pam.v1.ElevationService`.

use tonic::{Request, Response, Status, async_trait};

use super::convert::{in_field, remark, uuid};
use super::{Grpc, caller, context, list};
use crate::domain::id::{ElevationId, RoleId};
use crate::domain::moment::{Life, Moment};
use crate::proto::pam::v1::elevation_service_server::ElevationService;
use crate::proto::pam::v1::{
    CloseElevationRequest, CloseElevationResponse, CreateElevationRequest, CreateElevationResponse,
    GetElevationRequest, GetElevationResponse, ListElevationsRequest, ListElevationsResponse,
};
use crate::service::{self, Shown};

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
            requested_start: message
                .requested_start
                .map(Moment::try_from)
                .transpose()
                .map_err(in_field("requested_start"))?,
            justification: remark(message.justification, "justification")?,
        };
        let caller = caller(&extensions)?;
        let shown = self.service.create_elevation(&caller, asked, &context(&extensions)?).await?;
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

    async fn list_elevations(
        &self,
        request: Request<ListElevationsRequest>,
    ) -> Result<Response<ListElevationsResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let caller = caller(&extensions)?;
        let (query, listing) = list::query(message, &list::ELEVATION_FIELDS, &caller)?;
        let offset = query.offset;
        let page = self.service.elevations(&caller, query).await?;
        let next_page_token = listing.next_page_token(offset, &page);
        let now = page.snapshot.now;
        let elevations = page.items.into_iter().map(|elevation| Shown { elevation, now }.into());
        Ok(Response::new(ListElevationsResponse {
            elevations: elevations.collect(),
            next_page_token,
            total_size: page.total.map(u64::cast_signed),
        }))
    }

    async fn close_elevation(
        &self,
        request: Request<CloseElevationRequest>,
    ) -> Result<Response<CloseElevationResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let id = ElevationId(uuid(&message.elevation_id).map_err(in_field("elevation_id"))?);
        let caller = caller(&extensions)?;
        let shown = self.service.close_elevation(&caller, id, &context(&extensions)?).await?;
        Ok(Response::new(CloseElevationResponse { elevation: Some(shown.into()) }))
    }
}
