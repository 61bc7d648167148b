//! The machine-readable descriptions of the API: the service document and `$metadata` (`docs/rest-api.md` 34, 35, A23,
//! A24).

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tonic::Status;

use super::odata::address::base_url;
use super::odata::atom::{self, Writer};
use super::odata::document::{DATA_SERVICE_VERSION, Document, answer};
use super::odata::format::{DocumentKind, Format, Version};
use super::odata::query::{ListOptions, check_action};
use super::resources::{ROOT, names};

/// Handles `GET` of the root of the API: the names of the sets.
pub(super) fn service_document(request: &Parts) -> Result<Response, Status> {
    let options = ListOptions::parse_single(request.uri.query())?;
    let format = Format::of_service_document(options.format.as_deref(), &request.headers);
    let base = base_url(request, ROOT)?;
    Ok(answer(
        StatusCode::OK,
        format,
        &ServiceDocument { base, format },
    ))
}

/// Handles `GET $metadata`: the types of the API, in XML for every requested format.
pub(super) fn metadata(request: &Parts) -> Result<Response, Status> {
    check_action(request.uri.query())?;
    let mut response = Response::new(Body::from(METADATA));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/xml; charset=utf-8"),
    );
    headers.insert(
        DATA_SERVICE_VERSION,
        Version::most(&request.headers).header(),
    );
    Ok(response)
}

struct ServiceDocument {
    base: String,
    format: Format,
}

#[derive(Serialize)]
struct Link {
    name: &'static str,
    url: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Names {
    entity_sets: Vec<&'static str>,
}

impl Document for ServiceDocument {
    const KIND: DocumentKind = DocumentKind::Service;

    fn print_atom(&self, atom: &mut Writer) {
        atom::service_document(&self.base, &names(), atom);
    }
}

impl Serialize for ServiceDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        if self.format.is_verbose() {
            let entity_sets = names().to_vec();
            object.serialize_entry("d", &Names { entity_sets })?;
            return object.end();
        }
        if self.format == Format::Light {
            object.serialize_entry("odata.metadata", &format!("{}%24metadata", self.base))?;
        }
        let links = names().map(|name| Link { name, url: name });
        object.serialize_entry("value", &links)?;
        object.end()
    }
}

/// EDMX 1.0 with CSDL 3.
const METADATA: &str = include_str!("metadata.xml");

#[cfg(test)]
mod tests {
    use xml::EventReader;
    use xml::reader::XmlEvent;

    use super::*;
    use crate::rest::odata::model::Column;
    use crate::rest::resources::tables;

    /// Returns the elements of the document with their attributes, without prefixes and white space, each on a line.
    fn elements(text: &str) -> Vec<String> {
        let mut elements = Vec::new();
        for event in EventReader::new(text.as_bytes()) {
            if let XmlEvent::StartElement {
                name, attributes, ..
            } = event.unwrap()
            {
                let attributes: String = attributes
                    .iter()
                    .map(|attribute| format!(" {}={}", attribute.name.local_name, attribute.value))
                    .collect();
                elements.push(name.local_name + &attributes);
            }
        }
        elements
    }

    fn property(column: &Column) -> String {
        let kind = column.edm.name();
        let nullable = if column.nullable {
            ""
        } else {
            " Nullable=false"
        };
        format!("Property Name={} Type={kind}{nullable}", column.name)
    }

    #[test]
    fn the_file_has_every_set_with_its_properties_and_actions() {
        let mut expected = vec![
            "Edmx Version=1.0".to_owned(),
            "DataServices DataServiceVersion=3.0 MaxDataServiceVersion=3.0".to_owned(),
            format!("Schema Namespace={NAMESPACE}"),
        ];
        for table in tables() {
            expected.push(format!("EntityType Name={}", table.kind));
            expected.push("Key".to_owned());
            expected.extend(
                table
                    .key
                    .iter()
                    .map(|name| format!("PropertyRef Name={name}")),
            );
            expected.extend(table.columns.iter().map(property));
        }
        expected.push("ComplexType Name=UniqueIdentifier".to_owned());
        expected.push("Property Name=Value Type=Edm.Guid Nullable=false".to_owned());
        expected.push("Schema Namespace=Default".to_owned());
        expected.push("EntityContainer Name=Container IsDefaultEntityContainer=true".to_owned());
        for table in tables() {
            let kind = table.kind;
            expected.push(format!(
                "EntitySet Name={} EntityType={NAMESPACE}.{kind}",
                table.name
            ));
        }
        let mut functions = Vec::new();
        for table in tables() {
            for action in table.actions {
                functions.push([
                    format!("FunctionImport Name={action} IsBindable=true IsAlwaysBindable=true"),
                    format!(
                        "Parameter Name=bindingParameter Type={NAMESPACE}.{}",
                        table.kind
                    ),
                ]);
            }
        }
        let mut elements = elements(METADATA);
        let actual = elements.split_off(expected.len());
        assert_eq!(elements, expected);
        let mut actual: Vec<_> = actual.chunks(2).map(<[String]>::to_vec).collect();
        actual.sort();
        functions.sort();
        assert_eq!(actual, functions);
    }

    /// The namespace of the types.
    const NAMESPACE: &str = "PAM";
}
