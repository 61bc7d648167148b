//! Lists: all pages of one moment in one answer, since legacy clients follow no next link; the link is there only past
//! the cap.

use async_trait::async_trait;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use tonic::Status;

use super::Rest;
use super::entity::{self, base_url};
use super::query::ListOptions;

/// What a list is a list of.
#[async_trait]
pub(super) trait Set {
    /// The name in the path and in the metadata.
    const NAME: &'static str;
    /// A row as its clients read it.
    type Row: Serialize + Send;

    /// Reads the page of that size behind that token; answers its rows, and the token of the page behind it.
    async fn page(
        rest: &Rest,
        request: &Parts,
        page_size: i32,
        page_token: String,
    ) -> Result<(Vec<Self::Row>, String), Status>;
}

/// A list as its clients read it.
#[derive(Serialize)]
struct List<T> {
    #[serde(rename = "odata.metadata")]
    metadata: String,
    value: Vec<T>,
    #[serde(rename = "odata.nextLink", skip_serializing_if = "Option::is_none")]
    next_link: Option<String>,
}

impl Rest {
    /// Answers the list of a set.
    pub(super) async fn list<S: Set>(&self, request: &Parts) -> Result<Response, Status> {
        let options = ListOptions::parse(request.uri.query())?;
        let base = base_url(&request.uri, &request.headers)?;
        let (mut rows, mut token) = (Vec::new(), options.skip_token);
        loop {
            let page = S::page(self, request, self.page_size(rows.len()), token).await?;
            rows.extend(page.0);
            token = page.1;
            if token.is_empty() || rows.len() >= self.longest_list {
                break;
            }
        }
        let list = List {
            metadata: format!("{base}%24metadata#{}", S::NAME),
            value: rows,
            next_link: (!token.is_empty()).then(|| format!("{base}{}?$skiptoken={token}", S::NAME)),
        };
        Ok(entity::json(StatusCode::OK, &list))
    }

    /// How many to ask for when so many are there.
    fn page_size(&self, there: usize) -> i32 {
        let missing = self.longest_list.saturating_sub(there).clamp(1, LARGEST_PAGE);
        i32::try_from(missing).unwrap_or(i32::MAX)
    }
}

const LARGEST_PAGE: usize = 1_000;
