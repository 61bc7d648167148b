//! `sessioninfo`: who the caller is, as a collection of one (`wire.md` 25).

use async_trait::async_trait;
use http::request::Parts;
use serde::Serialize;
use tonic::Status;

use super::list::Set;
use super::{Rest, message_of};
use crate::proto::pam::v1::GetSessionRequest;

/// `GET sessioninfo`: the caller, as a collection of one.
pub(super) struct Session;

#[async_trait]
impl Set for Session {
    const NAME: &'static str = "sessioninfo";
    type Row = SessionRow;

    async fn page(
        rest: &Rest,
        request: &Parts,
        _: i32,
        _: String,
    ) -> Result<(Vec<SessionRow>, String), Status> {
        let session = rest.sessions.get_session(message_of(request, GetSessionRequest {})).await?;
        let account = session.into_inner().session.unwrap_or_default().account.unwrap_or_default();
        Ok((vec![SessionRow { username: account.name }], String::new()))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SessionRow {
    /// In Windows form, `DOMAIN\user`.
    username: String,
}
