//! Sets of rows, and their pages.

use async_trait::async_trait;
use http::request::Parts;
use prost_types::Timestamp;
use tonic::Status;

use super::model::{self, Column, Property};
use crate::proto::pam::v1::{Comparison, OrderBy};

/// A set of rows that can be listed.
#[async_trait]
pub trait Set: Send + Sync {
    /// The path of the API that the set belongs to, with a slash at each end.
    const ROOT: &'static str;
    /// The name in the path and in the metadata.
    const NAME: &'static str;
    /// The full name of the type of the rows in `$metadata`.
    const TYPE: &'static str;
    /// The properties that identify a row in `$metadata`.
    const KEY: &'static [&'static str];
    /// The properties in the documented order.
    const PROPERTIES: &'static [Property<Self::Row>];
    /// The actions on a row.
    const ACTIONS: &'static [&'static str] = &[];
    /// The message that is listed.
    type Row: Send + Sync + 'static;

    /// Returns the GUID in the address of a row, if rows have an address.
    fn address(_: &Self::Row) -> Option<&str> {
        None
    }

    /// Returns the key of a row in the form used by addresses.
    fn key(row: &Self::Row) -> String;

    /// Returns the moment of the last known change of a row.
    fn updated(_: &Self::Row) -> Option<Timestamp> {
        None
    }

    /// Reads a page.
    async fn page(&self, request: &Parts, page: PageRequest) -> Result<Page<Self::Row>, Status>;
}

/// The request for one page. Another page differs only in its size and token.
#[derive(Clone)]
pub struct PageRequest {
    pub filter: Vec<Comparison>,
    pub order_by: Vec<OrderBy>,
    pub page_size: i32,
    pub page_token: String,
    pub skip: i32,
    pub include_total_size: bool,
}

/// A page that a service returned.
pub struct Page<T> {
    pub rows: Vec<T>,
    pub next_page_token: String,
    pub total_size: Option<i64>,
}

/// Returns the column that a path names in a set.
pub fn column<S: Set>(path: &str) -> Option<Column> {
    model::column(S::PROPERTIES.iter().map(|property| property.column), path)
}

/// Returns the key of a row with a GUID in the form used by addresses.
pub fn guid_key(id: &str) -> String {
    format!("guid'{id}'")
}
