//! Both dialects, one outcome: the same situation met over gRPC and over REST.

mod lists;

use countersign::domain::quota::Quota;
use countersign::proto::pam::v1::{
    CloseElevationRequest, CreateElevationRequest, Elevation, GetSessionRequest,
    ListApprovalsRequest, ListElevationsRequest, ListRolesRequest,
};
use countersign::server::Limits;
use prost_types::{Duration, Timestamp};
use tonic::{Code, Status};

use crate::kit::{ANN, Answer, EVE, GIL, JEN, KIM, Kit, Options, Person, SAM, reason};

/// How a decision ends in either dialect.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    grpc: Code,
    rest: u16,
    /// The reason of the refusal, which is the same in both.
    reason: &'static str,
}

const DONE: Outcome = Outcome {
    grpc: Code::Ok,
    rest: 200,
    reason: "",
};
const DENIED: Outcome = Outcome {
    grpc: Code::PermissionDenied,
    rest: 403,
    reason: "ACCESS_DENIED",
};
const NOT_PENDING: Outcome = Outcome {
    grpc: Code::FailedPrecondition,
    rest: 403,
    reason: "APPROVAL_NOT_PENDING",
};
const ALREADY: Outcome = Outcome {
    grpc: Code::FailedPrecondition,
    rest: 403,
    reason: "ALREADY_DECIDED",
};
const UNAUTHENTICATED: Outcome = Outcome {
    grpc: Code::Unauthenticated,
    rest: 401,
    reason: "UNAUTHENTICATED",
};
const NOT_CANDIDATE: Outcome = Outcome {
    grpc: Code::FailedPrecondition,
    rest: 403,
    reason: "REQUESTER_NOT_CANDIDATE",
};

/// What has happened to jen's request before.
#[derive(Clone, Copy, Debug)]
enum Before {
    Pending,
    ApprovedBySam,
    RejectedBySam,
    ClosedByJen,
    Expired,
    HalfApprovedBySam,
    GilLeft,
    /// Approved by sam, and the duration is over.
    RanOut,
}

impl Before {
    /// Whether it takes a week to get there, after everything has been done.
    fn takes_a_week(self) -> bool {
        matches!(self, Self::Expired | Self::RanOut)
    }
}

#[rustfmt::skip]
const TABLE: [(Before, &str, &str, Outcome); 31] = [
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
    (Before::ClosedByJen,       SAM, "Approve", NOT_PENDING),
    (Before::ClosedByJen,       KIM, "Reject",  NOT_PENDING),
    (Before::ClosedByJen,       EVE, "Approve", DENIED),
    (Before::HalfApprovedBySam, KIM, "Reject",  DONE),
    (Before::RanOut,            SAM, "Approve", DONE),
    (Before::RanOut,            SAM, "Reject",  NOT_PENDING),
    (Before::RanOut,            KIM, "Approve", NOT_PENDING),
    (Before::GilLeft,           SAM, "Approve", NOT_CANDIDATE),
    (Before::GilLeft,           SAM, "Reject",  DONE),
];

#[tokio::test]
async fn both_dialects_decide_alike() {
    for (before, person, action, outcome) in TABLE {
        let kit = Kit::start().await;
        let row = format!("{before:?}: {person} {action}");
        let (first, second) = (arrange(&kit, before).await, arrange(&kit, before).await);
        if before.takes_a_week() {
            kit.clock.advance(7 * 86_400);
        }
        let person = if person.is_empty() {
            kit.anonymous()
        } else {
            kit.as_(person)
        };
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
        let answer = kit
            .as_(person)
            .get("/api/pamresources/pamrequeststoapprove")
            .await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let rows = body["value"].as_array().unwrap();
        let rest: Vec<&str> = rows
            .iter()
            .map(|row| row["ApprovalObjectID"]["Value"].as_str().unwrap())
            .collect();
        assert_eq!(kit.as_(person).pending().await, rest, "{person}");
    }
}

