//! `/openapi.json`: the OpenAPI 3.1 description of the REST API, a file that is served unchanged. The tests compare it
//! with the tables of properties and errors.

/// Returns the description, which is the same for every caller.
pub fn document() -> &'static str {
    include_str!("openapi.json")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value, json};

    use super::*;
    use crate::errors::{Kind, RETRY_AFTER_SECONDS, row};
    use crate::rest::odata::model::{Column, Edm, Source, short_name};
    use crate::rest::odata::moment::MIN_VALUE;
    use crate::rest::resources::{ROOT, names, tables};

    /// The suffixes of the schemas of the two formats of JSON: light and verbose.
    const FORMATS: [&str; 2] = ["", "Verbose"];

    fn description() -> Value {
        serde_json::from_str(document()).unwrap()
    }

    #[test]
    fn the_program_is_the_one_of_the_manifest() {
        let info = &description()["info"];
        assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(info["summary"], env!("CARGO_PKG_DESCRIPTION"));
        assert_eq!(info["license"]["identifier"], env!("CARGO_PKG_LICENSE"));
    }

    #[test]
    fn every_property_has_the_type_of_its_table() {
        let schemas = &description()["components"]["schemas"];
        for table in tables() {
            for format in FORMATS {
                let schema = &schemas[format!("{}{format}", table.kind)];
                let mut properties = schema["properties"].as_object().unwrap().clone();
                assert_eq!(
                    properties.shift_remove("__metadata").is_some(),
                    format == "Verbose"
                );
                let described: Vec<_> = properties.keys().map(String::as_str).collect();
                let expected: Vec<_> = table.columns.iter().map(|column| column.name).collect();
                assert_eq!(described, expected, "{}{format}", table.kind);
                for column in &table.columns {
                    let mut property = properties[column.name].clone();
                    property["description"].take();
                    let mut expected = expected_property(column, format);
                    expected["description"] = Value::Null;
                    assert_eq!(property, expected, "{}{format}/{}", table.kind, column.name);
                }
            }
        }
    }

    fn expected_property(column: &Column, format: &str) -> Value {
        let mut schema = match column.edm {
            Edm::Boolean => json!({ "type": "boolean" }),
            Edm::DateTime => moment(format),
            Edm::Guid => json!({ "type": "string", "format": "uuid" }),
            Edm::Complex(name) => {
                let name = short_name(name);
                json!({ "$ref": format!("#/components/schemas/{name}{format}") })
            }
            Edm::Int64 => json!({ "type": "string", "pattern": "^[0-9]+$" }),
            Edm::String => json!({ "type": "string" }),
        };
        if column.nullable {
            schema["type"] = json!([schema["type"], "null"]);
        }
        if let Source::Named(_, names) = column.source {
            schema["enum"] = names.iter().map(|(name, _)| *name).collect();
        }
        schema
    }

    /// Returns the schema of a moment or year 1, which has no zone; in version 2 of the verbose format, milliseconds.
    /// Generators of clients read only the branches, so each branch has the type.
    fn moment(format: &str) -> Value {
        let mut branches = vec![
            json!({ "type": "string", "format": "date-time" }),
            json!({ "type": "string", "const": MIN_VALUE }),
        ];
        if format == "Verbose" {
            branches.push(json!({ "type": "string", "pattern": r"^/Date\(-?[0-9]+\)/$" }));
        }
        json!({ "type": "string", "anyOf": branches })
    }

    #[test]
    fn lists_select_order_and_filter_by_every_property() {
        let description = description();
        for table in tables() {
            let operation = &description["paths"][format!("{ROOT}{}", table.name)]["get"];
            let parameter = |name: &str| {
                let mut parameters = operation["parameters"].as_array().unwrap().iter();
                parameters.find(|parameter| parameter["name"] == name)
            };
            let names = table.columns.iter().map(|column| column.name).chain(["*"]);
            let select = &parameter("$select").unwrap()["schema"]["items"]["enum"];
            assert_eq!(*select, names.collect::<Value>(), "{}", table.name);
            let paths: Vec<_> = table.columns.iter().map(path).collect();
            let orders = paths
                .iter()
                .flat_map(|path| [path.clone(), format!("{path} asc"), format!("{path} desc")]);
            let order_by = &parameter("$orderby").unwrap()["schema"]["items"]["enum"];
            assert_eq!(*order_by, orders.collect::<Value>(), "{}", table.name);
            // The session is one row, which cannot be filtered.
            let Some(filter) = parameter("$filter") else {
                assert_eq!(table.name, "sessioninfo");
                continue;
            };
            let examples = filter["schema"]["examples"].as_array().unwrap();
            assert_eq!(examples.len(), paths.len(), "{}", table.name);
            for (example, path) in examples.iter().zip(paths) {
                let example = example.as_str().unwrap();
                assert!(example.starts_with(&format!("{path} ")), "{example}");
            }
        }
    }

    /// Returns the path by which filters and orders name a property.
    fn path(column: &Column) -> String {
        match column.edm {
            Edm::Complex(_) => format!("{}/Value", column.name),
            _ => column.name.to_owned(),
        }
    }

    #[test]
    fn the_service_document_names_every_set() {
        let schemas = &description()["components"]["schemas"];
        let light = &schemas["ServiceDocument"]["properties"]["value"]["items"]["properties"];
        let verbose = &schemas["ServiceDocumentVerbose"]["properties"]["d"]["properties"];
        for list in [
            &light["name"]["enum"],
            &light["url"]["enum"],
            &verbose["EntitySets"]["items"]["enum"],
        ] {
            assert_eq!(*list, json!(names()));
        }
    }

    #[test]
    fn every_error_has_the_status_of_its_code() {
        let description = description();
        let mut codes = BTreeSet::from(
            [
                Kind::HeadTooLarge,
                Kind::MethodNotAllowed,
                Kind::NoSuchOperation,
            ]
            .map(|kind| row(kind).reason.to_owned()),
        );
        for name in description["components"]["responses"]
            .as_object()
            .unwrap()
            .keys()
        {
            let response = &description["components"]["responses"][name];
            let kind = kind(&response_codes(response)[0]);
            let reason = row(kind).http.canonical_reason().unwrap();
            assert_eq!(*name, reason.replace(' ', ""));
            check_codes(response, row(kind).http.as_u16(), &mut codes);
        }
        for operation in operations(&description) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let response = match response["$ref"].as_str() {
                    Some(reference) => description.pointer(&reference[1..]).unwrap(),
                    None => response,
                };
                if !status.starts_with('2') {
                    check_codes(response, status.parse().unwrap(), &mut codes);
                }
            }
        }
        let schemas = &description["components"]["schemas"];
        for (schema, member) in [("Error", "odata.error"), ("ErrorVerbose", "error")] {
            let code = &schemas[schema]["properties"][member]["properties"]["code"];
            assert_eq!(code["enum"], json!(codes), "{schema}");
        }
        let retry_after = &description["components"]["headers"]["Retry-After"]["schema"]["const"];
        assert_eq!(*retry_after, RETRY_AFTER_SECONDS.to_string());
    }

    /// Checks that a response has only codes of its status, describes each, and has them in both formats.
    fn check_codes(response: &Value, status: u16, codes: &mut BTreeSet<String>) {
        let about = response["description"].as_str().unwrap();
        for code in response_codes(response) {
            assert_eq!(row(kind(&code)).http.as_u16(), status, "{code}");
            assert!(about.contains(&format!("`{code}`: ")), "{code}");
            codes.insert(code);
        }
        let headers = &response["headers"];
        assert_eq!(headers["WWW-Authenticate"].is_object(), status == 401);
        assert_eq!(headers["Retry-After"].is_object(), status == 503);
    }

    fn response_codes(response: &Value) -> Vec<String> {
        let codes = |media_type: &str, member: &str| {
            let schema = &response["content"][media_type]["schema"];
            schema["properties"][member]["properties"]["code"]["enum"].clone()
        };
        let light = codes("application/json", "odata.error");
        assert_eq!(light, codes("application/json;odata=verbose", "error"));
        serde_json::from_value(light).unwrap()
    }

    fn kind(code: &str) -> Kind {
        let mut kinds = Kind::all();
        let kind = kinds.find(|kind| row(*kind).reason == code);
        kind.unwrap_or_else(|| panic!("{code} is no code"))
    }

    #[test]
    fn every_operation_may_fail_as_any_request_may() {
        for operation in operations(&description()) {
            let responses = operation["responses"].as_object().unwrap();
            for status in ["400", "401", "408", "413", "500", "503"] {
                assert!(
                    responses.contains_key(status),
                    "{}",
                    operation["operationId"]
                );
            }
        }
    }

    fn operations(description: &Value) -> Vec<&Map<String, Value>> {
        let paths = description["paths"].as_object().unwrap().values();
        paths
            .flat_map(|methods| methods.as_object().unwrap().values())
            .map(|operation| operation.as_object().unwrap())
            .collect()
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let description = description();
        let mut references = BTreeSet::new();
        collect(&description, &mut references);
        assert!(!references.is_empty());
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(description.pointer(pointer).is_some(), "{reference}");
        }
    }

    fn collect<'a>(value: &'a Value, references: &mut BTreeSet<&'a str>) {
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
