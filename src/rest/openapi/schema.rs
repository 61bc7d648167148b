//! What the bodies of requests and answers hold.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::rest::metadata::{Described, sets};
use crate::rest::odata::entity::IDENTIFIER;
use crate::rest::odata::model::{Column, Edm, Source};
use crate::rest::odata::moment::MIN_VALUE;

/// A form of JSON, as far as it shows in schemas.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// JSON light, with metadata or without.
    Light,
    /// The older form.
    Verbose,
}

impl Form {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Light, Self::Verbose];

    /// The name of the schema of something in this form.
    pub(super) fn name(self, of: &str) -> String {
        match self {
            Self::Light => of.to_owned(),
            Self::Verbose => format!("{of}Verbose"),
        }
    }

    /// The member that holds an error in this form.
    pub(super) fn error(self) -> &'static str {
        match self {
            Self::Light => "odata.error",
            Self::Verbose => "error",
        }
    }

    /// The media type of answers in this form.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Light => "application/json",
            Self::Verbose => "application/json;odata=verbose",
        }
    }
}

/// All schemas, of which the one of errors knows these codes.
pub(super) fn all(codes: &BTreeSet<&'static str>) -> Value {
    let mut schemas = Map::new();
    for set in &sets() {
        for form in Form::ALL {
            schemas.insert(form.name(set.kind), entity(set, form));
            schemas.insert(form.name(&format!("{}List", set.kind)), list(set, form));
            schemas.insert(form.name(&single_of(set.kind)), single(set, form));
        }
    }
    for form in Form::ALL {
        schemas.insert(form.name(IDENTIFIER), identifier(form));
        schemas.insert(form.name(SERVICE_DOCUMENT), service_document(form));
        schemas.insert(form.name(ERROR), error(codes, form));
    }
    schemas.insert("NewPamRequest".to_owned(), new_request(Some("null")));
    schemas.insert("NewPamRequestForm".to_owned(), new_request(None));
    Value::Object(schemas)
}

/// The name of the schema of one row of a type, by itself.
pub(super) fn single_of(kind: &str) -> String {
    format!("{kind}Single")
}

/// A schema that is described elsewhere.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn entity(set: &Described, form: Form) -> Value {
    let properties = set
        .columns
        .iter()
        .map(|column| (column.name.to_owned(), property(column, form)));
    let mut properties: Map<String, Value> = properties.collect();
    if form == Form::Verbose {
        properties.insert(METADATA.to_owned(), metadata());
    }
    json!({
        "type": "object",
        "description": "A row, with all properties or those of `$select`.",
        "properties": properties,
    })
}

fn property(column: &Column, form: Form) -> Value {
    let mut schema = match column.edm {
        Edm::Boolean => json!({ "type": "boolean" }),
        Edm::DateTime => moment(form),
        Edm::Guid => json!({ "type": "string", "format": "uuid" }),
        Edm::Identifier => reference(&form.name(IDENTIFIER)),
        Edm::Int64 => json!({ "type": "string", "pattern": "^[0-9]+$" }),
        Edm::String => json!({ "type": "string" }),
    };
    if column.nullable {
        schema["type"] = json!([schema["type"], "null"]);
    }
    if let Source::Named(_, names) = column.source {
        schema["enum"] = names.iter().map(|(name, _)| *name).collect();
    }
    schema["description"] = column.about.into();
    schema
}

/// A time or year 1, which has no zone; in version 2 of the verbose form, milliseconds.
fn moment(form: Form) -> Value {
    // Generators of clients look at the branches alone, so that each has the type.
    let mut forms = vec![
        json!({ "type": "string", "format": "date-time" }),
        json!({ "type": "string", "const": MIN_VALUE }),
    ];
    if form == Form::Verbose {
        forms.push(json!({ "type": "string", "pattern": r"^/Date\(-?[0-9]+\)/$" }));
    }
    json!({ "type": "string", "anyOf": forms })
}

fn metadata() -> Value {
    json!({
        "type": "object",
        "description": "What this is.",
        "required": ["type"],
        "properties": {
            "id": { "type": "string", "format": "uri", "description": "Its address, where it has one." },
            "uri": { "type": "string", "format": "uri", "description": "Its address, where it has one." },
            "type": { "type": "string", "description": "The name of its type in `$metadata`." },
        },
    })
}

fn list(set: &Described, form: Form) -> Value {
    let rows = json!({
        "type": "array",
        "description": set.about,
        "items": reference(&form.name(set.kind)),
    });
    let count = json!({
        "type": "string",
        "pattern": "^[0-9]+$",
        "description": "How many rows match, before `$skip` and `$top`; there with `$inlinecount=allpages`.",
    });
    let next = json!({
        "type": "string",
        "format": "uri",
        "description": "The rest of the list, as it is when it is read; present if the list is longer than one \
                        response may be.",
    });
    match form {
        Form::Light => json!({
            "type": "object",
            "required": ["value"],
            "properties": {
                "odata.metadata": context(),
                "odata.count": count,
                "value": rows,
                "odata.nextLink": next,
            },
        }),
        Form::Verbose => verbose(json!({
            "type": "object",
            "required": ["results"],
            "properties": { "__count": count, "results": rows, "__next": next },
        })),
    }
}

