//! `sessioninfo`: the caller, as a collection of one (`docs/rest-api.md` 25).

use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tonic::Status;

use super::call::{ROOT, message_of};
use crate::errors::Error;
use crate::proto::pam::v1::session_service_server::SessionService;
use crate::proto::pam::v1::{Account, GetSessionRequest};
use crate::rest::odata::model::{Cell, Edm, Property, Source};
use crate::rest::odata::set::{Page, PageRequest, Set};

/// `GET sessioninfo`: the caller, as a collection of one.
pub struct Session(pub Arc<dyn SessionService>);

#[async_trait]
impl Set for Session {
    const ROOT: &'static str = ROOT;
    const NAME: &'static str = "sessioninfo";
    const TYPE: &'static str = "PAM.SessionInfo";
    const KEY: &'static [&'static str] = &["Username"];
    // See `docs/rest-api.md` B34.
    const PROPERTIES: &'static [Property<Account>] = &[Property::new(
        "Username",
        Edm::String,
        Source::Field("name"),
        |account| Cell::text(&account.name),
    )];
    type Row = Account;

    fn key(account: &Account) -> String {
        let name = account.name.replace('\'', "''");
        format!("'{}'", utf8_percent_encode(&name, NON_ALPHANUMERIC))
    }

    async fn page(&self, request: &Parts, page: PageRequest) -> Result<Page<Account>, Status> {
        let one_row = page.filter.is_empty() && page.skip == 0 && page.page_token.is_empty();
        if !one_row {
            return Err(Error::invalid(
                "sessioninfo is one row, which cannot be filtered or skipped.",
            )
            .into());
        }
        let session = self
            .0
            .get_session(message_of(request, GetSessionRequest {}))
            .await?;
        let account = session
            .into_inner()
            .session
            .unwrap_or_default()
            .account
            .unwrap_or_default();
        Ok(Page {
            rows: vec![account],
            next_page_token: String::new(),
            total_size: page.include_total_size.then_some(1),
        })
    }
}
