//! Lists: all pages in one response, since legacy clients follow no next link. If a list exceeds the limit, it has a
//! link to the remaining rows.

use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde::ser::{Serialize, SerializeMap, Serializer};
use tonic::Status;

use super::address::base_url;
use super::atom::{self, Feed, Writer};
use super::document::{Document, answer};
use super::entity::Entity;
use super::format::{DocumentKind, Format, Version};
use super::model::Property;
use super::pages::rows;
use super::query::{ListOptions, next_query};
use super::set::{Page, Set};
use crate::errors::Error;

/// Returns the list of a set, with at most `longest` rows.
pub async fn list<S: Set>(set: &S, request: &Parts, longest: usize) -> Result<Response, Status> {
    let options = ListOptions::parse(request.uri.query())?;
    let base = base_url(request, S::ROOT)?;
    let format = Format::of(options.format.as_deref(), &request.headers);
    if options.count && format.version() == Version::One {
        return Err(Error::invalid(NO_COUNT).into());
    }
    let selected = selected::<S>(options.select.as_deref(), format)?;
    let most = match options.top {
        Some(top) => top.min(longest),
        None => longest,
    };
    let Page {
        rows,
        next_page_token,
        total_size,
    } = rows(set, request, &options, most).await?;
    let top = options.top.map(|top| top - rows.len());
    let mut next = None;
    if !next_page_token.is_empty() && top != Some(0) {
        if format.version() == Version::One {
            return Err(Error::invalid(NO_NEXT_LINK).into());
        }
        let query = next_query(request.uri.query(), top, &next_page_token);
        next = Some(format!("{base}{}?{query}", S::NAME));
    }
    let entities = rows
        .iter()
        .map(|row| entity::<S>(row, &base, &selected, format))
        .collect();
    let metadata = metadata::<S>(&base, &options);
    let list = List {
        base,
        set: S::NAME,
        metadata,
        count: total_size,
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
        if let Some(link) = &self.next {
            object.serialize_entry(next, link)?;
        }
        Ok(())
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
    let set = format!("{base}%24metadata#{}", S::NAME);
    match &options.select {
        Some(names) => format!("{set}&$select={}", names.join(",")),
        None => set,
    }
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
    for name in names {
        if !S::PROPERTIES
            .iter()
            .any(|property| property.column.name == name)
        {
            return Err(Error::invalid(
                "$select names a property that the set does not have.",
            ));
        }
    }
    Ok(S::PROPERTIES
        .iter()
        .filter(|property| names.iter().any(|name| name == property.column.name))
        .collect())
}

const NO_COUNT: &str = "$inlinecount needs a MaxDataServiceVersion of 2.0 or later.";
const NO_NEXT_LINK: &str = "The list is longer than one answer. Use $top or $filter, or a MaxDataServiceVersion of 2.0 or later.";
