//! Lists and filings in both dialects: what one finds, files or refuses, so does the other.

use countersign::proto::pam::v1::value::Kind;
use countersign::proto::pam::v1::{
    Comparison, CreateElevationRequest, Elevation, ListApprovalsRequest, ListElevationsRequest,
    ListRolesRequest, Operator, OrderBy, Role, Value,
};
use prost_types::{Duration, NullValue, Timestamp};
use tonic::Status;

use super::{DONE, FILED, MALFORMED, Outcome, check_answer, check_status};
use crate::kit::{self, ANN, JEN, Kit, Options, Person, SAM};

/// What a list is asked for, in both dialects.
struct Asked {
    set: &'static str,
    rest: String,
    grpc: Parts,
    outcome: Outcome,
    /// How many it finds, so that a row cannot hold because both find nothing.
    found: usize,
}

/// What the messages of all lists have.
#[derive(Clone, Default)]
struct Parts {
    filter: Vec<Comparison>,
    order_by: Vec<OrderBy>,
    skip: i32,
    page_size: i32,
    include_total_size: bool,
}

const REQUESTS: &str = "pamrequests";
const ROLES: &str = "pamroles";
const PENDING: &str = "pamrequeststoapprove";

#[tokio::test]
async fn both_dialects_find_the_same() {
    let kit = Kit::start().await;
    let (free, jens) = stage(&kit).await;
    for asked in found(&free, &jens) {
        let person = kit.as_(if asked.set == PENDING { SAM } else { JEN });
        let (ids, total) = over_grpc(&person, &asked).await.expect(&asked.rest);
        let listed = over_rest(&person, &asked).await;
        check_answer(&listed.0, DONE, &asked.rest);
        assert_eq!((&listed.1, listed.2), (&ids, total), "{}", asked.rest);
        assert_eq!(ids.len(), asked.found, "{}", asked.rest);
    }
}

#[tokio::test]
async fn both_dialects_refuse_the_same_lists() {
    let kit = Kit::start().await;
    stage(&kit).await;
    for asked in refused() {
        let person = kit.as_(if asked.set == PENDING { SAM } else { JEN });
        let row: String = asked.rest.chars().take(60).collect();
        let refused = over_grpc(&person, &asked).await.expect_err(&row);
        check_status(Some(refused), asked.outcome, &row);
        check_answer(&over_rest(&person, &asked).await.0, asked.outcome, &row);
    }
}

/// A role that needs no approval; jen has held it, holds it, and will hold it. Of another she waits for sam twice.
async fn stage(kit: &Kit) -> (Role, String) {
    let role = |name: &str, seconds| Role {
        max_duration: Some(Duration { seconds, nanos: 0 }),
        ..kit::role(name, &[], 0)
    };
    let free = kit
        .as_(ANN)
        .create_role(role("Allow AD Access", 7_200))
        .await
        .unwrap();
    let approved = kit.role().await;
    let jen = kit.as_(JEN);
    for (role, duration, justification) in [
        (&free, 600, Some("Ticket 4711")),
        (&free, 7_200, None),
        (&approved, 1_200, Some("O'Brien")),
        (&approved, 3_600, None),
    ] {
        let request = CreateElevationRequest {
            role_id: role.id.clone(),
            duration: Some(Duration {
                seconds: duration,
                nanos: 0,
            }),
            justification: justification.map(str::to_owned),
            ..CreateElevationRequest::default()
        };
        jen.elevations().create_elevation(request).await.unwrap();
        kit.clock.advance(900);
    }
    let jens = jen
        .sessions()
        .get_session(countersign::proto::pam::v1::GetSessionRequest {})
        .await
        .unwrap();
    (free, jens.into_inner().session.unwrap().account.unwrap().id)
}

fn found(free: &Role, jens: &str) -> Vec<Asked> {
    [found_requests(free), found_roles(), found_pending(jens)]
        .into_iter()
        .flatten()
        .collect()
}

