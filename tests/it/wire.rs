//! The wire contract as a table: every wire case of `docs/rest-api.md` by its number, with the bytes
//! that its client sends and the expected answer.
//!
//! The tables are the texts in `wire/`. A row begins with its numbers and its subject. Then come the
//! caller, the lines of the request after `>`, and the expectations. Each request gets `Host`,
//! `Authorization` and `Connection: close` in addition. `Content-Length: *` is the length of the
//! body. In a body `\r\n` and `\u{feff}` are the characters that they name. The first expectation is the
//! status. Any of these follow:
//!
//! - `name: value` is a header, and `name: -` is one that must be missing.
//! - `=` is the whole body, in one or more lines.
//! - `~` and `!` are texts that the body must contain, and must not contain.
//! - `error CODE message` is the whole body of an error; without a message it is only its code.
//! - `rows` is the content of a list, in its order. The prepared requests are 1, 2 and 3.
//! - `empty` is an empty body.
//! - `then` is the status of request 3 afterwards, by default `PendingApproval`.
//!
//! A row gets a server to which no other row has written. On it jen has filed three requests: 1 is
//! active, 2 is rejected, and 3 waits for sam.

mod page;
mod row;

use std::collections::BTreeSet;
use std::time::Duration;

use countersign::proto::pam::v1::Role;
use countersign::server::Limits;
use serde_json::Value;

use crate::kit::{ANN, Answer, EVE, GIL, JEN, Kit, Options, SAM, role};
use row::{Expected, Row, rows};

const TABLE: [&str; 6] = [
    include_str!("wire/actions.txt"),
    include_str!("wire/lists.txt"),
    include_str!("wire/filters.txt"),
    include_str!("wire/creations.txt"),
    include_str!("wire/headers.txt"),
    include_str!("wire/atom.txt"),
];
const WIRE_CASES: std::ops::RangeInclusive<u8> = 1..=102;

#[tokio::test]
async fn actions() {
    hold(TABLE[0]).await;
}

#[tokio::test]
async fn lists() {
    hold(TABLE[1]).await;
}

#[tokio::test]
async fn filters() {
    hold(TABLE[2]).await;
}

#[tokio::test]
async fn creations() {
    hold(TABLE[3]).await;
}

#[tokio::test]
async fn headers() {
    hold(TABLE[4]).await;
}

#[tokio::test]
async fn atom() {
    hold(TABLE[5]).await;
}

#[test]
fn every_wire_case_has_a_row() {
    let listed: BTreeSet<u8> = TABLE
        .into_iter()
        .flat_map(rows)
        .flat_map(|row| row.numbers)
        .collect();
    assert_eq!(listed, WIRE_CASES.collect());
}

