//! Lists: all pages in one response, since legacy clients follow no next link. If a list exceeds the limit, it has a
//! link to the remaining rows.

use async_trait::async_trait;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use prost_types::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use tonic::Status;

use super::address::base_url;
use super::atom::{self, Feed, Writer};
use super::document::{Document, answer};
use super::entity::Entity;
use super::filter::comparisons;
use super::format::{DocumentKind, Format, Version};
use super::model::{self, Column, Edm, Property, Source};
use super::query::{ListOptions, next_query};
use crate::errors::Error;
use crate::proto::pam::v1::{Comparison, OrderBy};

/// A set of rows that can be listed.
#[async_trait]
pub trait Set: Send + Sync {
    /// The path of the API that the set belongs to, with a slash at each end.
    const ROOT: &'static str;
    /// The name in the path and in the metadata.
    const NAME: &'static str;
    /// The type of the rows in `$metadata`.
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
    async fn page(&self, request: &Parts, asked: Asked) -> Result<Page<Self::Row>, Status>;
}

/// The request for one page. Another page differs only in its size and token.
#[derive(Clone)]
pub struct Asked {
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

/// Returns the list of a set, with at most `longest` rows.
pub async fn list<S: Set>(set: &S, request: &Parts, longest: usize) -> Result<Response, Status> {
    let options = ListOptions::parse(request.uri.query())?;
    let base = base_url(request, S::ROOT)?;
    let format = Format::of(options.format.as_deref(), &request.headers);
    if options.count && format.version() == Version::One {
        return Err(Error::invalid(NO_COUNT).into());
    }
    let selected = selected::<S>(options.select.as_deref(), format)?;
    let most = options.top.unwrap_or(usize::MAX).min(longest);
    let mut rows: Vec<S::Row> = Vec::new();
    let mut total = None;
    let mut asked = asked::<S>(&options)?;
    let mut largest = LARGEST_PAGE;
    loop {
        asked.page_size = page_size((most - rows.len()).min(largest));
        let page = set.page(request, asked.clone()).await?;
        // Long rows fill a page early, so the store need not search for many more than fit.
        largest = LARGEST_PAGE.min(2 * page.rows.len().max(1));
        rows.extend(page.rows);
        (asked.page_token, total) = (page.next_page_token, total.or(page.total_size));
        if asked.page_token.is_empty() || rows.len() >= most {
            break;
        }
    }
    let token = asked.page_token;
    rows.truncate(most);
    let top = options.top.map(|top| top - rows.len());
    let goes_on = !token.is_empty() && top != Some(0);
    if goes_on && format.version() == Version::One {
        return Err(Error::invalid(NO_NEXT_LINK).into());
    }
    let next = goes_on.then(|| {
        format!(
            "{base}{}?{}",
            S::NAME,
            next_query(request.uri.query(), top, &token)
        )
    });
    let entities = rows
        .iter()
        .map(|row| entity::<S>(row, &base, &selected, format))
        .collect();
    let metadata = metadata::<S>(&base, &options);
    let list = List {
        base,
        set: S::NAME,
        metadata,
        count: total,
        entities,
        next,
        format,
    };
    Ok(answer(StatusCode::OK, format, &list))
}

/// Returns a row as printed.
pub fn entity<'a, S: Set>(
    row: &'a S::Row,
    base: &str,
    selected: &[&'static Property<S::Row>],
    format: Format,
) -> Entity<'a> {
    Entity {
        kind: S::TYPE,
        address: S::address(row).map(|id| format!("{base}{}(guid'{id}')", S::NAME)),
        id: match format {
            Format::Atom(_) => format!("{base}{}({})", S::NAME, S::key(row)),
            Format::Light | Format::NoMetadata | Format::Verbose(_) => String::new(),
        },
        actions: S::ACTIONS,
        updated: S::updated(row),
        cells: selected
            .iter()
            .map(|property| (property.column, (property.value)(row)))
            .collect(),
        format,
    }
}

/// A single row as printed.
pub struct Single<'a> {
    base: String,
    metadata: String,
    entity: Entity<'a>,
}

impl<'a> Single<'a> {
    /// Returns a row of a set, at an API with that address.
    pub fn of<S: Set>(base: &str, entity: Entity<'a>) -> Self {
        Self {
            base: base.to_owned(),
            metadata: format!("{base}%24metadata#{}/@Element", S::NAME),
            entity,
        }
    }
}

impl Document for Single<'_> {
    const KIND: DocumentKind = DocumentKind::Entry;

    fn print_atom(&self, atom: &mut Writer) {
        atom::entry(&self.entity, &self.base, atom);
    }
}

impl Serialize for Single<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        match self.entity.format {
            Format::Verbose(_) => object.serialize_entry("d", &self.entity)?,
            Format::Light => {
                object.serialize_entry("odata.metadata", &self.metadata)?;
                self.entity.print_into(&mut object)?;
            }
            Format::Atom(_) | Format::NoMetadata => self.entity.print_into(&mut object)?,
        }
        object.end()
    }
}

