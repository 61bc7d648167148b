//! `/openapi.json` describes exactly the served API. `tests/program/described.rs` checks the
//! running server with requests made up from it. Here is what that cannot see, and what must not wait for it.

use std::collections::BTreeSet;

use countersign::errors::{Kind, row};
use countersign::rest;
use http::Method;
use serde_json::{Map, Value};

use crate::kit::{ANN, GIL, JEN, Kit, SAM};

const ID: &str = "5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143";

#[tokio::test]
async fn anybody_reads_it() {
    let kit = Kit::start().await;
    let answer = kit.anonymous().get("/openapi.json").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    assert!(answer.header("x-request-id").is_some());
    let description: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(description["openapi"], "3.1.0");
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        kit.as_(ANN).get("/openapi.json").await.body,
        answer.body,
        "there is one for everybody"
    );

    let head = kit.anonymous().rest("HEAD", "/openapi.json", "", "").await;
    assert_eq!((head.status, &*head.body), (200, ""));
    for method in ["POST", "PUT", "DELETE"] {
        let refused = kit
            .as_(ANN)
            .rest(method, "/openapi.json", "Content-Length: 0\r\n", "")
            .await;
        assert_eq!(
            (refused.status, refused.header("allow")),
            (405, Some("GET,HEAD")),
            "{method}"
        );
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_read_it() {
    let kit = Kit::start().await;
    for (origin, allowed) in [
        ("http://pamsrv:8090", Some("http://pamsrv:8090")),
        ("http://evil.test", None),
    ] {
        let answer = kit
            .anonymous()
            .rest("GET", "/openapi.json", &format!("Origin: {origin}\r\n"), "")
            .await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
    }
}

#[tokio::test]
async fn every_operation_is_served_and_no_other_method() {
    let kit = Kit::start().await;
    let mut words = BTreeSet::new();
    for (template, methods) in members(&description()["paths"]) {
        let path = template
            .replace("{requestId}", ID)
            .replace("{approvalId}", ID)
            .replace("{roleId}", ID);
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let status = kit
                .as_(JEN)
                .rest(method, &path, "Content-Length: 0\r\n", "")
                .await
                .status;
            let described = &methods[method.to_lowercase()];
            assert_eq!(
                described.is_null(),
                status == 405,
                "{method} {path}: {status}"
            );
            assert_ne!(status, 404, "{method} {path}");
            let word =
                rest::operation(&Method::from_bytes(method.as_bytes()).unwrap(), &path).unwrap();
            if let Some(id) = described["operationId"].as_str() {
                assert_eq!(format!("rest:{id}"), word, "{method} {path}");
                assert!(words.insert(word), "{word} is described twice");
            }
        }
    }
    assert_eq!(words, BTreeSet::from(rest::OPERATIONS));
}

#[tokio::test]
async fn every_answer_without_credentials_is_described() {
    let kit = Kit::start().await;
    for (template, methods) in members(&description()["paths"]) {
        let path = template
            .replace("{requestId}", ID)
            .replace("{approvalId}", ID)
            .replace("{roleId}", ID);
        for (method, operation) in members(methods) {
            let answer = kit
                .anonymous()
                .rest(&method.to_uppercase(), &path, "Content-Length: 0\r\n", "")
                .await;
            assert_eq!(answer.status, 401, "{method} {path}");
            assert_eq!(
                operation["responses"]["401"]["$ref"],
                "#/components/responses/Unauthorized"
            );
        }
    }
    let headers =
        members(&description()["components"]["responses"]["Unauthorized"]["headers"]).len();
    assert_eq!(headers, 3, "WWW-Authenticate with the two of every error");
}

