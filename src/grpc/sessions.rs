//! `pam.v1.SessionService`.

use tonic::{Request, Response, Status, async_trait};

use super::{Grpc, caller, reply};
use crate::proto::pam::v1::session_service_server::SessionService;
use crate::proto::pam::v1::{GetSessionRequest, GetSessionResponse};

#[async_trait]
impl SessionService for Grpc {
    async fn get_session(
        &self,
        request: Request<GetSessionRequest>,
    ) -> Result<Response<GetSessionResponse>, Status> {
        let caller = caller(request.extensions())?;
        Ok(reply(GetSessionResponse {
            session: Some((&*caller).into()),
        }))
    }
}