#[rustfmt::skip]
fn found_requests(free: &Role) -> Vec<Asked> {
    let of_role = format!("$filter=RoleId eq guid'{}' and CreationTime ge datetime'2015-06-12T05:04:37.58Z'", free.id);
    // A quarter of an hour after the first was filed.
    let second = Kind::TimestampValue(Timestamp { seconds: 1_434_085_477, nanos: 580_000_000 });
    let both = filter(vec![compared("role_id", Operator::Eq, id(&free.id)), compared("create_time", Operator::Ge, second)]);
    let null = || Kind::NullValue(NullValue::NullValue.into());
    let asked = |rest: &str, grpc, found| Asked { set: REQUESTS, rest: rest.to_owned(), grpc, outcome: DONE, found };
    vec![
        asked("", Parts::default(), 4),
        asked("$filter=RequestStatus eq 'Active'", one("status", Operator::Eq, text("ELEVATION_STATUS_ACTIVE")), 1),
        asked("$filter='Expired' ne RequestStatus", one("status", Operator::Ne, text("ELEVATION_STATUS_EXPIRED")), 3),
        asked("$filter=RequestedTTL gt 1199.5", one("requested_duration", Operator::Gt, duration(1_199)), 3),
        asked("$filter=ExpirationTime eq datetime'0001-01-01'", one("expire_time", Operator::Eq, null()), 2),
        asked("$filter=Justification ne null", one("justification", Operator::Ne, null()), 2),
        asked("$filter=Justification eq 'O''Brien'", one("justification", Operator::Eq, text("O'Brien")), 1),
        asked(&of_role, both, 1),
        asked("$orderby=RequestedTTL desc", order(vec![by("requested_duration", true)]), 4),
        asked("$orderby=RoleId desc,CreationTime asc", order(vec![by("role_id", true), by("create_time", false)]), 4),
        asked("$orderby=RequestStatus", order(vec![by("status", false)]), 4),
        asked("$top=2&$skip=1", Parts { skip: 1, page_size: 2, ..Parts::default() }, 2),
        asked("$skip=9", Parts { skip: 9, ..Parts::default() }, 0),
        asked("$inlinecount=allpages&$top=1", Parts { page_size: 1, include_total_size: true, ..Parts::default() }, 1),
    ]
}

#[rustfmt::skip]
fn found_roles() -> Vec<Asked> {
    let asked = |rest: &str, grpc, found| Asked { set: ROLES, rest: rest.to_owned(), grpc, outcome: DONE, found };
    vec![
        asked("$filter=DisplayName eq 'Allow AD Access'", one("display_name", Operator::Eq, text("Allow AD Access")), 1),
        asked("$filter=ApprovalEnabled", one("approval_required", Operator::Eq, Kind::BoolValue(true)), 1),
        asked("$filter=TTL le 3600", one("max_duration", Operator::Le, duration(3_600)), 1),
        asked("$orderby=TTL", order(vec![by("max_duration", false)]), 2),
        asked("$inlinecount=allpages", Parts { include_total_size: true, ..Parts::default() }, 2),
    ]
}

#[rustfmt::skip]
fn found_pending(jens: &str) -> Vec<Asked> {
    let of_jen = format!("$filter=RequestorID/Value eq guid'{jens}'");
    let asked = |rest: &str, grpc, found| Asked { set: PENDING, rest: rest.to_owned(), grpc, outcome: DONE, found };
    vec![
        asked("$filter=Requestor eq 'jen'", one("requester.user", Operator::Eq, text("jen")), 2),
        asked(&of_jen, one("requester.id", Operator::Eq, id(jens)), 2),
        asked("$filter=RoleName lt 'A'", one("role_display_name", Operator::Lt, text("A")), 0),
        asked("$orderby=CreationTime desc&$top=1", Parts { page_size: 1, ..order(vec![by("create_time", true)]) }, 1),
    ]
}