#[tokio::test]
async fn rows_have_the_properties_that_are_described() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    kit.as_(JEN).file(&role).await.unwrap();
    let schemas = description()["components"]["schemas"].clone();
    for (person, list, name) in [
        (JEN, "pamroles", "PamRole"),
        (JEN, "pamrequests", "PamRequest"),
        (SAM, "pamrequeststoapprove", "PendingPamRequest"),
        (JEN, "sessioninfo", "SessionInfo"),
    ] {
        let path = format!("/api/pamresources/{list}?$inlinecount=allpages&$format=");
        let light: Value = read(&kit.as_(person).get(&(path.clone() + "json")).await.body);
        assert_fits(&schemas, &schemas[format!("{name}List")], &light, list);
        let mut documented = names(&schemas[name]["properties"]);
        documented.retain(|property| *property != "ApprovalId");
        assert_eq!(names(&light["value"][0]), documented, "{list}");
        let verbose: Value = read(
            &kit.as_(person)
                .get(&(path + "application/json;odata=verbose"))
                .await
                .body,
        );
        assert_fits(
            &schemas,
            &schemas[format!("{name}ListVerbose")],
            &verbose,
            list,
        );
        assert_eq!(
            names(&verbose["d"]["results"][0])
                .into_iter()
                .collect::<BTreeSet<_>>(),
            names(&schemas[format!("{name}Verbose")]["properties"])
                .into_iter()
                .collect(),
            "{list}"
        );
    }
}

#[tokio::test]
async fn a_new_request_has_all_properties_that_are_required_of_it() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    let created = kit
        .as_(JEN)
        .post(&format!("/api/pamresources/pamrequests?RoleId={role}"))
        .await;
    let description = description();
    let described =
        &description["paths"]["/api/pamresources/pamrequests"]["post"]["responses"]["201"];
    let required = &described["content"]["application/json"]["schema"]["required"];
    let required: Vec<_> = required
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let created: Value = read(&created.body);
    assert_eq!(names(&created), [&["odata.metadata"], &*required].concat());
}

#[tokio::test]
async fn every_option_that_is_described_is_known() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    for person in [JEN, GIL] {
        kit.as_(person).file(&role).await.unwrap();
    }
    let description = description();
    for (person, list, least) in [
        (JEN, "pamroles", 40),
        (JEN, "pamrequests", 50),
        (SAM, "pamrequeststoapprove", 45),
        (JEN, "sessioninfo", 10),
    ] {
        let path = format!("/api/pamresources/{list}");
        let queries = queries(
            &description,
            &description["paths"][&path]["get"]["parameters"],
        );
        assert!(queries.len() >= least, "{list}: {}", queries.len());
        for query in queries {
            let answer = kit.as_(person).get(&format!("{path}?{query}")).await;
            assert_eq!(answer.status, 200, "{list} {query}: {}", answer.body);
        }
    }
    let filtered = kit
        .as_(JEN)
        .get("/api/pamresources/sessioninfo?$filter=Username%20ne%20'x'")
        .await;
    assert_eq!(
        filtered.status, 400,
        "which is why its filter is not described"
    );
}

#[test]
fn errors_have_the_codes_of_the_table() {
    let description = description();
    let code = "/components/schemas/Error/properties/odata.error/properties/code/enum";
    let codes: BTreeSet<&str> = description
        .pointer(code)
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap())
        .collect();
    let reasons: BTreeSet<&str> = Kind::all().map(|kind| row(kind).reason).collect();
    assert_eq!(codes.difference(&reasons).count(), 0, "{codes:?}");
    // Reasons of gRPC alone: of changes of roles, request ids and health checks.
    let unsaid: Vec<&str> = reasons.difference(&codes).copied().collect();
    assert_eq!(
        unsaid,
        [
            "NO_SUCH_SERVICE",
            "REQUEST_ID_REUSED",
            "ROLE_CHANGED",
            "ROLE_EXISTS",
            "ROLE_IN_USE"
        ]
    );
}

#[test]
fn every_choice_has_a_type() {
    let mut choices = 0;
    typed(&description(), &mut choices);
    assert!(choices > 20, "{choices}");
}