async fn arrange(kit: &Kit, before: Before) -> Elevation {
    let required_approvals = if matches!(before, Before::HalfApprovedBySam) {
        2
    } else {
        1
    };
    let role = kit
        .role_with(&[SAM, "group:SQL Owners"], required_approvals)
        .await;
    if matches!(before, Before::GilLeft) {
        let soon = countersign::domain::moment::Seconds::new(60).unwrap();
        let leaver = format!("PRIV\\leaver{}", role.id.len());
        let expires = countersign::time::Clock::now(&*kit.clock).after(soon);
        let filed = kit
            .newcomer(&leaver, &["SQL Users"], Some(expires))
            .file(&role.id)
            .await
            .unwrap();
        kit.clock.advance(60);
        return filed;
    }
    let filed = kit.as_(JEN).file(&role.id).await.unwrap();
    match before {
        Before::ApprovedBySam | Before::HalfApprovedBySam | Before::RanOut => {
            kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
        }
        Before::RejectedBySam => {
            kit.as_(SAM).reject(&filed.approval_id).await.unwrap();
        }
        Before::ClosedByJen => {
            let request = CloseElevationRequest {
                elevation_id: filed.id.clone(),
            };
            kit.as_(JEN)
                .elevations()
                .close_elevation(request)
                .await
                .unwrap();
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

const ENDED: Outcome = Outcome {
    grpc: Code::FailedPrecondition,
    rest: 403,
    reason: "ELEVATION_ENDED",
};
const FILED: Outcome = Outcome {
    grpc: Code::Ok,
    rest: 201,
    reason: "",
};
const MALFORMED: Outcome = Outcome {
    grpc: Code::InvalidArgument,
    rest: 400,
    reason: "INVALID_ARGUMENT",
};

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
        (Before::RanOut, JEN, ENDED),
        (Before::ClosedByJen, JEN, DONE),
        (Before::ClosedByJen, GIL, DENIED),
        (Before::HalfApprovedBySam, JEN, DONE),
    ] {
        let kit = Kit::start().await;
        let row = format!("{before:?}: {person}");
        let (first, second) = (arrange(&kit, before).await, arrange(&kit, before).await);
        if before.takes_a_week() {
            kit.clock.advance(7 * 86_400);
        }
        let person = if person.is_empty() {
            kit.anonymous()
        } else {
            kit.as_(person)
        };
        let request = CloseElevationRequest {
            elevation_id: first.id.clone(),
        };
        check_status(
            person.elevations().close_elevation(request).await.err(),
            outcome,
            &row,
        );
        let path = format!("/api/pamresources/pamrequests(guid'{}')/Close", second.id);
        check_answer(&person.post(&path).await, outcome, &row);
        let [first, second] = [
            kit.as_(JEN).elevation(&first.id).await,
            kit.as_(JEN).elevation(&second.id).await,
        ];
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
        let elevations = person
            .elevations()
            .list_elevations(ListElevationsRequest::default())
            .await
            .unwrap();
        let elevations: Vec<String> = elevations
            .into_inner()
            .elevations
            .into_iter()
            .map(|elevation| elevation.id)
            .collect();
        assert_eq!(
            column(&person, "pamrequests", "RequestId").await,
            elevations,
            "{name}"
        );
        let roles = person
            .roles()
            .list_roles(ListRolesRequest::default())
            .await
            .unwrap()
            .into_inner()
            .roles;
        let roles: Vec<String> = roles.into_iter().map(|role| role.id).collect();
        assert_eq!(column(&person, "pamroles", "RoleId").await, roles, "{name}");
        assert_eq!(column(&person, "sessioninfo", "Username").await, [name]);
    }
}

/// Every operation that both dialects have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operation {
    Approve,
    Close,
    Create,
    GiveUp,
    Pending,
    Read,
    Reject,
    Requests,
    Roles,
    Session,
}

const OPERATIONS: [Operation; 10] = [
    Operation::Approve,
    Operation::Close,
    Operation::Create,
    Operation::GiveUp,
    Operation::Pending,
    Operation::Read,
    Operation::Reject,
    Operation::Requests,
    Operation::Roles,
    Operation::Session,
];

/// What an operation is done to. A list has no such thing, but may be asked for a page that is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Target {
    /// The role, what jen has filed for it, or its approval.
    There,
    Nothing,
    Malformed,
}

const TIMED_OUT: Outcome = Outcome {
    grpc: Code::DeadlineExceeded,
    rest: 408,
    reason: "DEADLINE_EXCEEDED",
};
const OVERLOADED: Outcome = Outcome {
    grpc: Code::Unavailable,
    rest: 503,
    reason: "OVERLOADED",
};

