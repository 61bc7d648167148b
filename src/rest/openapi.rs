//! `/openapi.json`: the REST API as OpenAPI 3.1 describes it. What is said of rows and their properties comes from the
//! tables that answers, filters and `$metadata` are made of, and what is said of errors from the table of errors.

mod answer;
mod operation;
mod parameter;
mod schema;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use answer::COMMON;
use operation::Operation;

use crate::status::{Kind, row};

/// The description, which is the same for everybody.
pub fn document() -> &'static str {
    &DOCUMENT
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| description().to_string());

fn description() -> Value {
    let operations = operation::all();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign: the PAM REST API of Microsoft Identity Manager 2016",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": ABOUT,
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/", "description": "The server that this description comes from." }],
        "security": [{ "bearer": [] }],
        "paths": paths(&operations),
        "components": {
            "schemas": schema::all(&codes(&operations)),
            "parameters": parameter::shared(),
            "headers": answer::headers(),
            "responses": answer::shared(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the server's operator, which says which account calls.",
                },
            },
        },
    })
}

fn paths(operations: &[Operation]) -> Value {
    let mut paths = Map::new();
    for operation in operations {
        let methods = paths.entry(&*operation.path).or_insert_with(|| json!({}));
        methods[operation.method] = operation.print();
    }
    Value::Object(paths)
}

/// Every `code` that an error may have.
fn codes(operations: &[Operation]) -> BTreeSet<&'static str> {
    let unrouted = [
        Kind::HeadTooLarge,
        Kind::MethodNotAllowed,
        Kind::NoSuchOperation,
    ]
    .into_iter();
    let refused = operations
        .iter()
        .flat_map(|operation| operation.refusals)
        .chain(COMMON);
    unrouted
        .chain(refused.map(|(kind, _)| *kind))
        .map(|kind| row(kind).reason)
        .collect()
}

const ABOUT: &str = "\
Roles that somebody may ask for, requests to hold them for a while, and what approvers decide.

The protocol is OData version 3, as JSON, or as Atom if `Accept` prefers it. Names of properties and the words of \
`$filter` are case-sensitive; the words of a path are not, and it may end with a slash. What is answered to GET is \
answered to HEAD too, without its body. Links begin with the host that the request names.

A time that there is none of is year 1, `0001-01-01T00:00:00`. A whole number of 64 bits stands in quotes.

What names no resource is a 404 with the code `NO_SUCH_OPERATION`, another method of a resource a 405 with \
`METHOD_NOT_ALLOWED` and the header `Allow`. A head that is too long is a 431 with `HEAD_TOO_LARGE`, and what is no \
HTTP a 400. Pages of origins that the operator has allowed may call with credentials; their preflight needs none.";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        let description = description();
        let mut references = HashSet::new();
        collect(&description, &mut references);
        assert!(!references.is_empty());
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(description.pointer(pointer).is_some(), "{reference}");
        }
    }

    fn collect<'a>(value: &'a Value, references: &mut HashSet<&'a str>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
            Value::Object(members) => {
                references.extend(members.get("$ref").and_then(Value::as_str));
                members
                    .values()
                    .for_each(|value| collect(value, references));
            }
            _ => {}
        }
    }
}
