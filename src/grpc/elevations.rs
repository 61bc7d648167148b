//! `pam.v1.ElevationService`.

use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::convert::{in_field, remark, uuid};
use super::{Grpc, caller, context, list, needs_message, reply};
use crate::domain::id::{ElevationId, RoleId};
use crate::domain::moment::{Moment, Seconds};
use crate::proto::pam::v1::elevation_service_server::ElevationService;
use crate::proto::pam::v1::{
    CloseElevationRequest, CloseElevationResponse, CreateElevationRequest, CreateElevationResponse,
    GetElevationRequest, GetElevationResponse, ListElevationsRequest, ListElevationsResponse,
    TimelineEvent,
};
use crate::service::{ElevationView, FilingRequest};

#[async_trait]
impl ElevationService for Grpc {
    async fn create_elevation(
        &self,
        request: Request<CreateElevationRequest>,
    ) -> Result<Response<CreateElevationResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let asked = FilingRequest {
            role: RoleId(uuid(&message.role_id, "role_id")?),
            duration: message
                .duration
                .map(Seconds::try_from)
                .transpose()
                .map_err(in_field("duration"))?,
            requested_start_time: message
                .requested_start_time
                .map(Moment::try_from)
                .transpose()
                .map_err(in_field("requested_start_time"))?,
            justification: remark(message.justification, "justification")?,
            id: client_request(&message.request_id)?,
        };
        let caller = caller(&extensions)?;
        let filed = self
            .service
            .create_elevation(&caller, asked, &*context(&extensions)?)
            .await?;
        Ok(reply(CreateElevationResponse {
            elevation: Some(filed.view.into()),
            undecidable: filed.undecidable,
        }))
    }

    async fn get_elevation(
        &self,
        request: Request<GetElevationRequest>,
    ) -> Result<Response<GetElevationResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let id = ElevationId(uuid(&message.elevation_id, "elevation_id")?);
        let history = self.service.elevation(&*caller(&extensions)?, id).await?;
        Ok(reply(GetElevationResponse {
            elevation: Some(history.view.into()),
            timeline: history
                .events
                .into_iter()
                .map(TimelineEvent::from)
                .collect(),
            undecidable: history.undecidable,
        }))
    }

    async fn list_elevations(
        &self,
        request: Request<ListElevationsRequest>,
    ) -> Result<Response<ListElevationsResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let caller = caller(&extensions)?;
        let (query, listing) = list::query(message, &list::ELEVATION_FIELDS, &caller)?;
        let page = self.service.elevations(&caller, query).await?;
        let next_page_token = listing.next_page_token(&page);
        let now = page.now;
        let elevations = page
            .items
            .into_iter()
            .map(|elevation| ElevationView { elevation, now }.into());
        Ok(reply(ListElevationsResponse {
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
        let id = ElevationId(uuid(&message.elevation_id, "elevation_id")?);
        let caller = caller(&extensions)?;
        let view = self
            .service
            .close_elevation(&caller, id, &*context(&extensions)?)
            .await?;
        let elevation = if needs_message(&extensions) {
            Some(view.into())
        } else {
            None
        };
        Ok(reply(CloseElevationResponse { elevation }))
    }
}

/// The client's own name of a request; empty is none.
fn client_request(id: &str) -> Result<Option<Uuid>, Status> {
    if id.is_empty() {
        return Ok(None);
    }
    Ok(Some(uuid(id, "request_id")?))
}