#[rustfmt::skip]
const OUTCOMES: [(Operation, Target, &[&str], Outcome); 41] = [
    (Operation::Approve,  Target::There,     &[SAM, KIM],                     DONE),
    (Operation::Approve,  Target::There,     &[JEN, GIL, EVE, ANN],           DENIED),
    (Operation::Approve,  Target::Nothing,   &[SAM, EVE, ANN],                DENIED),
    (Operation::Approve,  Target::Malformed, &[SAM, EVE],                     MALFORMED),
    (Operation::Approve,  Target::There,     &[""],                           UNAUTHENTICATED),
    (Operation::Reject,   Target::There,     &[SAM, KIM],                     DONE),
    (Operation::Reject,   Target::There,     &[JEN, GIL, EVE, ANN],           DENIED),
    (Operation::Reject,   Target::Nothing,   &[SAM, EVE, ANN],                DENIED),
    (Operation::Reject,   Target::Malformed, &[SAM, EVE],                     MALFORMED),
    (Operation::Reject,   Target::There,     &[""],                           UNAUTHENTICATED),
    (Operation::Close,    Target::There,     &[JEN],                          DONE),
    (Operation::Close,    Target::There,     &[GIL, SAM, KIM, EVE, ANN],      DENIED),
    (Operation::Close,    Target::Nothing,   &[JEN, EVE, ANN],                DENIED),
    (Operation::Close,    Target::Malformed, &[JEN, EVE],                     MALFORMED),
    (Operation::Close,    Target::There,     &[""],                           UNAUTHENTICATED),
    (Operation::Create,   Target::There,     &[JEN, GIL],                     FILED),
    (Operation::Create,   Target::There,     &[SAM, KIM, EVE, ANN],           DENIED),
    (Operation::Create,   Target::Nothing,   &[JEN, EVE, ANN],                DENIED),
    (Operation::Create,   Target::Malformed, &[JEN, EVE],                     MALFORMED),
    (Operation::Create,   Target::There,     &[""],                           UNAUTHENTICATED),
    (Operation::GiveUp,   Target::There,     &[JEN, GIL],                     FILED),
    (Operation::GiveUp,   Target::There,     &[SAM, KIM, EVE, ANN],           DENIED),
    (Operation::GiveUp,   Target::Nothing,   &[JEN, EVE, ANN],                DENIED),
    (Operation::GiveUp,   Target::Malformed, &[JEN, EVE],                     MALFORMED),
    (Operation::GiveUp,   Target::There,     &[""],                           UNAUTHENTICATED),
    (Operation::Read,     Target::There,     &[JEN, SAM, KIM, ANN],           DONE),
    (Operation::Read,     Target::There,     &[GIL, EVE],                     DENIED),
    (Operation::Read,     Target::Nothing,   &[JEN, SAM, EVE],                DENIED),
    (Operation::Read,     Target::Malformed, &[JEN, EVE],                     MALFORMED),
    (Operation::Read,     Target::There,     &[""],                           UNAUTHENTICATED),
    (Operation::Pending,  Target::There,     &[JEN, GIL, SAM, KIM, EVE, ANN], DONE),
    (Operation::Pending,  Target::Malformed, &[SAM, EVE],                     MALFORMED),
    (Operation::Pending,  Target::There,     &[""],                           UNAUTHENTICATED),
    (Operation::Requests, Target::There,     &[JEN, GIL, SAM, KIM, EVE, ANN], DONE),
    (Operation::Requests, Target::Malformed, &[JEN, EVE],                     MALFORMED),
    (Operation::Requests, Target::There,     &[""],                           UNAUTHENTICATED),
    (Operation::Roles,    Target::There,     &[JEN, GIL, SAM, KIM, EVE, ANN], DONE),
    (Operation::Roles,    Target::Malformed, &[JEN, EVE],                     MALFORMED),
    (Operation::Roles,    Target::There,     &[""],                           UNAUTHENTICATED),
    (Operation::Session,  Target::There,     &[JEN, GIL, SAM, KIM, EVE, ANN], DONE),
    (Operation::Session,  Target::There,     &[""],                           UNAUTHENTICATED),
];

