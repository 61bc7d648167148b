//! The lifecycle of an elevation, as stories of named accounts: later starts, windows, stages,
//! reasons, the effects of time alone, and wrong clocks.

use countersign::domain::event::Fact;
use countersign::proto::pam::v1::{
    ApproveRequest, CreateElevationRequest, Elevation, ElevationStatus, ExplainApprovalRequest,
    Explanation, GetElevationRequest, GetElevationResponse, GetRoleRequest, ReasonRule, Role,
    Stage,
};
use countersign::time::Clock;
use prost_types::{Duration, Timestamp};
use tonic::{Code, Status};

use crate::kit::{ANN, EVE, GIL, JEN, KIM, Kit, Person, SAM, principal, reason, replacing, role};

/// An approver after sam, in stories with two stages.
const LEE: &str = "PRIV\\lee";

fn seconds(seconds: i64) -> Duration {
    Duration { seconds, nanos: 0 }
}

/// The time some seconds from now, by the kit's clock.
fn later(kit: &Kit, seconds: i64) -> Timestamp {
    let now = Timestamp::from(kit.clock.now());
    Timestamp {
        seconds: now.seconds + seconds,
        ..now
    }
}

async fn ask(person: &Person, request: CreateElevationRequest) -> Result<Elevation, Status> {
    Ok(person
        .elevations()
        .create_elevation(request)
        .await?
        .into_inner()
        .elevation
        .unwrap())
}

async fn starting(kit: &Kit, role: &Role, start: Timestamp) -> Elevation {
    let request = CreateElevationRequest {
        role_id: role.id.clone(),
        requested_start_time: Some(start),
        ..CreateElevationRequest::default()
    };
    ask(&kit.as_(JEN), request).await.unwrap()
}

async fn history(person: &Person, elevation: &Elevation) -> GetElevationResponse {
    let request = GetElevationRequest {
        elevation_id: elevation.id.clone(),
    };
    person
        .elevations()
        .get_elevation(request)
        .await
        .unwrap()
        .into_inner()
}

async fn status(kit: &Kit, elevation: &Elevation) -> ElevationStatus {
    kit.as_(JEN)
        .elevation(&elevation.id)
        .await
        .unwrap()
        .status()
}

async fn explain(person: &Person, approval: &str, reason: Option<&str>) -> Explanation {
    let reason = reason.map(str::to_owned);
    let request = ExplainApprovalRequest {
        approval_id: approval.to_owned(),
        reason,
    };
    person
        .approvals()
        .explain_approval(request)
        .await
        .unwrap()
        .into_inner()
        .explanation
        .unwrap()
}

async fn update(kit: &Kit, role: Role) -> Role {
    let request = replacing(role);
    kit.as_(ANN)
        .roles()
        .update_role(request)
        .await
        .unwrap()
        .into_inner()
        .role
        .unwrap()
}

fn stage(approvers: &[&str], required_approvals: u32) -> Stage {
    Stage {
        approvers: approvers
            .iter()
            .map(|approver| principal(approver))
            .collect(),
        required_approvals,
    }
}