#[rustfmt::skip]
fn refused() -> Vec<Asked> {
    let many = format!("$filter={}", ["DisplayName ne 'x'"; 33].join(" and "));
    let keys = ["id", "role_id", "requested_duration", "create_time", "justification"].map(|field| by(field, false));
    let asked = |set, rest: &str, grpc| Asked { set, rest: rest.to_owned(), grpc, outcome: MALFORMED, found: 0 };
    vec![
        asked(ROLES, &many, filter(vec![compared("display_name", Operator::Ne, text("x")); 33])),
        asked(ROLES, "$filter=displayname eq 'x'", one("displayname", Operator::Eq, text("x"))),
        asked(ROLES, "$filter=TTL eq 'x'", one("max_duration", Operator::Eq, text("x"))),
        asked(ROLES, "$filter=RoleId eq guid'undefined'", one("id", Operator::Eq, id("undefined"))),
        asked(ROLES, "$orderby=Nothing", order(vec![by("nothing", false)])),
        asked(REQUESTS, "$filter=CreationTime gt '2015-06-12'", one("create_time", Operator::Gt, text("2015-06-12"))),
        asked(REQUESTS, "$filter=MFAEnabled", one("mfa_enabled", Operator::Eq, Kind::BoolValue(true))),
        asked(REQUESTS, "$orderby=RequestId,RoleId,RequestedTTL,CreationTime,Justification", order(keys.to_vec())),
        asked(REQUESTS, "$top=-1", Parts { page_size: -1, ..Parts::default() }),
        asked(REQUESTS, "$skip=-1", Parts { skip: -1, ..Parts::default() }),
        asked(REQUESTS, "$skip=1000001", Parts { skip: 1_000_001, ..Parts::default() }),
        asked(PENDING, "$filter=Justification eq '%00'", one("justification", Operator::Eq, text("\0"))),
        asked(PENDING, "$skip=1000001", Parts { skip: 1_000_001, ..Parts::default() }),
        asked(REQUESTS, "$filter=CreationTime gt datetime'0000-12-31T23:59:59'", one("create_time", Operator::Gt, at(-62_135_596_801, 0))),
        asked(REQUESTS, "$filter=CreationTime lt datetime'9999-12-31T23:59:59-00:01'", one("create_time", Operator::Lt, at(253_402_300_800, 0))),
        asked(REQUESTS, "$filter=CreationTime gt datetime'2015-06-12T04:00:00%2B14:01'", one("create_time", Operator::Gt, at(0, -1))),
    ]
}

fn at(seconds: i64, nanos: i32) -> Kind {
    Kind::TimestampValue(Timestamp { seconds, nanos })
}

fn text(text: &str) -> Kind {
    Kind::StringValue(text.to_owned())
}

fn id(id: &str) -> Kind {
    Kind::IdValue(id.to_owned())
}

fn duration(seconds: i64) -> Kind {
    Kind::DurationValue(Duration { seconds, nanos: 0 })
}

fn filter(filter: Vec<Comparison>) -> Parts {
    Parts {
        filter,
        ..Parts::default()
    }
}

/// A filter of one comparison.
fn one(field: &str, operator: Operator, kind: Kind) -> Parts {
    filter(vec![compared(field, operator, kind)])
}

fn order(order_by: Vec<OrderBy>) -> Parts {
    Parts {
        order_by,
        ..Parts::default()
    }
}

fn by(field: &str, descending: bool) -> OrderBy {
    OrderBy {
        field: field.to_owned(),
        descending,
    }
}

fn compared(field: &str, operator: Operator, kind: Kind) -> Comparison {
    Comparison {
        field: field.to_owned(),
        operator: operator.into(),
        value: Some(Value { kind: Some(kind) }),
    }
}

async fn over_grpc(person: &Person, asked: &Asked) -> Result<(Vec<String>, Option<i64>), Status> {
    let Parts {
        filter,
        order_by,
        skip,
        page_size,
        include_total_size,
    } = asked.grpc.clone();
    let page_token = String::new();
    Ok(match asked.set {
        PENDING => {
            let request = ListApprovalsRequest {
                page_size,
                page_token,
                filter,
                order_by,
                skip,
                include_total_size,
            };
            let page = person
                .approvals()
                .list_approvals(request)
                .await?
                .into_inner();
            (
                page.approvals
                    .into_iter()
                    .map(|approval| approval.id)
                    .collect(),
                page.total_size,
            )
        }
        REQUESTS => {
            let request = ListElevationsRequest {
                page_size,
                page_token,
                filter,
                order_by,
                skip,
                include_total_size,
            };
            let page = person
                .elevations()
                .list_elevations(request)
                .await?
                .into_inner();
            (
                page.elevations
                    .into_iter()
                    .map(|elevation| elevation.id)
                    .collect(),
                page.total_size,
            )
        }
        _ => {
            let request = ListRolesRequest {
                page_size,
                page_token,
                filter,
                order_by,
                skip,
                include_total_size,
            };
            let page = person.roles().list_roles(request).await?.into_inner();
            (
                page.roles.into_iter().map(|role| role.id).collect(),
                page.total_size,
            )
        }
    })
}

async fn over_rest(person: &Person, asked: &Asked) -> (kit::Answer, Vec<String>, Option<i64>) {
    let query = asked.rest.replace(' ', "%20");
    let answer = person
        .get(&format!("/api/pamresources/{}?{query}", asked.set))
        .await;
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let id = |row: &serde_json::Value| {
        let id = [
            &row["RequestId"],
            &row["RoleId"],
            &row["ApprovalObjectID"]["Value"],
        ];
        id.into_iter()
            .find_map(|id| id.as_str())
            .unwrap()
            .to_owned()
    };
    let ids = body["value"]
        .as_array()
        .map(|rows| rows.iter().map(id).collect());
    let total = body["odata.count"]
        .as_str()
        .map(|total| total.parse().unwrap());
    (answer, ids.unwrap_or_default(), total)
}

