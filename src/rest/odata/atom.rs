//! Atom, as Microsoft's library for OData v3 prints it, for clients that read nothing else (`docs/rest-api.md` 90).

pub mod namespaces;
mod reader;
mod writer;

use prost_types::Timestamp;
use xml::writer::XmlEvent;
use xml::writer::events::StartElementBuilder;

use super::entity::Entity;
use super::format::{Format, Version};
use super::model::{Cell, Column, Edm, short_name};
use super::moment::{MIN_VALUE, printed_time_of_day, utc};
use namespaces::{ATOM, DATA, METADATA, PUBLISHING, SCHEME};
pub use reader::{Value, properties};
pub use writer::Writer;

/// The parts of a list that Atom prints.
pub struct Feed<'a> {
    /// The address of the API.
    pub base: &'a str,
    /// The name of the set.
    pub set: &'static str,
    /// The number of matching rows, if requested.
    pub count: Option<i64>,
    /// The rows.
    pub entities: &'a [Entity<'a>],
    /// The address of the rest of the list.
    pub next: Option<&'a str>,
}

/// Prints a list.
pub fn feed(feed: &Feed<'_>, atom: &mut Writer) {
    let Feed {
        base,
        set,
        count,
        entities,
        next,
    } = *feed;
    atom.open(root("feed", base));
    if let Some(count) = count {
        atom.leaf("m:count", &count.to_string());
    }
    atom.leaf("id", &format!("{base}{set}"));
    atom.leaf(XmlEvent::start_element("title").attr("type", "text"), set);
    let changes = entities.iter().filter_map(|entity| entity.updated);
    updated(
        changes.max_by_key(|change| (change.seconds, change.nanos)),
        atom,
    );
    atom.empty(
        XmlEvent::start_element("link")
            .attr("rel", "self")
            .attr("title", set)
            .attr("href", set),
    );
    if entities.is_empty() {
        author(atom);
    }
    for entity in entities {
        atom.open(XmlEvent::start_element("entry"));
        inside(entity, base, atom);
        atom.close();
    }
    if let Some(next) = next {
        atom.empty(
            XmlEvent::start_element("link")
                .attr("rel", "next")
                .attr("href", next),
        );
    }
    atom.close();
}

/// Prints a single row, of an API at that address.
pub fn entry(entity: &Entity<'_>, base: &str, atom: &mut Writer) {
    atom.open(root("entry", base));
    inside(entity, base, atom);
    atom.close();
}

/// Prints the names of the sets.
pub fn service_document(base: &str, sets: &[&str], atom: &mut Writer) {
    let service = XmlEvent::start_element("service")
        .default_ns(PUBLISHING)
        .ns("atom", ATOM);
    atom.open(service.attr("xml:base", base));
    atom.open(XmlEvent::start_element("workspace"));
    atom.leaf("atom:title", "Default");
    for set in sets {
        atom.open(XmlEvent::start_element("collection").attr("href", set));
        atom.leaf("atom:title", set);
        atom.close();
    }
    atom.close();
    atom.close();
}

/// Prints an error.
pub fn error(code: &str, message: &str, atom: &mut Writer) {
    atom.open(XmlEvent::start_element("m:error").ns("m", METADATA));
    atom.leaf("m:code", code);
    atom.leaf(
        XmlEvent::start_element("m:message").attr("xml:lang", "en-US"),
        message,
    );
    atom.close();
}

fn root<'a>(name: &'a str, base: &'a str) -> StartElementBuilder<'a> {
    let root = XmlEvent::start_element(name)
        .default_ns(ATOM)
        .ns("d", DATA)
        .ns("m", METADATA);
    root.attr("xml:base", base)
}

/// Prints the inside of an entry, in the order of the original.
fn inside(entity: &Entity<'_>, base: &str, atom: &mut Writer) {
    atom.leaf("id", &entity.id);
    atom.empty(
        XmlEvent::start_element("category")
            .attr("term", entity.kind)
            .attr("scheme", SCHEME),
    );
    if let Some(address) = &entity.address {
        let edit = XmlEvent::start_element("link")
            .attr("rel", "edit")
            .attr("title", short_name(entity.kind));
        atom.empty(edit.attr("href", address));
        if entity.format == Format::Atom(Version::Three) {
            for name in entity.actions {
                action(name, base, address, atom);
            }
        }
    }
    atom.empty(XmlEvent::start_element("title"));
    updated(entity.updated, atom);
    author(atom);
    atom.open(XmlEvent::start_element("content").attr("type", "application/xml"));
    atom.open(XmlEvent::start_element("m:properties"));
    for (column, cell) in &entity.cells {
        property(*column, cell, atom);
    }
    atom.close();
    atom.close();
}

/// Prints an action, which entries name since version 3.
fn action(name: &str, base: &str, address: &str, atom: &mut Writer) {
    let metadata = format!("{base}%24metadata#Container.{name}");
    let target = format!("{address}/{name}");
    let action = XmlEvent::start_element("m:action").attr("metadata", &metadata);
    atom.empty(action.attr("title", name).attr("target", &target));
}

fn updated(time: Option<Timestamp>, atom: &mut Writer) {
    let printed = match time {
        Some(time) => utc(Some(time)),
        None => format!("{MIN_VALUE}Z"),
    };
    atom.leaf("updated", &printed);
}

/// Prints the author that Atom requires. OData leaves the name empty.
fn author(atom: &mut Writer) {
    atom.open(XmlEvent::start_element("author"));
    atom.empty(XmlEvent::start_element("name"));
    atom.close();
}

fn property(column: Column, cell: &Cell<'_>, atom: &mut Writer) {
    let name = format!("d:{}", column.name);
    let property = match column.edm {
        Edm::String => XmlEvent::start_element(&*name),
        edm => XmlEvent::start_element(&*name).attr("m:type", edm.name()),
    };
    match cell {
        Cell::Boolean(value) => atom.leaf(property, if *value { "true" } else { "false" }),
        Cell::Complex(id) => {
            atom.open(property);
            atom.leaf(
                XmlEvent::start_element("d:Value").attr("m:type", Edm::Guid.name()),
                id,
            );
            atom.close();
        }
        Cell::Moment(time) => atom.leaf(property, &utc(*time)),
        Cell::Number(number) => atom.leaf(property, &number.to_string()),
        Cell::Text(None) => atom.empty(property.attr("m:null", "true")),
        // Some readers drop white space at the ends, unless it is marked.
        Cell::Text(Some(text)) if text.trim() != text => {
            atom.leaf(property.attr("xml:space", "preserve"), text);
        }
        Cell::Text(Some(text)) => atom.leaf(property, text),
        Cell::TimeOfDay(text) => atom.leaf(property, &printed_time_of_day(text)),
    }
}