fn single(set: &Described, form: Form) -> Value {
    match form {
        Form::Light => json!({
            "allOf": [reference(set.kind)],
            "properties": { "odata.metadata": context() },
        }),
        Form::Verbose => verbose(reference(&form.name(set.kind))),
    }
}

fn service_document(form: Form) -> Value {
    let names: Vec<_> = sets().iter().map(|set| set.name).collect();
    match form {
        Form::Light => json!({
            "type": "object",
            "required": ["value"],
            "properties": {
                "odata.metadata": context(),
                "value": {
                    "type": "array",
                    "description": "The lists of the API.",
                    "items": {
                        "type": "object",
                        "required": ["name", "url"],
                        "properties": {
                            "name": { "enum": names, "description": "The name of the list." },
                            "url": { "enum": names, "description": "Where it is, from here." },
                        },
                    },
                },
            },
        }),
        Form::Verbose => verbose(json!({
            "type": "object",
            "required": ["EntitySets"],
            "properties": {
                "EntitySets": {
                    "type": "array",
                    "description": "The names of the lists of the API.",
                    "items": { "enum": names },
                },
            },
        })),
    }
}

fn context() -> Value {
    json!({
        "type": "string",
        "format": "uri",
        "description": "Where `$metadata` describes this; not there with `odata=nometadata`.",
    })
}

fn verbose(mut inside: Value) -> Value {
    inside["description"] = "The answer.".into();
    json!({ "type": "object", "required": ["d"], "properties": { "d": inside } })
}

/// What is posted, whose members may be null in JSON.
fn new_request(null: Option<&'static str>) -> Value {
    let or_null =
        |kinds: &[&'static str]| json!(kinds.iter().copied().chain(null).collect::<Vec<_>>());
    json!({
        "type": "object",
        "description": "What is asked for. Names are taken in any case, null and an empty text count as missing, and \
                        further members are ignored.",
        "required": ["RoleId"],
        "properties": {
            "Justification": {
                "type": or_null(&["string", "number"]),
                "maxLength": 1_024,
                "pattern": "^[^\\u0000]*$",
                "description": "Why. At most 1,024 characters, no NUL; a number counts as its text.",
            },
            "RoleId": { "type": "string", "format": "uuid", "description": "The id of the role." },
            "RequestedTTL": {
                "type": or_null(&["number", "string"]),
                "minimum": 0,
                "maximum": 316_224_000,
                "pattern": "^([0-9]{1,8}(\\.[0-9]+)?)?$",
                "description": "For how long to hold the role, in seconds up to 3,660 days, as a number or a text; for \
                                as long as the role allows where it is missing, and never longer. A fraction is cut \
                                off, but what is more than 0 is at least 1. 0 gives the role up: every request of the \
                                caller for it that is not over is closed.",
            },
            "RequestedTime": {
                "type": or_null(&["string"]),
                "format": "odata-time",
                "examples": [
                    "2015/07/11 23:40",
                    "2015-07-12T06:40:00Z",
                    "2015-07-12T08:40:00+02:00",
                    "11/25/2015 9:30:15 AM",
                    "Wed, 25 Nov 2015 09:30:15 GMT",
                    "2015-11-25 09:30:15 +02:00",
                    "/Date(1448440215000)/",
                    "",
                ],
                "description": "From when on to hold it: now where it is missing, or in the past; later than now is \
                                refused so far. It is read as .NET does with the invariant culture, so that of two \
                                numbers before the year the first is the month. The year has four digits. Without a \
                                zone it is the server's local time.",
            },
        },
    })
}

fn identifier(form: Form) -> Value {
    let mut identifier = json!({
        "type": "object",
        "description": "An id, as the original wraps it.",
        "required": ["Value"],
        "properties": { "Value": { "type": "string", "format": "uuid", "description": "The id." } },
    });
    if form == Form::Verbose {
        identifier["properties"][METADATA] = metadata();
    }
    identifier
}

fn error(codes: &BTreeSet<&'static str>, form: Form) -> Value {
    json!({
        "type": "object",
        "description": "Why something did not happen.",
        "required": [form.error()],
        "properties": {
            form.error(): {
                "type": "object",
                "description": "The error.",
                "required": ["code", "message"],
                "properties": {
                    "code": { "enum": codes, "description": "The reason, for programs." },
                    "message": {
                        "type": "object",
                        "description": "The reason, for people. It never repeats what was sent.",
                        "required": ["lang", "value"],
                        "properties": {
                            "lang": { "const": "en-US", "description": "The language of the text." },
                            "value": { "type": "string", "minLength": 1, "description": "The text." },
                        },
                    },
                },
            },
        },
    })
}

/// Why something did not happen.
pub(super) const ERROR: &str = "Error";
/// The names of the lists.
pub(super) const SERVICE_DOCUMENT: &str = "ServiceDocument";
/// The member of the older form that says what something is.
const METADATA: &str = "__metadata";
