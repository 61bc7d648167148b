//! The options of the query, and the headers of requests.

use serde_json::{Value, json};

use crate::rest::metadata::Described;
use crate::rest::odata::model::{Column, Edm, Source};

/// The parameters that do not depend on what is asked for.
pub(super) fn shared() -> Value {
    json!({
        "v": query(
            "v",
            "The version of the API. There is one, which nothing stands for too.",
            &json!({ "enum": ["1", ""] }),
        ),
        "format": query(
            "$format",
            "The form of the answer, which outweighs the header `Accept`. `json` is the first form that the answer \
             lists.",
            &json!({ "enum": [
                "json",
                "application/json;odata=minimalmetadata",
                "application/json;odata=nometadata",
                "application/json;odata=verbose",
            ] }),
        ),
        "inlinecount": query(
            "$inlinecount",
            "Whether to count what matches, before `$skip` and `$top`.",
            &json!({ "enum": ["allpages", "none"], "default": "none" }),
        ),
        "skip": query(
            "$skip",
            "How many rows to leave out at the start.",
            &json!({ "type": "integer", "minimum": 0, "maximum": 1_000_000, "default": 0 }),
        ),
        "top": query(
            "$top",
            "How many rows to answer at most.",
            &json!({ "type": "integer", "minimum": 0, "maximum": i32::MAX }),
        ),
        "MaxDataServiceVersion": header(
            "MaxDataServiceVersion",
            "The highest version of OData that the client reads; no answer is newer. With `1.0` or `2.0`, JSON is \
             verbose, with times as counts of milliseconds. With `1.0`, lists have no counts and no next links.",
            &["2.0", "3.0;NetFx"],
        ),
        "Prefer": header(
            "Prefer",
            "With `return-no-content` or `return=minimal` the answer is a 204 without a body.",
            &["return-no-content", "return=minimal"],
        ),
    })
}

/// A parameter that is described elsewhere.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

/// All that the list of a set knows.
pub(super) fn of_list(set: &Described) -> Vec<Value> {
    let mut parameters = vec![select(set), order_by(set), reference("top")];
    if !set.one_row {
        parameters.extend([filter(set), reference("skip")]);
    }
    parameters.extend(["inlinecount", "format", "v", "MaxDataServiceVersion"].map(reference));
    parameters
}

/// `$select`.
pub(super) fn select(set: &Described) -> Value {
    let names: Vec<_> = set
        .columns
        .iter()
        .map(|column| column.name)
        .chain(["*"])
        .collect();
    list(
        "$select",
        "The properties to answer; all of them where it is missing or has `*`.",
        &json!(names),
    )
}

fn order_by(set: &Described) -> Value {
    let keys = set.columns.iter().map(path);
    let keys = keys.flat_map(|path| [path.clone(), format!("{path} asc"), format!("{path} desc")]);
    let about = "The order, by at most four properties; what they leave open is as without it.";
    let mut order_by = list("$orderby", about, &json!(keys.collect::<Vec<_>>()));
    order_by["schema"]["maxItems"] = MOST_KEYS.into();
    order_by
}

/// A filter that JSON Schema has no words for, with one for each property.
fn filter(set: &Described) -> Value {
    let examples: Vec<_> = set.columns.iter().map(comparison).collect();
    query(
        "$filter",
        "What the list is limited to: up to 32 comparisons of a property with a literal of OData version 3, by `eq`, \
         `ne`, `gt`, `lt`, `ge` or `le`, joined by `and`, in parentheses or not. There is neither `or` nor `not`, and \
         there are no functions. What is not understood is refused, never ignored.",
        &json!({ "type": "string", "format": "odata-filter", "examples": examples }),
    )
}

fn comparison(column: &Column) -> String {
    let path = path(column);
    match (column.edm, column.source) {
        (Edm::Boolean, _) => format!("{path} eq true"),
        (Edm::DateTime, _) => format!("{path} gt datetime'2015-06-12T04:49:32.431Z'"),
        (Edm::Guid | Edm::Identifier, _) => {
            format!("{path} eq guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143'")
        }
        (Edm::Int64, _) => format!("{path} le 3600"),
        (Edm::String, Source::Named(_, names)) => format!("{path} ne '{}'", names[0].0),
        (Edm::String, _) => format!("{path} ne 'O''Brien'"),
    }
}

/// How filters and orders name a column.
fn path(column: &Column) -> String {
    match column.edm {
        Edm::Identifier => format!("{}/Value", column.name),
        _ => column.name.to_owned(),
    }
}

fn query(name: &str, about: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": about, "schema": schema })
}

/// A list of some of these, by commas.
fn list(name: &str, about: &str, of: &Value) -> Value {
    let schema = json!({ "type": "array", "items": { "enum": of }, "minItems": 1 });
    let mut list = query(name, about, &schema);
    list["style"] = "form".into();
    list["explode"] = false.into();
    list
}

fn header(name: &str, about: &str, examples: &[&str]) -> Value {
    json!({ "name": name, "in": "header", "description": about, "schema": { "type": "string", "examples": examples } })
}

/// How many keys the services sort by.
const MOST_KEYS: usize = 4;