/// Sends every row of a table, and fails with all wrong answers at once.
async fn hold(table: &str) {
    let mut failures = Vec::new();
    let mut unchanged: Option<Kit> = None;
    for row in rows(table) {
        let kit = match unchanged.take().filter(|_| row.server.is_empty()) {
            Some(kit) => kit,
            None => server(&row).await,
        };
        let answer = send(&kit, &row).await;
        let mut wrong = unlike_any_answer(&row, &answer);
        for expected in &row.expected {
            wrong.extend(unlike(expected, &answer));
        }
        if row.server.is_empty() {
            let status = kit
                .as_(JEN)
                .elevation(PENDING)
                .await
                .unwrap()
                .status()
                .as_str_name()
                .to_owned();
            let then = status_name(&row.then);
            wrong.extend((status != then).then(|| format!("then {status}")));
        }
        if !wrong.is_empty() {
            failures.push(format!(
                "{:?} {}\n  {}\n  {answer:?}",
                row.numbers,
                row.title,
                wrong.join("\n  ")
            ));
        }
        unchanged = Some(kit).filter(|_| row.server.is_empty() && row.request.starts_with("GET "));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Starts the server that the row asks for. The usual one has the three requests.
async fn server(row: &Row) -> Kit {
    let limits = match &*row.server {
        "slow" => Limits {
            request_time: Duration::ZERO,
            ..Limits::default()
        },
        "busy" => Limits {
            requests: 0,
            ..Limits::default()
        },
        _ => Limits::default(),
    };
    let kit = Kit::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    if !["slow", "busy"].contains(&&*row.server) {
        set(&kit).await;
    }
    if row.server == "broken" {
        kit.ids.break_once();
    }
    kit
}

async fn set(kit: &Kit) {
    let (ann, jen, sam) = (kit.as_(ANN), kit.as_(JEN), kit.as_(SAM));
    let free = Role {
        id: FREE.into(),
        description: String::new(),
        ..role("Allow AD Access ", &[], 0)
    };
    ann.create_role(free).await.unwrap();
    let approved = Role {
        id: APPROVED.into(),
        ..role("SQL File Access", &[SAM, "group:SQL Owners"], 1)
    };
    ann.create_role(approved).await.unwrap();
    let requests = "/api/pamresources/pamrequests";
    kit.ids.choose(&[ACTIVE]);
    jen.post(&format!(
        "{requests}?RoleId={FREE}&RequestedTTL=3600&Justification=O%27Brien"
    ))
    .await;
    kit.clock.advance(60);
    kit.ids.choose(&[REJECTED]);
    jen.post(&format!(
        "{requests}?RoleId={APPROVED}&RequestedTTL=600&Justification="
    ))
    .await;
    sam.reject(&sam.pending().await[0]).await.unwrap();
    kit.clock.advance(60);
    kit.ids.choose(&[PENDING, APPROVAL]);
    jen.post(&format!(
        "{requests}?RoleId={APPROVED}&RequestedTTL=7200&Justification=stop+and+go"
    ))
    .await;
    kit.ids.choose(&[NEXT]);
}

async fn send(kit: &Kit, row: &Row) -> Answer {
    let token = match &*row.caller {
        "nobody" => None,
        "eve" => Some(EVE),
        "gil" => Some(GIL),
        "jen" => Some(JEN),
        "sam" => Some(SAM),
        caller => panic!("{caller} is not of the cast"),
    };
    let authorization = token.map(|name| format!("Authorization: Bearer {}\r\n", kit.token(name)));
    let added = format!(
        "Host: pam.test:8086\r\nConnection: close\r\n{}",
        authorization.unwrap_or_default()
    );
    let (line, rest) = row.request.split_once("\r\n").unwrap();
    let answer = kit.raw(&format!("{line}\r\n{added}{rest}")).await;
    // hyper's own response to `Expect: 100-continue` comes first.
    if answer.status == 100 {
        Answer::parse(&answer.body)
    } else {
        answer
    }
}

/// Checks the rules of every answer: its content type, the form of an error, the CORS headers, and
/// that it repeats no text of the caller.
fn unlike_any_answer(row: &Row, answer: &Answer) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    check(answer.status == row.status, "the status");
    let content_type = answer.header("content-type");
    if answer.body.is_empty() {
        check(content_type.is_none(), "a content type without a body");
    } else {
        let known = [
            "application/json; odata=",
            "application/xml; ",
            "application/atom+xml; type=",
            "application/atomsvc+xml; ",
        ];
        check(
            content_type.is_some_and(|found| {
                known.iter().any(|known| found.starts_with(known))
                    && found.ends_with("charset=utf-8")
            }),
            "the content type",
        );
        check(answer.header("dataserviceversion").is_some(), "no version");
        let is_json = content_type.is_some_and(|found| found.starts_with("application/json"));
        check(answer.body.is_ascii() || !is_json, "JSON not in ASCII");
    }
    if answer.status >= 400 && !row.expects_nothing() {
        check(is_error(answer), "no error");
        check(!answer.body.contains("<b>"), "what the caller wrote");
    }
    if row.request.contains("\r\nOrigin: http://pamsrv:8090\r\n") {
        check(
            answer.header("access-control-allow-origin") == Some("http://pamsrv:8090"),
            "no origin",
        );
        check(
            answer.header("access-control-allow-credentials") == Some("true"),
            "no credentials",
        );
        let headers = answer.header("access-control-allow-headers");
        check(
            headers.is_some_and(|headers| headers.starts_with("content-type")),
            "no headers",
        );
    }
    check(
        answer.header("access-control-allow-origin") != Some("*"),
        "any origin",
    );
    wrong
}

/// Returns whether a client can read the error: the portal in
/// `responseJSON["odata.error"]["message"]["value"]`, others in its counterpart of version 2 or Atom.
fn is_error(answer: &Answer) -> bool {
    let content_type = answer.header("content-type").unwrap_or_default();
    if content_type == "application/xml; charset=utf-8" {
        return [
            "<m:error ",
            "<m:code>",
            "</m:code><m:message xml:lang=\"en-US\">",
            "</m:message></m:error>",
        ]
        .iter()
        .all(|part| answer.body.contains(part));
    }
    let Ok(body) = serde_json::from_str::<Value>(&answer.body) else {
        return false;
    };
    let name = if content_type.contains("odata=verbose") {
        "error"
    } else {
        "odata.error"
    };
    let error = &body[name];
    let message = &error["message"];
    content_type.starts_with("application/json")
        && error["code"].as_str().is_some_and(|code| !code.is_empty())
        && message["lang"] == "en-US"
        && message["value"]
            .as_str()
            .is_some_and(|value| !value.is_empty())
}

fn unlike(expected: &Expected, answer: &Answer) -> Option<String> {
    let body = &answer.body;
    let holds = match expected {
        Expected::Body(text) => body == text,
        Expected::Code(code) => is_error(answer) && answer.code() == *code,
        Expected::Header(name, value) => answer.header(name) == value.as_deref(),
        Expected::Lacks(text) => !body.contains(text),
        Expected::Has(text) => body.contains(text),
        Expected::Rows(rows) => listed(body).as_ref() == Some(rows),
    };
    (!holds).then(|| format!("not {expected:?}"))
}

/// Returns the rows of a list, each by the first of its properties that identifies it.
fn listed(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    let name = |row: &Value| {
        let known = ["RequestId", "DisplayName", "RoleName", "Username"];
        let name = known
            .iter()
            .find_map(|property| row[*property].as_str())
            .unwrap_or("?")
            .to_owned();
        let request = [ACTIVE, REJECTED, PENDING]
            .iter()
            .position(|id| **id == name);
        request.map_or(name, |at| (at + 1).to_string())
    };
    Some(
        body["value"]
            .as_array()?
            .iter()
            .map(name)
            .collect::<Vec<_>>()
            .join(" | "),
    )
}

/// Returns the gRPC name of a status of the REST API.
fn status_name(status: &str) -> &'static str {
    match status {
        "Active" => "ELEVATION_STATUS_ACTIVE",
        "Closed" => "ELEVATION_STATUS_CLOSED",
        "PendingApproval" => "ELEVATION_STATUS_PENDING_APPROVAL",
        "Rejected" => "ELEVATION_STATUS_REJECTED",
        _ => panic!("{status} is no status"),
    }
}

/// A role that needs no approval.
const FREE: &str = "8f5cec1a-ecba-42ec-b76d-e6e0e4bf4c62";
/// A role whose requests sam decides.
const APPROVED: &str = "c28eab4a-95cf-4c08-a153-d5e8a9e660cd";
const ACTIVE: &str = "b22e1343-9a2b-4e33-a70a-1bb7b2d405b9";
const REJECTED: &str = "b0f0ddc0-c809-4770-9d39-0d706f97a2de";
const PENDING: &str = "5ec10e61-cdd1-404e-a18e-740467d87dbf";
/// The approval of the pending request.
const APPROVAL: &str = "5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143";
/// The request that a row creates.
const NEXT: &str = "c0112f13-b16b-40ad-b547-07f23a7fba52";