#[tokio::test]
async fn every_operation_ends_alike_in_both_dialects() {
    // More waits for approval here than one may ask for otherwise.
    let kit = Kit::with(Options {
        quota: Quota::default(),
        ..Options::default()
    })
    .await;
    for (operation, target, people, outcome) in OUTCOMES {
        for name in people {
            let row = format!("{operation:?} {target:?} by {name}");
            let person = if name.is_empty() {
                kit.anonymous()
            } else {
                kit.as_(name)
            };
            let (first, second) = (kit.pending().await, kit.pending().await);
            check_status(
                over_grpc(operation, &person, &of(operation, target, &first)).await,
                outcome,
                &row,
            );
            check_answer(
                &over_rest(operation, &person, &of(operation, target, &second)).await,
                outcome,
                &row,
            );
        }
    }
}

/// A table with a hole proves nothing about the missing row.
#[test]
fn no_operation_lacks_an_outcome() {
    for operation in OPERATIONS {
        let has = |target: Target, reason: &str| {
            OUTCOMES.iter().any(|(of, at, _, outcome)| {
                (*of, *at, outcome.reason) == (operation, target, reason)
            })
        };
        assert!(has(Target::There, ""), "{operation:?} succeeds");
        assert!(
            has(Target::There, "UNAUTHENTICATED"),
            "{operation:?} needs credentials"
        );
        let lists =
            [Operation::Pending, Operation::Requests, Operation::Roles].contains(&operation);
        if operation != Operation::Session {
            assert!(
                has(Target::Malformed, "INVALID_ARGUMENT"),
                "{operation:?} takes bad input"
            );
        }
        if operation != Operation::Session && !lists {
            assert!(
                has(Target::There, "ACCESS_DENIED"),
                "{operation:?} is forbidden to somebody"
            );
            assert!(
                has(Target::Nothing, "ACCESS_DENIED"),
                "{operation:?} meets what is not there"
            );
        }
    }
}

#[tokio::test]
async fn every_operation_is_out_of_time_or_turned_away_alike() {
    for (limits, outcome) in [
        (
            Limits {
                request_time: std::time::Duration::ZERO,
                ..Limits::default()
            },
            TIMED_OUT,
        ),
        (
            Limits {
                requests: 0,
                ..Limits::default()
            },
            OVERLOADED,
        ),
    ] {
        let kit = Kit::with(Options {
            limits,
            ..Options::default()
        })
        .await;
        for operation in OPERATIONS {
            let id = of(operation, Target::Nothing, &Elevation::default());
            let row = format!("{operation:?}");
            check_status(
                over_grpc(operation, &kit.as_(JEN), &id).await,
                outcome,
                &row,
            );
            check_answer(
                &over_rest(operation, &kit.as_(JEN), &id).await,
                outcome,
                &row,
            );
        }
    }
}

/// Faults of a filing other than its role.
#[tokio::test]
async fn both_dialects_refuse_the_same_filings() {
    let kit = Kit::start().await;
    let role_id = kit.role().await.id;
    let asked = CreateElevationRequest {
        role_id: role_id.clone(),
        ..CreateElevationRequest::default()
    };
    let duration = |seconds| CreateElevationRequest {
        duration: Some(Duration { seconds, nanos: 0 }),
        ..asked.clone()
    };
    let too_long = "x".repeat(1_025);
    let ahead = Some(Timestamp {
        seconds: 2_000_000_000,
        nanos: 0,
    });
    for (request, query) in [
        (duration(-1), "RequestedTTL=-1".to_owned()),
        (duration(99_999_999_999), "RequestedTTL=99999999999".into()),
        (
            CreateElevationRequest {
                justification: Some(too_long.clone()),
                ..asked.clone()
            },
            format!("Justification={too_long}"),
        ),
        (
            CreateElevationRequest {
                requested_start_time: ahead,
                ..asked.clone()
            },
            "RequestedTime=2033-05-18T03:33:20Z".into(),
        ),
    ] {
        let refused = kit
            .as_(JEN)
            .elevations()
            .create_elevation(request)
            .await
            .err();
        assert!(refused.is_some(), "{query:.40}");
        check_status(refused, MALFORMED, &query);
        let path = format!("/api/pamresources/pamrequests?RoleId={role_id}&{query}");
        check_answer(&kit.as_(JEN).post(&path).await, MALFORMED, &query);
    }
    assert_eq!(
        column(&kit.as_(JEN), "pamrequests", "RequestId").await,
        [""; 0]
    );
}