/// The events of an elevation, in one word each.
async fn words(kit: &Kit, elevation: &Elevation) -> String {
    let timeline = history(&kit.as_(JEN), elevation).await.timeline;
    timeline
        .into_iter()
        .map(|entry| entry.event)
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn a_start_that_lies_ahead_is_waited_for() {
    let kit = Kit::start().await;
    let open = kit.role_with(&[], 0).await;
    let scheduled = starting(&kit, &open, later(&kit, 3_600)).await;
    assert_eq!(scheduled.status(), ElevationStatus::Scheduled);
    assert_eq!(
        (scheduled.activate_time, scheduled.expire_time),
        (None, None)
    );

    kit.clock.advance(3_599);
    kit.catch_up().await;
    assert_eq!(status(&kit, &scheduled).await, ElevationStatus::Scheduled);

    // The scheduler is late, which shortens no duration.
    kit.clock.advance(61);
    kit.catch_up().await;
    let active = kit.as_(JEN).elevation(&scheduled.id).await.unwrap();
    assert_eq!(active.status(), ElevationStatus::Active);
    assert_eq!(active.activate_time, Some(later(&kit, 0)));
    assert_eq!(active.expire_time, Some(later(&kit, 3_600)));

    kit.clock.advance(3_600);
    assert_eq!(
        status(&kit, &scheduled).await,
        ElevationStatus::Expired,
        "before anybody writes it down"
    );
    kit.catch_up().await;
    assert_eq!(words(&kit, &scheduled).await, "Filed Activated Expired");
    let timeline = history(&kit.as_(JEN), &scheduled).await.timeline;
    assert_eq!(timeline[0].actor.as_ref().unwrap().name, JEN);
    assert_eq!(timeline[1].actor, None, "nobody, but time");
}

#[tokio::test]
async fn a_start_that_has_passed_by_the_time_of_the_approval_is_now() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let early = starting(&kit, &role, later(&kit, 600)).await;
    let late = starting(&kit, &role, later(&kit, 600)).await;
    kit.as_(SAM).approve(&early.approval_id).await.unwrap();
    assert_eq!(status(&kit, &early).await, ElevationStatus::Scheduled);
    assert_eq!(
        kit.as_(SAM).pending().await,
        std::slice::from_ref(&late.approval_id)
    );

    kit.clock.advance(700);
    kit.catch_up().await;
    kit.as_(SAM).approve(&late.approval_id).await.unwrap();
    assert_eq!(
        words(&kit, &early).await,
        "Filed Approved Scheduled Activated"
    );
    assert_eq!(words(&kit, &late).await, "Filed Approved Activated");
}

#[tokio::test]
async fn what_is_scheduled_can_be_given_up() {
    let kit = Kit::start().await;
    let open = kit.role_with(&[], 0).await;
    let scheduled = starting(&kit, &open, later(&kit, 600)).await;
    let path = format!(
        "/api/pamresources/pamrequests(guid'{}')/Close",
        scheduled.id
    );
    assert_eq!(kit.as_(JEN).post(&path).await.status, 200);
    kit.clock.advance(700);
    kit.catch_up().await;
    let closed = kit.as_(JEN).elevation(&scheduled.id).await.unwrap();
    assert_eq!(
        (closed.status(), closed.expire_time),
        (ElevationStatus::Closed, None)
    );
}

#[tokio::test]
async fn rights_are_checked_again_at_the_start() {
    type Change = fn(&mut Role);
    let changes: [(Change, &str); 3] = [
        (
            |role| role.candidates = vec![principal(EVE)],
            "the requester may no longer hold the role",
        ),
        (
            |role| role.stages = vec![stage(&[KIM], 1)],
            "too few of the people who approved are still approvers",
        ),
        (
            |role| role.stages[0].required_approvals = 2,
            "too few of the people who approved are still approvers",
        ),
    ];
    for (change, why) in changes {
        let kit = Kit::start().await;
        let role = kit.role().await;
        let filed = starting(&kit, &role, later(&kit, 600)).await;
        kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
        let mut changed = role.clone();
        change(&mut changed);
        update(&kit, changed).await;
        kit.clock.advance(600);
        kit.catch_up().await;
        let history = history(&kit.as_(JEN), &filed).await;
        assert_eq!(
            history.elevation.unwrap().status(),
            ElevationStatus::Rejected,
            "{why}"
        );
        assert_eq!(
            history.timeline.last().unwrap().text,
            format!("It did not start: {why}.")
        );
    }
}

#[tokio::test]
async fn a_role_that_asks_for_approval_by_the_start_does_not_start_without() {
    let kit = Kit::start().await;
    let open = kit.role_with(&[], 0).await;
    let filed = starting(&kit, &open, later(&kit, 600)).await;
    update(
        &kit,
        Role {
            approval_required: true,
            stages: vec![stage(&[SAM], 1)],
            ..open
        },
    )
    .await;
    kit.clock.advance(600);
    kit.catch_up().await;
    assert_eq!(words(&kit, &filed).await, "Filed Lapsed");
}