/// Filings that both dialects take, in all the ways of REST, and what of them is stored.
#[tokio::test]
async fn both_dialects_file_the_same() {
    let seconds = |seconds| Some(Duration { seconds, nanos: 0 });
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let json = "Content-Type: application/json\r\n";
    let prefer = "Prefer: return-no-content\r\n";
    let deferred = Outcome { rest: 204, ..FILED };
    #[rustfmt::skip]
    let table = [
        // In the query, in a form and in JSON.
        ("RequestedTTL=600&Justification=Ticket+4711", "", "", seconds(600), Some("Ticket 4711"), None, FILED),
        ("", form, "RequestedTTL=600&Justification=O%27Brien", seconds(600), Some("O'Brien"), None, FILED),
        ("", json, r#"{"RequestedTTL":"600","Justification":null}"#, seconds(600), None, None, FILED),
        ("Justification=x", json, r#"{"requestedttl":600}"#, seconds(600), Some("x"), None, FILED),
        // The TTL: none, more than the role allows, in fractions, and nothing.
        ("", "", "", None, None, None, FILED),
        ("RequestedTTL=", "", "", None, None, None, FILED),
        ("RequestedTTL=12960000", "", "", seconds(12_960_000), None, None, FILED),
        ("RequestedTTL=1199.8799999999999", "", "", seconds(1_199), None, None, FILED),
        ("RequestedTTL=0.4", "", "", seconds(1), None, None, FILED),
        ("RequestedTTL=0", "", "", seconds(0), None, None, FILED),
        // The start: ahead, past or now; without a zone it is the server's.
        ("RequestedTime=2015-06-12T04:00:00Z", "", "", None, None, at(1_434_081_600), FILED),
        ("RequestedTime=2015/06/11+21:00", "", "", None, None, at(1_434_081_600), FILED),
        ("RequestedTime=2015-06-12T06:00:00.25Z", "", "", None, None, Some(Timestamp { seconds: 1_434_088_800, nanos: 250_000_000 }), FILED),
        ("RequestedTime=2015/06/11+23:00", "", "", None, None, at(1_434_088_800), FILED),
        ("RequestedTime=1960-07-11T23:40:00Z", "", "", None, None, at(-298_945_200), FILED),
        ("RequestedTime=", "", "", None, None, None, FILED),
        // An empty justification is none.
        ("Justification=", "", "", None, Some(""), None, FILED),
        // Without an answer.
        ("RequestedTTL=600", prefer, "", seconds(600), None, None, deferred),
        ("RequestedTTL=0", prefer, "", seconds(0), None, None, deferred),
    ];
    let kit = Kit::with(Options {
        quota: countersign::domain::quota::Quota::default(),
        ..Options::default()
    })
    .await;
    let jen = kit.as_(JEN);
    for role in [kit.role_with(&[], 0).await, kit.role().await] {
        for (query, headers, body, duration, justification, requested_start_time, outcome) in table
        {
            let justification = justification.map(str::to_owned);
            let request = CreateElevationRequest {
                role_id: role.id.clone(),
                duration,
                justification,
                requested_start_time,
                ..CreateElevationRequest::default()
            };
            let filed = jen.elevations().create_elevation(request).await;
            let filed = filed.expect(query).into_inner().elevation.unwrap();
            let path = format!("/api/pamresources/pamrequests?RoleId={}&{query}", role.id);
            let headers = format!("{headers}Content-Length: {}\r\n", body.len());
            let answer = jen.rest("POST", &path, &headers, body).await;
            check_answer(&answer, outcome, query);
            let location = answer.header("location").expect(query);
            let (_, id) = location
                .trim_end_matches("')")
                .rsplit_once("guid'")
                .expect(query);
            assert_eq!(
                told(jen.elevation(id).await.unwrap()),
                told(jen.elevation(&filed.id).await.unwrap()),
                "{query}"
            );
        }
    }
}

/// Returns the stored fields of a filing, except those that identify it.
fn told(elevation: Elevation) -> Elevation {
    Elevation {
        id: String::new(),
        approval_id: String::new(),
        creation_method: 0,
        ..elevation
    }
}