/// What an operation names in its request; for a list it is the token of a page.
fn of(operation: Operation, target: Target, filed: &Elevation) -> String {
    let there = match operation {
        Operation::Approve | Operation::Reject => &filed.approval_id,
        Operation::Close | Operation::Read => &filed.id,
        Operation::Create | Operation::GiveUp => &filed.role_id,
        Operation::Pending | Operation::Requests | Operation::Roles | Operation::Session => "",
    };
    match target {
        Target::There => there.to_owned(),
        Target::Nothing => "5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143".to_owned(),
        Target::Malformed => "undefined".to_owned(),
    }
}

async fn over_grpc(operation: Operation, person: &Person, id: &str) -> Option<Status> {
    let id = id.to_owned();
    let duration = Some(Duration {
        seconds: 0,
        nanos: 0,
    });
    let (mut elevations, mut roles) = (person.elevations(), person.roles());
    match operation {
        Operation::Approve => person.approve(&id).await.err(),
        Operation::Reject => person.reject(&id).await.err(),
        Operation::Read => person.elevation(&id).await.err(),
        Operation::Create => person.file(&id).await.err(),
        Operation::GiveUp => {
            let request = CreateElevationRequest {
                role_id: id,
                duration,
                ..CreateElevationRequest::default()
            };
            elevations.create_elevation(request).await.err()
        }
        Operation::Close => elevations
            .close_elevation(CloseElevationRequest { elevation_id: id })
            .await
            .err(),
        Operation::Pending => {
            let request = ListApprovalsRequest {
                page_token: id,
                ..ListApprovalsRequest::default()
            };
            person.approvals().list_approvals(request).await.err()
        }
        Operation::Requests => {
            let request = ListElevationsRequest {
                page_token: id,
                ..ListElevationsRequest::default()
            };
            elevations.list_elevations(request).await.err()
        }
        Operation::Roles => roles
            .list_roles(ListRolesRequest {
                page_token: id,
                ..ListRolesRequest::default()
            })
            .await
            .err(),
        Operation::Session => person
            .sessions()
            .get_session(GetSessionRequest {})
            .await
            .err(),
    }
}

async fn over_rest(operation: Operation, person: &Person, id: &str) -> Answer {
    let api = "/api/pamresources";
    let page = if id.is_empty() {
        String::new()
    } else {
        format!("?$skiptoken={id}")
    };
    match operation {
        Operation::Approve => person.act(id, "Approve").await,
        Operation::Reject => person.act(id, "Reject").await,
        Operation::Read => person.get(&format!("{api}/pamrequests(guid'{id}')")).await,
        Operation::Create => {
            person
                .post(&format!("{api}/pamrequests?RoleId={id}&RequestedTTL=60"))
                .await
        }
        Operation::GiveUp => {
            person
                .post(&format!("{api}/pamrequests?RoleId={id}&RequestedTTL=0"))
                .await
        }
        Operation::Close => {
            person
                .post(&format!("{api}/pamrequests(guid'{id}')/Close"))
                .await
        }
        Operation::Pending => {
            person
                .get(&format!("{api}/pamrequeststoapprove{page}"))
                .await
        }
        Operation::Requests => person.get(&format!("{api}/pamrequests{page}")).await,
        Operation::Roles => person.get(&format!("{api}/pamroles{page}")).await,
        Operation::Session => person.get(&format!("{api}/sessioninfo")).await,
    }
}

async fn column(person: &Person, set: &str, property: &str) -> Vec<String> {
    let answer = person.get(&format!("/api/pamresources/{set}")).await;
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let rows = body["value"].as_array().unwrap();
    rows.iter()
        .map(|row| row[property].as_str().unwrap().to_owned())
        .collect()
}

fn check_status(refused: Option<Status>, outcome: Outcome, row: &str) {
    match refused {
        None => assert_eq!(outcome.grpc, Code::Ok, "{row}"),
        Some(status) => {
            assert_eq!(
                (status.code(), &*reason(&status)),
                (outcome.grpc, outcome.reason),
                "{row}"
            );
        }
    }
}

fn check_answer(answer: &Answer, outcome: Outcome, row: &str) {
    assert_eq!(answer.status, outcome.rest, "{row}");
    if answer.status >= 400 {
        assert_eq!(answer.code(), outcome.reason, "{row}");
    }
}
