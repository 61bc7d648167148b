//! Reads a list page by page.

use http::request::Parts;
use tonic::Status;

use super::filter::comparisons;
use super::model::{Column, Source};
use super::query::ListOptions;
use super::set::{Page, PageRequest, Set, column};
use crate::errors::Error;
use crate::proto::pam::v1::OrderBy;

/// Reads the first `most` rows, page by page. The token is that of the rows after them.
pub async fn rows<S: Set>(
    set: &S,
    request: &Parts,
    options: &ListOptions,
    most: usize,
) -> Result<Page<S::Row>, Status> {
    let mut rows: Vec<S::Row> = Vec::new();
    let mut total_size = None;
    let mut next = first_page::<S>(options)?;
    let mut largest = LARGEST_PAGE;
    loop {
        next.page_size = page_size((most - rows.len()).min(largest));
        let page = set.page(request, next.clone()).await?;
        // Long rows fill a page early, so the store need not search for many more than fit.
        largest = LARGEST_PAGE.min(2 * page.rows.len().max(1));
        rows.extend(page.rows);
        next.page_token = page.next_page_token;
        total_size = total_size.or(page.total_size);
        if next.page_token.is_empty() || rows.len() >= most {
            break;
        }
    }
    rows.truncate(most);
    Ok(Page {
        rows,
        next_page_token: next.page_token,
        total_size,
    })
}

/// Returns the request for the first page.
fn first_page<S: Set>(options: &ListOptions) -> Result<PageRequest, Error> {
    let filter = match &options.filter {
        Some(filter) => comparisons(filter, &column::<S>)?,
        None => Vec::new(),
    };
    let mut orders = Vec::new();
    for (path, descending) in &options.order {
        orders.extend(order_by(column::<S>(path), *descending)?);
    }
    Ok(PageRequest {
        filter,
        order_by: orders,
        page_size: 0,
        page_token: options.skip_token.clone(),
        skip: options.skip,
        include_total_size: options.count,
    })
}

/// Returns the number of rows to request at once if that number is missing.
fn page_size(missing: usize) -> i32 {
    i32::try_from(missing.clamp(1, LARGEST_PAGE)).unwrap_or(i32::MAX)
}

/// Returns the key of an order; `None` if the values are the same in every row.
fn order_by(column: Option<Column>, descending: bool) -> Result<Option<OrderBy>, Error> {
    let source = match column {
        Some(column) if !column.edm.is_complex() => column.source,
        _ => {
            return Err(Error::invalid(
                "$orderby names no property of a simple type.",
            ));
        }
    };
    Ok(match source {
        Source::EmptyIsNull(field)
        | Source::Field(field)
        | Source::IsSet(field)
        | Source::TimeOfDay(field) => Some(OrderBy {
            field: field.to_owned(),
            descending,
        }),
        // The listed message orders by its own names, whose order may be the reverse.
        Source::Named(field, names) => {
            let runs_back = !names.is_sorted_by_key(|(_, value)| *value);
            Some(OrderBy {
                field: field.to_owned(),
                descending: descending != runs_back,
            })
        }
        Source::False => None,
    })
}

const LARGEST_PAGE: usize = 1_000;
