//! Both dialects, one outcome: the same situation met over gRPC and over REST.

use countersign::proto::pam::v1::{
    CloseElevationRequest, Elevation, ListElevationsRequest, ListRolesRequest,
};
use tonic::{Code, Status};

use crate::kit::{ANN, Answer, EVE, GIL, JEN, KIM, Kit, Person, SAM, reason};

/// How a decision ends in either dialect.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    grpc: Code,
    rest: u16,
    /// The reason of the refusal, which is the same in both.
    reason: &'static str,
}

const DONE: Outcome = Outcome { grpc: Code::Ok, rest: 200, reason: "" };
const DENIED: Outcome = Outcome { grpc: Code::PermissionDenied, rest: 403, reason: "ACCESS_DENIED" };
const NOT_PENDING: Outcome =
    Outcome { grpc: Code::FailedPrecondition, rest: 403, reason: "APPROVAL_NOT_PENDING" };
const ALREADY: Outcome = Outcome { grpc: Code::FailedPrecondition, rest: 403, reason: "ALREADY_DECIDED" };
const UNAUTHENTICATED: Outcome =
    Outcome { grpc: Code::Unauthenticated, rest: 401, reason: "UNAUTHENTICATED" };
const NOT_CANDIDATE: Outcome =
    Outcome { grpc: Code::FailedPrecondition, rest: 403, reason: "REQUESTER_NOT_CANDIDATE" };

/// What has happened to jen's request before.
#[derive(Clone, Copy, Debug)]
enum Before {
    Pending,
    ApprovedBySam,
    RejectedBySam,
    Expired,
    HalfApprovedBySam,
    GilLeft,
}

#[rustfmt::skip]
const TABLE: [(Before, &str, &str, Outcome); 24] = [
    (Before::Pending,           SAM, "Approve", DONE),
    (Before::Pending,           SAM, "Reject",  DONE),
    (Before::Pending,           KIM, "Approve", DONE),
    (Before::Pending,           JEN, "Approve", DENIED),
    (Before::Pending,           GIL, "Approve", DENIED),
    (Before::Pending,           EVE, "Approve", DENIED),
    (Before::Pending,           ANN, "Approve", DENIED),
    (Before::Pending,           ANN, "Reject",  DENIED),
    (Before::Pending,           "",  "Approve", UNAUTHENTICATED),
    (Before::Pending,           "",  "Reject",  UNAUTHENTICATED),
    (Before::ApprovedBySam,     SAM, "Approve", DONE),
    (Before::ApprovedBySam,     SAM, "Reject",  NOT_PENDING),
    (Before::ApprovedBySam,     KIM, "Approve", NOT_PENDING),
    (Before::ApprovedBySam,     EVE, "Approve", DENIED),
    (Before::RejectedBySam,     SAM, "Reject",  DONE),
    (Before::RejectedBySam,     SAM, "Approve", NOT_PENDING),
    (Before::RejectedBySam,     KIM, "Reject",  NOT_PENDING),
    (Before::Expired,           SAM, "Approve", NOT_PENDING),
    (Before::Expired,           KIM, "Reject",  NOT_PENDING),
    (Before::HalfApprovedBySam, SAM, "Approve", DONE),
    (Before::HalfApprovedBySam, SAM, "Reject",  ALREADY),
    (Before::HalfApprovedBySam, KIM, "Approve", DONE),
    (Before::GilLeft,           SAM, "Approve", NOT_CANDIDATE),
    (Before::GilLeft,           SAM, "Reject",  DONE),
];

#[tokio::test]
async fn both_dialects_decide_alike() {
    for (before, person, action, outcome) in TABLE {
        let kit = Kit::start().await;
        let row = format!("{before:?}: {person} {action}");
        let (first, second) = (arrange(&kit, before).await, arrange(&kit, before).await);
        if matches!(before, Before::Expired) {
            kit.clock.advance(7 * 86_400);
        }
        let person = if person.is_empty() { kit.anonymous() } else { kit.as_(person) };
        check_grpc(&person, &first, action, outcome, &row).await;
        check_rest(&person, &second, action, outcome, &row).await;
        let states = [status(&kit, &first).await, status(&kit, &second).await];
        assert_eq!(states[0], states[1], "{row}");
    }
}

#[tokio::test]
async fn both_dialects_list_alike() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    for requester in [JEN, GIL, JEN] {
        kit.clock.advance(1);
        kit.as_(requester).file(&role.id).await.unwrap();
    }
    for person in [SAM, KIM, JEN, EVE, ANN] {
        let answer = kit.as_(person).get("/api/pamresources/pamrequeststoapprove").await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let rows = body["value"].as_array().unwrap();
        let rest: Vec<&str> =
            rows.iter().map(|row| row["ApprovalObjectID"]["Value"].as_str().unwrap()).collect();
        assert_eq!(kit.as_(person).pending().await, rest, "{person}");
    }
}

async fn arrange(kit: &Kit, before: Before) -> Elevation {
    let needed = if matches!(before, Before::HalfApprovedBySam) { 2 } else { 1 };
    let role = kit.role_with(&[SAM, "group:SQL Owners"], needed).await;
    if matches!(before, Before::GilLeft) {
        let soon = countersign::domain::moment::Life::from_seconds(60).unwrap();
        let leaver = format!("PRIV\\leaver{}", role.id.len());
        let expires = countersign::ports::Clock::now(&*kit.clock).after(soon);
        let filed = kit.newcomer(&leaver, &["SQL Users"], Some(expires)).file(&role.id).await.unwrap();
        kit.clock.advance(60);
        return filed;
    }
    let filed = kit.as_(JEN).file(&role.id).await.unwrap();
    match before {
        Before::ApprovedBySam | Before::HalfApprovedBySam => {
            kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
        }
        Before::RejectedBySam => {
            kit.as_(SAM).reject(&filed.approval_id).await.unwrap();
        }
        Before::Expired | Before::GilLeft | Before::Pending => {}
    }
    filed
}

