//! Single rows by their keys, as typed clients request them if a query names the key (`docs/rest-api.md` 33).

use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use tonic::Status;
use uuid::Uuid;

use super::address::base_url;
use super::document::answer;
use super::filter::comparisons;
use super::format::Format;
use super::list::{Single, entity, selected};
use super::query::ListOptions;
use super::set::{PageRequest, Set, column};
use crate::errors::{Error, Kind, RefusalKind};

/// Returns the row of a set whose key is a GUID. If the caller's list does not contain the row, the response is the one
/// for a row that does not exist (`docs/rest-api.md` A15).
pub async fn single<S: Set>(set: &S, id: Uuid, request: &Parts) -> Result<Response, Status> {
    let options = ListOptions::parse_single(request.uri.query())?;
    let base = base_url(request, S::ROOT)?;
    let format = Format::of(options.format.as_deref(), &request.headers);
    let selected = selected::<S>(options.select.as_deref(), format)?;
    let page = set.page(request, the_row::<S>(id)?).await?;
    let Some(row) = page.rows.first() else {
        return Err(Error::new(Kind::Refused(RefusalKind::AccessDenied), NO_SUCH_ROW).into());
    };
    let single = Single::of::<S>(&base, entity::<S>(row, &base, &selected, format));
    Ok(answer(StatusCode::OK, format, &single))
}

/// Returns the request to the service: the row with that key.
fn the_row<S: Set>(id: Uuid) -> Result<PageRequest, Error> {
    let filter = comparisons(&format!("{} eq guid'{id}'", S::KEY[0]), &column::<S>)?;
    Ok(PageRequest {
        filter,
        order_by: Vec::new(),
        page_size: 1,
        page_token: String::new(),
        skip: 0,
        include_total_size: false,
    })
}

/// The services' message for an object that the caller may not see.
const NO_SUCH_ROW: &str = "You may not do this, or there is no such object.";