/// Checks that every branch of an `anyOf` has a type, which is all that some generators of clients look at.
fn typed(value: &Value, choices: &mut usize) {
    for choice in value["anyOf"].as_array().into_iter().flatten() {
        assert!(choice["type"].is_string(), "{value}");
        *choices += 1;
    }
    let inner: Vec<&Value> = match value {
        Value::Array(values) => values.iter().collect(),
        Value::Object(object) => object.values().collect(),
        _ => Vec::new(),
    };
    inner.into_iter().for_each(|inner| typed(inner, choices));
}

#[test]
fn everything_is_explained() {
    let mut unexplained = Vec::new();
    explained("", &description(), &mut unexplained);
    assert_eq!(unexplained, Vec::<String>::new());
}

/// Collects the properties, parameters, operations and answers that nothing is said of.
fn explained(at: &str, value: &Value, unexplained: &mut Vec<String>) {
    if let Value::Array(values) = value {
        values
            .iter()
            .enumerate()
            .for_each(|(index, value)| explained(&format!("{at}/{index}"), value, unexplained));
    }
    let Value::Object(object) = value else { return };
    for (name, value) in object {
        let at = format!("{at}/{name}");
        if ["properties", "parameters", "headers", "responses", "get", "post"].contains(&&**name)
            // Links say by name which parameters they fill; a refusal only narrows the code of the shared schema.
            && !at.contains("/links/")
            && !at.contains("/content/")
        {
            let described = match value {
                Value::Array(values) => values.iter().collect(),
                Value::Object(_) if ["get", "post"].contains(&&**name) => vec![value],
                value => members(value).into_iter().map(|(_, value)| value).collect(),
            };
            let silent = |value: &&Value| {
                value["$ref"].is_null() && value["description"].as_str().is_none_or(str::is_empty)
            };
            if described.into_iter().any(|value| silent(&value)) {
                unexplained.push(at.clone());
            }
        }
        explained(&at, value, unexplained);
    }
}

/// The query strings that parameters give examples of, or list.
fn queries(description: &Value, parameters: &Value) -> Vec<String> {
    let mut queries = Vec::new();
    for parameter in parameters.as_array().unwrap() {
        let parameter = resolved(&description["components"]["parameters"], parameter);
        let schema = &parameter["schema"];
        let lists = ["examples", "enum"]
            .map(|list| schema[list].as_array())
            .into_iter()
            .flatten()
            .flatten();
        let items = schema["items"]["enum"].as_array().into_iter().flatten();
        let texts = lists
            .chain(items)
            .map(|value| value.as_str().unwrap().replace(' ', "%20"));
        let bounds = ["minimum", "maximum"].map(|bound| schema[bound].as_i64());
        let texts = texts.chain(bounds.into_iter().flatten().map(|bound| bound.to_string()));
        if parameter["in"] == "query" {
            queries.extend(
                texts.map(|text| format!("{}={text}", parameter["name"].as_str().unwrap())),
            );
        }
    }
    queries
}

/// Checks that a value is of the types that a schema says, all the way down, and has what the schema requires.
fn assert_fits(schemas: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = resolved(schemas, schema);
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    let kind = match value {
        Value::Array(_) => "array",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
        Value::Number(_) => "number",
        Value::Object(_) => "object",
        Value::String(_) => "string",
    };
    assert!(kinds.contains(&kind), "{at}: {value} is none of {kinds:?}");
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(
            !value[required.as_str().unwrap()].is_null(),
            "{at} has no {required}"
        );
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let known = &schema["properties"][name];
        assert!(!known.is_null(), "{at}/{name} is not described");
        assert_fits(schemas, known, inner, &format!("{at}/{name}"));
    }
    for inner in value.as_array().into_iter().flatten() {
        assert_fits(schemas, &schema["items"], inner, at);
    }
}

/// What a reference to one of `named` leads to.
fn resolved<'a>(named: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => &named[reference.rsplit_once('/').unwrap().1],
        None => value,
    }
}

fn names(object: &Value) -> Vec<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn members(object: &Value) -> Vec<(&String, &Value)> {
    object
        .as_object()
        .map(Map::iter)
        .into_iter()
        .flatten()
        .collect()
}

fn read(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

fn description() -> Value {
    read(rest::document())
}