#[tokio::test]
async fn a_duration_is_cut_to_what_the_role_allows_when_it_begins() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let filed = kit.as_(JEN).file(&role.id).await.unwrap();
    update(
        &kit,
        Role {
            max_duration: Some(seconds(60)),
            ..role
        },
    )
    .await;
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    let active = kit.as_(JEN).elevation(&filed.id).await.unwrap();
    assert_eq!(
        (active.requested_duration, active.duration),
        (Some(seconds(3_600)), Some(seconds(60)))
    );
    assert_eq!(active.expire_time, Some(later(&kit, 60)));
}

#[tokio::test]
async fn a_window_is_read_from_the_clock_on_the_wall() {
    let kit = Kit::start().await;
    // The kit is in Los Angeles, where it is 21:49 at its start.
    let office = Role {
        available_from: "08:00".to_owned(),
        available_to: "17:00".to_owned(),
        ..role("Office", &[], 0)
    };
    let office = kit.as_(ANN).create_role(office).await.unwrap();
    let refused = kit.as_(JEN).file(&office.id).await.unwrap_err();
    assert_eq!(
        (refused.code(), &*reason(&refused)),
        (Code::FailedPrecondition, "OUTSIDE_WINDOW")
    );

    let path = format!(
        "/api/pamresources/pamrequests?RoleId={}&RequestedTTL=60&RequestedTime=",
        office.id
    );
    let asked = async |time: &str| kit.as_(JEN).post(&format!("{path}{time}")).await;
    for (time, answer) in [
        ("2015%2F06%2F12+07%3A59", "OUTSIDE_WINDOW"),
        ("2015%2F06%2F12+08%3A00", "Scheduled"),
        ("2015%2F06%2F12+16%3A59", "Scheduled"),
        ("2015%2F06%2F12+17%3A00", "OUTSIDE_WINDOW"),
        ("2015%2F12%2F31+08%3A00", "Scheduled"),
    ] {
        let told = asked(time).await;
        assert!(told.body.contains(answer), "{time}: {}", told.body);
        assert_eq!(
            told.status,
            if answer == "Scheduled" { 201 } else { 403 },
            "{time}"
        );
    }
    let list = kit
        .as_(JEN)
        .get("/api/pamresources/pamroles?$filter=AvailabilityWindowEnabled")
        .await
        .body;
    let row = r#""AvailableFrom":"0001-01-01T08:00:00","AvailableTo":"0001-01-01T17:00:00","MFAEnabled":false,"ApprovalEnabled":false,"AvailabilityWindowEnabled":true"#;
    assert!(list.contains(row), "{list}");
    let early =
        "/api/pamresources/pamroles?$filter=AvailableFrom%20lt%20datetime'0001-01-01T08:00'";
    assert!(
        kit.as_(JEN)
            .get(early)
            .await
            .body
            .ends_with(r#""value":[]}"#)
    );
}

#[tokio::test]
async fn what_is_held_can_be_given_up_at_any_time_of_day_and_without_a_reason() {
    let kit = Kit::start().await;
    let open = kit.role_with(&[], 0).await;
    let held = kit.as_(JEN).file(&open.id).await.unwrap();
    let strict = Role {
        available_from: "08:00".to_owned(),
        available_to: "09:00".to_owned(),
        justification_rule: Some(ReasonRule {
            required: true,
            ..ReasonRule::default()
        }),
        ..open.clone()
    };
    update(&kit, strict).await;
    let nothing = CreateElevationRequest {
        role_id: open.id,
        duration: Some(seconds(0)),
        ..Default::default()
    };
    ask(&kit.as_(JEN), nothing).await.unwrap();
    assert_eq!(status(&kit, &held).await, ElevationStatus::Closed);
}

#[tokio::test]
async fn two_lives_of_one_role_never_end_each_other() {
    let kit = Kit::start().await;
    let open = kit.role_with(&[], 0).await;
    let mut held = Vec::new();
    for duration in [600, 300] {
        let request = CreateElevationRequest {
            role_id: open.id.clone(),
            duration: Some(seconds(duration)),
            ..Default::default()
        };
        held.push(ask(&kit.as_(JEN), request).await.unwrap());
    }
    kit.clock.advance(300);
    kit.catch_up().await;
    assert_eq!(status(&kit, &held[0]).await, ElevationStatus::Active);
    assert_eq!(status(&kit, &held[1]).await, ElevationStatus::Expired);
    kit.clock.advance(300);
    kit.catch_up().await;
    assert_eq!(status(&kit, &held[0]).await, ElevationStatus::Expired);
}

#[tokio::test]
async fn an_approval_waits_as_long_as_its_role_says() {
    let kit = Kit::start().await;
    let hasty = Role {
        pending_timeout: Some(seconds(60)),
        ..role("Hasty", &[SAM], 1)
    };
    let hasty = kit.as_(ANN).create_role(hasty).await.unwrap();
    let filed = kit.as_(JEN).file(&hasty.id).await.unwrap();
    kit.clock.advance(60);
    let refused = kit.as_(SAM).approve(&filed.approval_id).await.unwrap_err();
    assert_eq!(reason(&refused), "APPROVAL_NOT_PENDING");
    kit.catch_up().await;
    let expired = kit.as_(JEN).elevation(&filed.id).await.unwrap();
    assert_eq!(
        (expired.status(), expired.activate_time),
        (ElevationStatus::Expired, None)
    );
    assert_eq!(words(&kit, &filed).await, "Filed Expired");
}

#[tokio::test]
async fn one_stage_after_the_other_each_by_other_people() {
    let kit = Kit::start().await;
    let lee = kit.newcomer(LEE, &[], None);
    let mut two = role("Two stages", &[SAM, "group:SQL Owners"], 1);
    two.stages.push(stage(&[SAM, LEE], 1));
    let two = kit.as_(ANN).create_role(two).await.unwrap();
    let filed = kit.as_(JEN).file(&two.id).await.unwrap();

    assert_eq!(lee.pending().await, [""; 0]);
    assert_eq!(
        reason(&lee.approve(&filed.approval_id).await.unwrap_err()),
        "STAGE_NOT_OPEN"
    );
    assert_eq!(
        reason(&lee.reject(&filed.approval_id).await.unwrap_err()),
        "STAGE_NOT_OPEN"
    );
    let answer = lee.act(&filed.approval_id, "Approve").await;
    assert_eq!((answer.status, &*answer.code()), (403, "STAGE_NOT_OPEN"));

    let first = kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    assert_eq!((first.stage, first.decisions[0].stage), (2, 1));
    assert_eq!(status(&kit, &filed).await, ElevationStatus::PendingApproval);
    // Sam is named by the second stage too, but counts once, and so does a double click.
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    assert_eq!(status(&kit, &filed).await, ElevationStatus::PendingApproval);
    assert_eq!(kit.as_(SAM).pending().await, [""; 0]);
    assert_eq!(kit.as_(KIM).pending().await, [""; 0]);
    assert_eq!(
        reason(&kit.as_(KIM).approve(&filed.approval_id).await.unwrap_err()),
        "STAGE_NOT_OPEN"
    );
    assert_eq!(
        lee.pending().await,
        std::slice::from_ref(&filed.approval_id)
    );

    lee.approve(&filed.approval_id).await.unwrap();
    assert_eq!(status(&kit, &filed).await, ElevationStatus::Active);
    assert_eq!(
        words(&kit, &filed).await,
        "Filed Approved Approved Activated"
    );
}

#[tokio::test]
async fn what_a_stage_has_lost_has_to_be_made_good() {
    let kit = Kit::start().await;
    let lee = kit.newcomer(LEE, &[], None);
    let mut two = role("Two stages", &[SAM, KIM], 1);
    two.stages.push(stage(&[LEE], 1));
    let mut two = kit.as_(ANN).create_role(two).await.unwrap();
    let filed = kit.as_(JEN).file(&two.id).await.unwrap();
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    two.stages[0] = stage(&[KIM], 1);
    update(&kit, two).await;

    // Sam's approval no longer counts, so lee's is not the last one.
    let told = explain(&lee, &filed.approval_id, None).await;
    assert!(told.stages[0].open && told.stages[1].open);
    assert_eq!(
        (told.stages[0].missing, told.stages[0].decisions[0].counts),
        (1, false)
    );
    lee.approve(&filed.approval_id).await.unwrap();
    assert_eq!(status(&kit, &filed).await, ElevationStatus::PendingApproval);
    assert_eq!(
        kit.as_(KIM).pending().await,
        std::slice::from_ref(&filed.approval_id)
    );
    kit.as_(KIM).approve(&filed.approval_id).await.unwrap();
    assert_eq!(status(&kit, &filed).await, ElevationStatus::Active);
}

#[tokio::test]
async fn whoever_asks_never_counts_unless_the_role_says_so() {
    let kit = Kit::start().await;
    // Jen in other letters, jen by her group, and jen as an administrator would be.
    let jen = kit.newcomer(JEN, &["SQL Owners"], None);
    let own = Role {
        stages: vec![stage(&["priv\\JEN", "group:SQL Owners", KIM], 1)],
        ..role("Own", &[SAM], 1)
    };
    let own = kit.as_(ANN).create_role(own).await.unwrap();
    let filed = jen.file(&own.id).await.unwrap();
    assert_eq!(filed.status(), ElevationStatus::PendingApproval);
    assert_eq!(jen.pending().await, [""; 0]);
    assert_eq!(
        reason(&jen.approve(&filed.approval_id).await.unwrap_err()),
        "ACCESS_DENIED"
    );

    let mut owners = update(
        &kit,
        Role {
            auto_approve_owners: true,
            ..own
        },
    )
    .await;
    assert_eq!(
        reason(&jen.approve(&filed.approval_id).await.unwrap_err()),
        "ACCESS_DENIED"
    );
    let approved = jen.file(&owners.id).await.unwrap();
    assert_eq!(
        (approved.status(), &*approved.approval_id),
        (ElevationStatus::Active, "")
    );
    let told = history(&jen, &approved).await.timeline[0].text.clone();
    assert!(told.contains("an owner of the role"), "{told}");

    // An owner of one stage is not one of the other.
    owners.stages.push(stage(&[SAM], 1));
    update(&kit, owners.clone()).await;
    let waits = jen.file(&owners.id).await.unwrap();
    assert_eq!(waits.status(), ElevationStatus::PendingApproval);
}

#[tokio::test]
async fn a_role_may_ask_for_reasons() {
    let kit = Kit::start().await;
    let ticket = ReasonRule {
        required: true,
        min_length: 10,
        pattern: "INC[0-9]{6}".to_owned(),
    };
    let strict = Role {
        justification_rule: Some(ticket.clone()),
        decision_reason_rule: Some(ReasonRule {
            required: true,
            ..ReasonRule::default()
        }),
        ..role("Strict", &[SAM], 1)
    };
    let strict = kit.as_(ANN).create_role(strict).await.unwrap();
    assert_eq!(strict.justification_rule, Some(ticket));
    let asked = |justification: &str| CreateElevationRequest {
        role_id: strict.id.clone(),
        justification: Some(justification.to_owned()),
        ..Default::default()
    };
    for (justification, wrong) in [
        ("", "The role requires a reason"),
        ("  \n  ", "The role requires a reason"),
        ("INC1     ", "The reason is too short"),
        (
            "INC-123456, please",
            "The reason does not match the pattern of the role",
        ),
    ] {
        let message = format!(
            "{wrong}; it must have at least 10 visible characters and match the pattern INC[0-9]{{6}}."
        );
        let refused = ask(&kit.as_(JEN), asked(justification)).await.unwrap_err();
        assert_eq!(
            (&*reason(&refused), refused.message()),
            ("REASON_NOT_ACCEPTED", &*message)
        );
    }
    let filed = ask(&kit.as_(JEN), asked("For INC123456.")).await.unwrap();

    let answer = kit.as_(SAM).act(&filed.approval_id, "Approve").await;
    assert_eq!(
        (answer.status, &*answer.code()),
        (403, "REASON_NOT_ACCEPTED")
    );
    let outcome = explain(&kit.as_(SAM), &filed.approval_id, None)
        .await
        .approve
        .unwrap();
    assert_eq!(
        (outcome.allowed, &*outcome.reason),
        (false, "REASON_NOT_ACCEPTED")
    );
    assert!(
        explain(&kit.as_(SAM), &filed.approval_id, Some("Seen it"))
            .await
            .approve
            .unwrap()
            .allowed
    );
    let request = ApproveRequest {
        approval_id: filed.approval_id.clone(),
        reason: Some("Seen it".to_owned()),
    };
    kit.as_(SAM).approvals().approve(request).await.unwrap();
    kit.as_(SAM)
        .approve(&filed.approval_id)
        .await
        .expect("a repeat needs no reason");
}

#[tokio::test]
async fn a_request_with_a_name_can_be_repeated_for_a_day() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let named = CreateElevationRequest {
        role_id: role.id.clone(),
        justification: Some("Ticket 4711".to_owned()),
        request_id: "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned(),
        ..Default::default()
    };
    let filed = ask(&kit.as_(JEN), named.clone()).await.unwrap();
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    let again = ask(&kit.as_(JEN), named.clone()).await.unwrap();
    assert_eq!(
        (again.status(), again.id),
        (ElevationStatus::Active, filed.id.clone()),
        "as it is by now"
    );

    let others = [
        CreateElevationRequest {
            justification: None,
            ..named.clone()
        },
        CreateElevationRequest {
            duration: Some(seconds(3_600)),
            ..named.clone()
        },
        CreateElevationRequest {
            duration: Some(seconds(0)),
            ..named.clone()
        },
        CreateElevationRequest {
            requested_start_time: Some(later(&kit, 0)),
            ..named.clone()
        },
        CreateElevationRequest {
            role_id: kit.role_with(&[], 0).await.id,
            ..named.clone()
        },
    ];
    for other in others {
        let refused = ask(&kit.as_(JEN), other).await.unwrap_err();
        assert_eq!(
            (refused.code(), &*reason(&refused)),
            (Code::FailedPrecondition, "REQUEST_ID_REUSED")
        );
    }
    let gils = ask(&kit.as_(GIL), named.clone()).await.unwrap();
    assert_ne!(gils.id, filed.id, "a name is its giver's own");

    kit.clock.advance(86_399);
    assert_eq!(
        ask(&kit.as_(JEN), named.clone()).await.unwrap().id,
        filed.id
    );
    kit.clock.advance(1);
    assert_ne!(ask(&kit.as_(JEN), named).await.unwrap().id, filed.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_under_one_name_one_is_filed() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let named = CreateElevationRequest {
        role_id: role.id,
        request_id: "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned(),
        ..Default::default()
    };
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let (jen, named) = (kit.as_(JEN), named.clone());
            tokio::spawn(async move { ask(&jen, named).await.unwrap().id })
        })
        .collect();
    let mut ids = Vec::new();
    for call in calls {
        ids.push(call.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let record = kit.store.events(0, 100).await.unwrap();
    let filed = record
        .iter()
        .filter(|event| matches!(event.event().unwrap().fact, Fact::Filed(_)));
    assert_eq!(filed.count(), 1);
}

#[tokio::test]
async fn what_nobody_can_decide_is_told() {
    let kit = Kit::start().await;
    let too_few = Role {
        stages: vec![stage(&[SAM, "priv\\SAM"], 2)],
        ..role("Too few", &[SAM], 1)
    };
    let refused = kit.as_(ANN).create_role(too_few).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);

    // A group may have any number of people; the directory knows of one.
    let owners = role("Owners", &["group:SQL Owners"], 2);
    let owners = kit.as_(ANN).create_role(owners).await.unwrap();
    let request = GetRoleRequest {
        role_id: owners.id.clone(),
    };
    let told = kit
        .as_(ANN)
        .roles()
        .get_role(request.clone())
        .await
        .unwrap()
        .into_inner()
        .shortages;
    assert_eq!(
        told.iter()
            .map(|short| (short.stage, short.required_approvals, short.available))
            .collect::<Vec<_>>(),
        [(1, 2, 1)]
    );
    let request_for = CreateElevationRequest {
        role_id: owners.id.clone(),
        ..Default::default()
    };
    let filed = kit
        .as_(JEN)
        .elevations()
        .create_elevation(request_for)
        .await
        .unwrap()
        .into_inner();
    assert!(filed.undecidable);
    let filed = filed.elevation.unwrap();
    assert!(history(&kit.as_(JEN), &filed).await.undecidable);
    let told = explain(&kit.as_(KIM), &filed.approval_id, None).await;
    assert!(told.undecidable && told.stages[0].insufficient && told.approve.unwrap().allowed);
    assert_eq!(
        (
            told.stages[0].missing,
            told.stages[0].eligible_approver_count
        ),
        (2, Some(1))
    );

    kit.newcomer(LEE, &["SQL Owners"], None);
    assert!(!history(&kit.as_(JEN), &filed).await.undecidable);
    assert!(
        kit.as_(ANN)
            .roles()
            .get_role(request)
            .await
            .unwrap()
            .into_inner()
            .shortages
            .is_empty()
    );
}

