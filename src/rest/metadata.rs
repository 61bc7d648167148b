//! What the API says of itself to machines: the service document and `$metadata` (`docs/rest-api.md` 34, 35, A23, A24).

use std::fmt::{self, Write};
use std::sync::LazyLock;

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
use super::odata::entity::{IDENTIFIER, NAMESPACE};
use super::odata::format::{DocumentKind, Format, Version};
use super::odata::list::Set;
use super::odata::model::{Column, Edm};
use super::odata::query::{ListOptions, check_action};
use super::resources::ROOT;
use super::resources::approvals::PendingApprovals;
use super::resources::requests::Requests;
use super::resources::roles::Roles;
use super::resources::session::Session;

/// What is known of a set without any of its rows.
pub(super) struct Described {
    /// The name in the path.
    pub(super) name: &'static str,
    /// What it is a list of, in words.
    pub(super) about: &'static str,
    /// The type of the rows.
    pub(super) kind: &'static str,
    /// The properties that tell one row from another.
    pub(super) key: &'static [&'static str],
    /// The properties, in the documented order.
    pub(super) columns: Vec<Column>,
    /// Whether it always is one row, which cannot be filtered or skipped.
    pub(super) one_row: bool,
}

impl Described {
    /// What is known of a set.
    pub(super) fn of<S: Set>() -> Self {
        let columns = S::PROPERTIES
            .iter()
            .map(|property| property.column)
            .collect();
        Self {
            name: S::NAME,
            about: S::ABOUT,
            kind: S::TYPE,
            key: S::KEY,
            columns,
            one_row: S::ONE_ROW,
        }
    }
}

/// All sets of the API.
pub(super) fn sets() -> [Described; 4] {
    [
        Described::of::<Roles>(),
        Described::of::<Requests>(),
        Described::of::<PendingApprovals>(),
        Described::of::<Session>(),
    ]
}

/// `GET` of the root of the API: the names of the sets.
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

/// `GET $metadata`: the types of the API, in XML whatever is asked for.
pub(super) fn metadata(request: &Parts) -> Result<Response, Status> {
    check_action(request.uri.query())?;
    let mut response = Response::new(METADATA.as_str().into());
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
        let names = sets().map(|set| set.name);
        atom::service_document(&self.base, &names, atom);
    }
}

impl Serialize for ServiceDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        if self.format.is_verbose() {
            let entity_sets = sets().iter().map(|set| set.name).collect();
            object.serialize_entry("d", &Names { entity_sets })?;
            return object.end();
        }
        if self.format == Format::Light {
            object.serialize_entry("odata.metadata", &format!("{}%24metadata", self.base))?;
        }
        let links: Vec<Link> = sets()
            .iter()
            .map(|set| Link {
                name: set.name,
                url: set.name,
            })
            .collect();
        object.serialize_entry("value", &links)?;
        object.end()
    }
}

static METADATA: LazyLock<String> = LazyLock::new(|| {
    let mut text = String::new();
    print(&mut text).expect("a text grows to what is written");
    text
});

/// Prints EDMX 1.0 with CSDL 3. All texts are names of ours, in which nothing needs to be escaped.
fn print(text: &mut String) -> fmt::Result {
    text.write_str(HEAD)?;
    writeln!(
        text,
        "    <Schema Namespace=\"{NAMESPACE}\" xmlns=\"{CSDL}\">"
    )?;
    for set in sets() {
        entity_type(text, &set)?;
    }
    writeln!(text, "      <ComplexType Name=\"{IDENTIFIER}\">")?;
    writeln!(
        text,
        "        <Property Name=\"Value\" Type=\"Edm.Guid\" Nullable=\"false\" />"
    )?;
    writeln!(text, "      </ComplexType>\n    </Schema>")?;
    writeln!(text, "    <Schema Namespace=\"Default\" xmlns=\"{CSDL}\">")?;
    writeln!(
        text,
        "      <EntityContainer Name=\"Container\" m:IsDefaultEntityContainer=\"true\">"
    )?;
    for set in sets() {
        let Described { name, kind, .. } = set;
        writeln!(
            text,
            "        <EntitySet Name=\"{name}\" EntityType=\"{NAMESPACE}.{kind}\" />"
        )?;
    }
    for (action, kind) in [
        ("Approve", PendingApprovals::TYPE),
        ("Reject", PendingApprovals::TYPE),
        ("Close", Requests::TYPE),
    ] {
        writeln!(
            text,
            "        <FunctionImport Name=\"{action}\" IsBindable=\"true\" m:IsAlwaysBindable=\"true\">\n          \
             <Parameter Name=\"bindingParameter\" Type=\"{NAMESPACE}.{kind}\" />\n        </FunctionImport>"
        )?;
    }
    text.write_str(TAIL)
}

fn entity_type(text: &mut String, set: &Described) -> fmt::Result {
    writeln!(
        text,
        "      <EntityType Name=\"{}\">\n        <Key>",
        set.kind
    )?;
    for name in set.key {
        writeln!(text, "          <PropertyRef Name=\"{name}\" />")?;
    }
    writeln!(text, "        </Key>")?;
    for Column {
        name,
        edm,
        nullable,
        ..
    } in &set.columns
    {
        let kind = match edm {
            Edm::Identifier => format!("{NAMESPACE}.{IDENTIFIER}"),
            edm => edm.name().to_owned(),
        };
        // What may be null is so without saying.
        let nullable = if *nullable { "" } else { " Nullable=\"false\"" };
        writeln!(
            text,
            "        <Property Name=\"{name}\" Type=\"{kind}\"{nullable} />"
        )?;
    }
    writeln!(text, "      </EntityType>")
}

const CSDL: &str = "http://schemas.microsoft.com/ado/2009/11/edm";
const HEAD: &str = "\
<?xml version=\"1.0\" encoding=\"utf-8\"?>
<edmx:Edmx Version=\"1.0\" xmlns:edmx=\"http://schemas.microsoft.com/ado/2007/06/edmx\">
  <edmx:DataServices m:DataServiceVersion=\"3.0\" m:MaxDataServiceVersion=\"3.0\" xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\">
";
const TAIL: &str =
    "      </EntityContainer>\n    </Schema>\n  </edmx:DataServices>\n</edmx:Edmx>\n";