async fn check_grpc(person: &Person, filed: &Elevation, action: &str, outcome: Outcome, row: &str) {
    let decided = match action {
        "Approve" => person.approve(&filed.approval_id).await,
        _ => person.reject(&filed.approval_id).await,
    };
    check_status(decided.err(), outcome, row);
}

async fn check_rest(person: &Person, filed: &Elevation, action: &str, outcome: Outcome, row: &str) {
    let answer = person.act(&filed.approval_id, action).await;
    check_answer(&answer, outcome, row);
    assert_eq!(answer.body.is_empty(), answer.status == 200, "{row}");
}

async fn status(kit: &Kit, filed: &Elevation) -> (i32, usize) {
    let approval = kit.as_(ANN).approval(&filed.approval_id).await.unwrap();
    (approval.status, approval.decisions.len())
}

const ENDED: Outcome = Outcome { grpc: Code::FailedPrecondition, rest: 403, reason: "ELEVATION_ENDED" };
const FILED: Outcome = Outcome { grpc: Code::Ok, rest: 201, reason: "" };
const MALFORMED: Outcome = Outcome { grpc: Code::InvalidArgument, rest: 400, reason: "INVALID_ARGUMENT" };

#[tokio::test]
async fn both_dialects_file_alike() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    let nothing = "5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143";
    for (person, role, outcome) in [
        (JEN, &*role, FILED),
        (GIL, &role, FILED),
        (SAM, &role, DENIED),
        (ANN, &role, DENIED),
        (EVE, &role, DENIED),
        (JEN, nothing, DENIED),
        (JEN, "undefined", MALFORMED),
        ("", &role, UNAUTHENTICATED),
    ] {
        let row = format!("{person} {role}");
        let person = if person.is_empty() { kit.anonymous() } else { kit.as_(person) };
        check_status(person.file(role).await.err(), outcome, &row);
        let path = format!("/api/pamresources/pamrequests?RoleId={role}&RequestedTTL=60");
        check_answer(&person.post(&path).await, outcome, &row);
    }
}

#[tokio::test]
async fn both_dialects_close_alike() {
    for (before, person, outcome) in [
        (Before::Pending, JEN, DONE),
        (Before::Pending, SAM, DENIED),
        (Before::Pending, ANN, DENIED),
        (Before::Pending, "", UNAUTHENTICATED),
        (Before::ApprovedBySam, JEN, DONE),
        (Before::ApprovedBySam, KIM, DENIED),
        (Before::RejectedBySam, JEN, ENDED),
        (Before::Expired, JEN, ENDED),
    ] {
        let kit = Kit::start().await;
        let row = format!("{before:?}: {person}");
        let (first, second) = (arrange(&kit, before).await, arrange(&kit, before).await);
        if matches!(before, Before::Expired) {
            kit.clock.advance(7 * 86_400);
        }
        let person = if person.is_empty() { kit.anonymous() } else { kit.as_(person) };
        let request = CloseElevationRequest { elevation_id: first.id.clone() };
        check_status(person.elevations().close_elevation(request).await.err(), outcome, &row);
        let path = format!("/api/pamresources/pamrequests(guid'{}')/Close", second.id);
        check_answer(&person.post(&path).await, outcome, &row);
        let [first, second] =
            [kit.as_(JEN).elevation(&first.id).await, kit.as_(JEN).elevation(&second.id).await];
        assert_eq!(first.unwrap().status, second.unwrap().status, "{row}");
    }
}

#[tokio::test]
async fn both_dialects_show_everybody_the_same() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    kit.role_with(&[], 0).await;
    for requester in [JEN, GIL, JEN] {
        kit.clock.advance(1);
        kit.as_(requester).file(&role.id).await.unwrap();
    }
    for name in [JEN, GIL, SAM, ANN, EVE] {
        let person = kit.as_(name);
        let elevations = person.elevations().list_elevations(ListElevationsRequest::default()).await.unwrap();
        let elevations: Vec<String> =
            elevations.into_inner().elevations.into_iter().map(|elevation| elevation.id).collect();
        assert_eq!(column(&person, "pamrequests", "RequestId").await, elevations, "{name}");
        let roles = person.roles().list_roles(ListRolesRequest::default()).await.unwrap().into_inner().roles;
        let roles: Vec<String> = roles.into_iter().map(|role| role.id).collect();
        assert_eq!(column(&person, "pamroles", "RoleId").await, roles, "{name}");
        assert_eq!(column(&person, "sessioninfo", "Username").await, [name]);
    }
}

async fn column(person: &Person, set: &str, property: &str) -> Vec<String> {
    let answer = person.get(&format!("/api/pamresources/{set}")).await;
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let rows = body["value"].as_array().unwrap();
    rows.iter().map(|row| row[property].as_str().unwrap().to_owned()).collect()
}

fn check_status(refused: Option<Status>, outcome: Outcome, row: &str) {
    match refused {
        None => assert_eq!(outcome.grpc, Code::Ok, "{row}"),
        Some(status) => {
            assert_eq!((status.code(), &*reason(&status)), (outcome.grpc, outcome.reason), "{row}");
        }
    }
}

fn check_answer(answer: &Answer, outcome: Outcome, row: &str) {
    assert_eq!(answer.status, outcome.rest, "{row}");
    if answer.status >= 400 {
        assert_eq!(answer.code(), outcome.reason, "{row}");
    }
}