#[tokio::test]
async fn a_change_of_the_role_that_leaves_nobody_to_decide_is_told() {
    let kit = Kit::start().await;
    let both = kit.role_with(&[SAM, KIM], 2).await;
    let filed = kit.as_(JEN).file(&both.id).await.unwrap();
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    assert!(!history(&kit.as_(JEN), &filed).await.undecidable);
    // The decisions are now enough, but another approver has to complete the stage, since sam has
    // decided.
    let one = update(
        &kit,
        Role {
            stages: vec![stage(&[SAM], 1)],
            ..both
        },
    )
    .await;
    assert!(history(&kit.as_(JEN), &filed).await.undecidable);
    assert!(
        explain(&kit.as_(SAM), &filed.approval_id, None)
            .await
            .stages[0]
            .insufficient
    );
    update(
        &kit,
        Role {
            stages: vec![stage(&[SAM, KIM], 1)],
            ..one
        },
    )
    .await;
    assert!(!history(&kit.as_(JEN), &filed).await.undecidable);
    kit.as_(KIM).approve(&filed.approval_id).await.unwrap();
    assert_eq!(status(&kit, &filed).await, ElevationStatus::Active);
}

#[tokio::test]
async fn an_explanation_tells_nobody_more_than_they_may_know() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let filed = kit.as_(JEN).file(&role.id).await.unwrap();
    let deciders = |told: &Explanation| told.stages[0].eligible_approvers.len();
    let to_jen = explain(&kit.as_(JEN), &filed.approval_id, None).await;
    assert_eq!(
        (deciders(&to_jen), to_jen.approve.unwrap().reason),
        (2, "ACCESS_DENIED".to_owned())
    );
    let to_ann = explain(&kit.as_(ANN), &filed.approval_id, None).await;
    assert_eq!(
        (deciders(&to_ann), to_ann.reject.unwrap().allowed),
        (2, false)
    );
    let request = ExplainApprovalRequest {
        approval_id: filed.approval_id.clone(),
        reason: None,
    };
    for stranger in [EVE, GIL] {
        let refused = kit
            .as_(stranger)
            .approvals()
            .explain_approval(request.clone())
            .await
            .unwrap_err();
        assert_eq!(reason(&refused), "ACCESS_DENIED", "{stranger}");
    }
    // Jen may no longer read the role.
    update(
        &kit,
        Role {
            candidates: vec![principal(GIL)],
            ..role
        },
    )
    .await;
    let to_jen = explain(&kit.as_(JEN), &filed.approval_id, None).await;
    assert_eq!(
        (deciders(&to_jen), to_jen.requester_is_candidate),
        (0, false)
    );
    let to_sam = explain(&kit.as_(SAM), &filed.approval_id, None).await;
    assert_eq!(to_sam.approve.unwrap().reason, "REQUESTER_NOT_CANDIDATE");
    assert!(to_sam.reject.unwrap().allowed);
}