/// A list as printed.
struct List<'a> {
    base: String,
    set: &'static str,
    metadata: String,
    count: Option<i64>,
    entities: Vec<Entity<'a>>,
    next: Option<String>,
    format: Format,
}

impl Document for List<'_> {
    const KIND: DocumentKind = DocumentKind::Feed;

    fn print_atom(&self, atom: &mut Writer) {
        let Self {
            base,
            set,
            count,
            entities,
            next,
            ..
        } = self;
        atom::feed(
            &Feed {
                base,
                set,
                count: *count,
                entities,
                next: next.as_deref(),
            },
            atom,
        );
    }
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        match self.format {
            Format::Verbose(Version::One) => {
                object.serialize_entry("d", &self.entities)?;
                return object.end();
            }
            Format::Verbose(_) => {
                object.serialize_entry("d", &Results(self))?;
                return object.end();
            }
            Format::Atom(_) | Format::Light | Format::NoMetadata => {}
        }
        if self.format == Format::Light {
            object.serialize_entry("odata.metadata", &self.metadata)?;
        }
        self.print_into(&mut object, ["odata.count", "value", "odata.nextLink"])?;
        object.end()
    }
}

impl List<'_> {
    /// Prints the parts that every form has, under the names of the form.
    fn print_into<M: SerializeMap>(
        &self,
        object: &mut M,
        names: [&'static str; 3],
    ) -> Result<(), M::Error> {
        let [count, rows, next] = names;
        if let Some(total) = self.count {
            object.serialize_entry(count, &total.to_string())?;
        }
        object.serialize_entry(rows, &self.entities)?;
        self.next
            .iter()
            .try_for_each(|link| object.serialize_entry(next, link))
    }
}

/// The inside of a list in the older form.
struct Results<'a>(&'a List<'a>);

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        self.0
            .print_into(&mut object, ["__count", "results", "__next"])?;
        object.end()
    }
}

fn metadata<S: Set>(base: &str, options: &ListOptions) -> String {
    let select = options
        .select
        .as_ref()
        .map(|names| format!("&$select={}", names.join(",")));
    format!(
        "{base}%24metadata#{}{}",
        S::NAME,
        select.unwrap_or_default()
    )
}

/// Returns the request for the first page.
fn asked<S: Set>(options: &ListOptions) -> Result<Asked, Error> {
    let column =
        |path: &str| model::column(S::PROPERTIES.iter().map(|property| property.column), path);
    let filter = options
        .filter
        .as_deref()
        .map(|filter| comparisons(filter, &column))
        .transpose()?;
    let order_by = options
        .order
        .iter()
        .map(|(path, descending)| order_by(column(path), *descending));
    let order_by = order_by
        .filter_map(Result::transpose)
        .collect::<Result<_, _>>()?;
    Ok(Asked {
        filter: filter.unwrap_or_default(),
        order_by,
        page_size: 0,
        page_token: options.skip_token.to_string(),
        skip: options.skip,
        include_total_size: options.count,
    })
}

/// Returns the key of a row with a GUID in the form used by addresses.
pub fn guid_key(id: &str) -> String {
    format!("guid'{id}'")
}

/// Returns the number of rows to request at once if that number is missing.
fn page_size(missing: usize) -> i32 {
    i32::try_from(missing.clamp(1, LARGEST_PAGE)).unwrap_or(i32::MAX)
}

/// Returns the key of an order; `None` if the values are the same in every row.
fn order_by(column: Option<Column>, descending: bool) -> Result<Option<OrderBy>, Error> {
    let column = column.filter(|column| column.edm != Edm::Identifier);
    let column =
        column.ok_or_else(|| Error::invalid("$orderby names no property of a simple type."))?;
    Ok(match column.source {
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

/// Returns the selected properties, in the documented order. Without a selection, JSON light prints only the documented
/// ones.
pub fn selected<S: Set>(
    names: Option<&[String]>,
    format: Format,
) -> Result<Vec<&'static Property<S::Row>>, Error> {
    let Some(names) = names else {
        let is_light = matches!(format, Format::Light | Format::NoMetadata);
        return Ok(S::PROPERTIES
            .iter()
            .filter(|property| !is_light || !property.column.unlisted)
            .collect());
    };
    let named =
        |property: &&Property<S::Row>| names.iter().any(|name| name == property.column.name);
    let selected: Vec<_> = S::PROPERTIES.iter().filter(named).collect();
    let known = |name: &String| selected.iter().any(|property| property.column.name == name);
    if names.iter().all(known) {
        Ok(selected)
    } else {
        Err(Error::invalid(
            "$select names a property that the set does not have.",
        ))
    }
}

const LARGEST_PAGE: usize = 1_000;
const NO_COUNT: &str = "$inlinecount needs a MaxDataServiceVersion of 2.0 or later.";
const NO_NEXT_LINK: &str = "The list is longer than one answer. Use $top or $filter, or a MaxDataServiceVersion of 2.0 or later.";
