//! Stories of the other operations: giving up, one's own list, and roles that change.

use countersign::proto::pam::v1::value::Kind;
use countersign::proto::pam::v1::{
    ApprovalStatus, CloseElevationRequest, Comparison, CreateElevationRequest, CreationMethod,
    DeleteRoleRequest, Elevation, ElevationStatus, ListAllRolesRequest, ListElevationsRequest,
    ListRolesRequest, Operator, OrderBy, Role, Value,
};
use prost_types::{Duration, Timestamp};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::kit::{ANN, EVE, GIL, JEN, KIM, Kit, Person, SAM, principal, reason, replacing, role};

#[tokio::test]
async fn jen_gives_up_what_she_holds() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    kit.clock.advance(600);
    let closed = close(&kit.as_(JEN), &filed).await.unwrap();
    assert_eq!(closed.status(), ElevationStatus::Closed);
    let held = closed.expire_time.unwrap().seconds - closed.activate_time.unwrap().seconds;
    assert_eq!(
        held, 600,
        "closing rewrites the end to the moment it happens"
    );
    kit.clock.advance(60);
    assert_eq!(
        close(&kit.as_(JEN), &filed).await.unwrap(),
        closed,
        "a repeat writes nothing"
    );
    let approval = kit.as_(SAM).approval(&filed.approval_id).await.unwrap();
    assert_eq!(
        approval.status(),
        ApprovalStatus::Approved,
        "what was decided stays decided"
    );
}

#[tokio::test]
async fn what_jen_withdraws_cannot_be_approved_any_more() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let closed = close(&kit.as_(JEN), &filed).await.unwrap();
    assert_eq!(
        (closed.status(), closed.expire_time),
        (ElevationStatus::Closed, None)
    );
    assert_eq!(kit.as_(SAM).pending().await, [""; 0]);
    for refused in [
        kit.as_(SAM).approve(&filed.approval_id).await,
        kit.as_(KIM).reject(&filed.approval_id).await,
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(reason(&refused), "APPROVAL_NOT_PENDING");
        assert_eq!(
            refused.get_error_details().error_info().unwrap().metadata["status"],
            "CLOSED"
        );
    }
}

#[tokio::test]
async fn nobody_closes_what_is_not_theirs() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    for person in [SAM, KIM, ANN, GIL, EVE] {
        let refused = close(&kit.as_(person), &filed).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{person}");
    }
    assert_eq!(kit.as_(SAM).pending().await.len(), 1);
}

#[tokio::test]
async fn what_has_ended_cannot_be_closed() {
    let kit = Kit::start().await;
    let (rejected, expired) = (kit.pending().await, kit.pending().await);
    kit.as_(SAM).reject(&rejected.approval_id).await.unwrap();
    kit.as_(SAM).approve(&expired.approval_id).await.unwrap();
    kit.clock.advance(3_600);
    for (ended, status) in [(rejected, "REJECTED"), (expired, "EXPIRED")] {
        let refused = close(&kit.as_(JEN), &ended).await.unwrap_err();
        assert_eq!(
            (refused.code(), &*reason(&refused)),
            (Code::FailedPrecondition, "ELEVATION_ENDED")
        );
        assert_eq!(
            refused.get_error_details().error_info().unwrap().metadata["status"],
            status
        );
    }
}

/// B8, B9, A3: an extension is another elevation; a duration of zero gives all of them up.
#[tokio::test]
async fn a_duration_of_zero_gives_the_role_up() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let other = kit.role_with(&[], 0).await;
    let [active, extension, pending, others] = [
        kit.as_(JEN).file(&role.id).await.unwrap(),
        kit.as_(JEN).file(&role.id).await.unwrap(),
        kit.as_(JEN).file(&role.id).await.unwrap(),
        kit.as_(GIL).file(&role.id).await.unwrap(),
    ];
    let kept = kit.as_(JEN).file(&other.id).await.unwrap();
    for approved in [&active, &extension, &others] {
        kit.as_(SAM).approve(&approved.approval_id).await.unwrap();
    }
    kit.clock.advance(60);
    let given_up = give_up(&kit.as_(JEN), &role.id).await.unwrap();
    assert_eq!(
        (given_up.status(), given_up.expire_time),
        (ElevationStatus::Closed, None)
    );
    assert_eq!(given_up.requested_duration.unwrap().seconds, 0);
    for closed in [&active, &extension, &pending] {
        assert_eq!(status(&kit, JEN, closed).await, ElevationStatus::Closed);
    }
    assert_eq!(
        status(&kit, GIL, &others).await,
        ElevationStatus::Active,
        "gil's own"
    );
    assert_eq!(
        status(&kit, JEN, &kept).await,
        ElevationStatus::Active,
        "another role"
    );
    assert!(
        give_up(&kit.as_(JEN), &role.id).await.is_ok(),
        "there may be nothing left to give up"
    );
    assert_eq!(
        give_up(&kit.as_(EVE), &role.id).await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

#[tokio::test]
async fn a_role_can_be_given_up_by_who_may_not_ask_for_it_any_more() {
    let kit = Kit::start().await;
    let role = kit.role_with(&[], 0).await;
    let held = kit.as_(JEN).file(&role.id).await.unwrap();
    let without_jen = Role {
        candidates: vec![principal("group:SQL Users")],
        ..role.clone()
    };
    update(&kit.as_(ANN), without_jen).await.unwrap();
    assert_eq!(
        kit.as_(JEN).file(&role.id).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    give_up(&kit.as_(JEN), &role.id).await.unwrap();
    assert_eq!(status(&kit, JEN, &held).await, ElevationStatus::Closed);
    assert_eq!(
        give_up(&kit.as_(JEN), &role.id).await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_up_races_with_asking_and_approving() {
    let kit = Kit::start().await;
    for _ in 0..30 {
        let (role, free) = (kit.role().await, kit.role_with(&[], 0).await);
        let pending = kit.as_(JEN).file(&role.id).await.unwrap();
        let (sam, jen, id) = (kit.as_(SAM), kit.as_(JEN), pending.approval_id.clone());
        let approving = tokio::spawn(async move { sam.approve(&id).await.is_ok() });
        let free_id = free.id.clone();
        let asking = tokio::spawn(async move { jen.file(&free_id).await.unwrap() });
        give_up(&kit.as_(JEN), &role.id).await.unwrap();
        give_up(&kit.as_(JEN), &free.id).await.unwrap();
        approving.await.unwrap();
        let asked = asking.await.unwrap();
        assert_eq!(
            status(&kit, JEN, &pending).await,
            ElevationStatus::Closed,
            "whoever was first"
        );
        give_up(&kit.as_(JEN), &free.id).await.unwrap();
        assert_eq!(status(&kit, JEN, &asked).await, ElevationStatus::Closed);
    }
}

#[tokio::test]
async fn jen_lists_her_own() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let mut filed = Vec::new();
    for _ in 0..5 {
        kit.clock.advance(1);
        filed.push(kit.as_(JEN).file(&role.id).await.unwrap());
        kit.as_(GIL).file(&role.id).await.unwrap();
    }
    kit.as_(SAM).approve(&filed[1].approval_id).await.unwrap();
    kit.as_(SAM).reject(&filed[2].approval_id).await.unwrap();
    let request = ListElevationsRequest {
        page_size: 3,
        include_total_size: true,
        ..ListElevationsRequest::default()
    };
    let first = kit
        .as_(JEN)
        .elevations()
        .list_elevations(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first.total_size, Some(5));
    let told: Vec<_> = first
        .elevations
        .iter()
        .map(|one| (&*one.id, one.status()))
        .collect();
    let expected = [
        (&*filed[0].id, ElevationStatus::PendingApproval),
        (&*filed[1].id, ElevationStatus::Active),
        (&*filed[2].id, ElevationStatus::Rejected),
    ];
    assert_eq!(told, expected);
    assert_eq!(first.elevations[0].creation_method(), CreationMethod::Grpc);
    close(&kit.as_(JEN), &filed[4]).await.unwrap();
    let next = ListElevationsRequest {
        page_token: first.next_page_token,
        ..request
    };
    let second = kit
        .as_(JEN)
        .elevations()
        .list_elevations(next)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(second.elevations.len(), 2);
    assert_eq!(
        second.elevations[1].status(),
        ElevationStatus::Closed,
        "the present"
    );

    let ending = compare(
        "expire_time",
        Operator::Gt,
        Kind::TimestampValue(Timestamp::default()),
    );
    let request = ListElevationsRequest {
        filter: vec![ending],
        ..ListElevationsRequest::default()
    };
    let ending = kit
        .as_(JEN)
        .elevations()
        .list_elevations(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        ending.elevations.len(),
        1,
        "never greater than anything: what has no end"
    );
    let nothing = kit
        .as_(EVE)
        .elevations()
        .list_elevations(ListElevationsRequest::default())
        .await;
    assert!(nothing.unwrap().into_inner().elevations.is_empty());
}

#[tokio::test]
async fn roles_are_listed_to_those_who_may_ask_for_them() {
    let kit = Kit::start().await;
    for (name, candidates) in [
        ("b", vec![JEN]),
        ("a", vec!["group:SQL Users"]),
        ("c", vec![JEN, GIL]),
    ] {
        let candidates = candidates.into_iter().map(principal).collect();
        kit.as_(ANN)
            .create_role(Role {
                candidates,
                ..role(name, &[SAM], 1)
            })
            .await
            .unwrap();
    }
    for (person, expected) in [
        (JEN, vec!["b", "c"]),
        (GIL, vec!["a", "c"]),
        (SAM, vec![]),
        (ANN, vec![]),
    ] {
        let answer = kit
            .as_(person)
            .roles()
            .list_roles(ListRolesRequest::default())
            .await
            .unwrap();
        assert_eq!(names(&answer.into_inner().roles), expected, "{person}");
    }
    let all = kit
        .as_(ANN)
        .roles()
        .list_all_roles(ListAllRolesRequest::default())
        .await
        .unwrap();
    assert_eq!(names(&all.into_inner().roles), ["a", "b", "c"]);
    for person in [JEN, SAM, EVE] {
        let refused = kit
            .as_(person)
            .roles()
            .list_all_roles(ListAllRolesRequest::default())
            .await;
        assert_eq!(
            refused.unwrap_err().code(),
            Code::PermissionDenied,
            "{person}"
        );
    }
    let request = ListAllRolesRequest {
        filter: vec![compare(
            "approval_required",
            Operator::Eq,
            Kind::BoolValue(true),
        )],
        order_by: vec![OrderBy {
            field: "display_name".into(),
            descending: true,
        }],
        page_size: 2,
        include_total_size: true,
        ..ListAllRolesRequest::default()
    };
    let page = kit
        .as_(ANN)
        .roles()
        .list_all_roles(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (names(&page.roles), page.total_size),
        (vec!["c", "b"], Some(3))
    );
    delete(&kit.as_(ANN), &page.roles[0].id).await.unwrap();
    let next = ListAllRolesRequest {
        page_token: page.next_page_token.clone(),
        ..request
    };
    let page_two = kit
        .as_(ANN)
        .roles()
        .list_all_roles(next)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        names(&page_two.roles),
        ["a"],
        "the list goes on after the last role, though that is gone"
    );
    let crossed = ListRolesRequest {
        page_token: page.next_page_token,
        ..ListRolesRequest::default()
    };
    let refused = kit.as_(ANN).roles().list_roles(crossed).await.unwrap_err();
    assert_eq!(
        refused.code(),
        Code::InvalidArgument,
        "the token of another list"
    );
}

#[tokio::test]
async fn a_role_is_replaced_as_a_whole() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let role = kit
        .as_(ANN)
        .roles()
        .get_role(get(&filed.role_id))
        .await
        .unwrap()
        .into_inner()
        .role
        .unwrap();
    let mut changed = role.clone();
    changed.stages[0].approvers = vec![principal(KIM)];
    let updated = update(&kit.as_(ANN), changed.clone()).await.unwrap();
    assert_eq!(
        updated,
        Role {
            revision: 2,
            ..changed.clone()
        }
    );
    assert_eq!(
        kit.as_(SAM)
            .approve(&filed.approval_id)
            .await
            .unwrap_err()
            .code(),
        Code::PermissionDenied
    );
    assert_eq!(kit.as_(SAM).pending().await, [""; 0]);

    let refused = update(&kit.as_(ANN), changed).await.unwrap_err();
    assert_eq!(
        (refused.code(), &*reason(&refused)),
        (Code::FailedPrecondition, "ROLE_CHANGED")
    );
    for person in [JEN, SAM, KIM, EVE] {
        let refused = update(&kit.as_(person), updated.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{person}");
    }
    let nothing = Role {
        id: "5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143".into(),
        ..updated
    };
    assert_eq!(
        update(&kit.as_(ANN), nothing).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    kit.as_(KIM).approve(&filed.approval_id).await.unwrap();
}

#[tokio::test]
async fn an_approval_of_who_is_no_approver_any_more_does_not_count() {
    let kit = Kit::start().await;
    let role = kit.role_with(&[SAM, "group:SQL Owners", EVE], 2).await;
    let filed = kit.as_(JEN).file(&role.id).await.unwrap();
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    let mut without_sam = role;
    without_sam.stages[0].approvers.remove(0);
    update(&kit.as_(ANN), without_sam).await.unwrap();
    let half = kit.as_(KIM).approve(&filed.approval_id).await.unwrap();
    assert_eq!(
        (half.status(), half.decisions.len()),
        (ApprovalStatus::Pending, 2)
    );
    let whole = kit.as_(EVE).approve(&filed.approval_id).await.unwrap();
    assert_eq!(whole.status(), ApprovalStatus::Approved);
}

#[tokio::test]
async fn a_role_is_deleted_when_nobody_holds_it_or_waits_for_it() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    assert_eq!(
        reason(&delete(&kit.as_(ANN), &filed.role_id).await.unwrap_err()),
        "ROLE_IN_USE"
    );
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    assert_eq!(
        reason(&delete(&kit.as_(ANN), &filed.role_id).await.unwrap_err()),
        "ROLE_IN_USE"
    );
    kit.clock.advance(3_600);
    for person in [JEN, SAM, EVE] {
        let refused = delete(&kit.as_(person), &filed.role_id).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{person}");
    }
    delete(&kit.as_(ANN), &filed.role_id).await.unwrap();
    assert_eq!(
        kit.as_(JEN).file(&filed.role_id).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    assert_eq!(
        status(&kit, JEN, &filed).await,
        ElevationStatus::Expired,
        "the history stays"
    );
    let again = Role {
        id: filed.role_id.clone(),
        ..role("Again", &[SAM], 1)
    };
    assert_eq!(
        reason(&kit.as_(ANN).create_role(again).await.unwrap_err()),
        "ROLE_EXISTS"
    );
    assert_eq!(
        delete(&kit.as_(ANN), &filed.role_id)
            .await
            .unwrap_err()
            .code(),
        Code::PermissionDenied
    );
}

#[tokio::test]
async fn a_start_in_the_past_is_now_and_a_later_one_is_waited_for() {
    let kit = Kit::start().await;
    let role = kit.role_with(&[], 0).await;
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let asked = |start| CreateElevationRequest {
        role_id: role.id.clone(),
        requested_start_time: start,
        ..Default::default()
    };
    let past = kit
        .as_(JEN)
        .elevations()
        .create_elevation(asked(at(1_434_000_000)))
        .await
        .unwrap();
    let past = past.into_inner().elevation.unwrap();
    assert_eq!(past.requested_start_time.unwrap().seconds, 1_434_000_000);
    assert_eq!(past.activate_time, past.create_time);
    let later = kit
        .as_(JEN)
        .elevations()
        .create_elevation(asked(at(1_500_000_000)))
        .await
        .unwrap();
    let later = later.into_inner().elevation.unwrap();
    assert_eq!(
        (later.status(), later.activate_time),
        (ElevationStatus::Scheduled, None)
    );
    let refused = kit
        .as_(JEN)
        .elevations()
        .create_elevation(asked(at(1_800_000_000)))
        .await
        .unwrap_err();
    assert_eq!(
        refused.code(),
        Code::InvalidArgument,
        "more than ten years ahead"
    );
}

async fn close(person: &Person, elevation: &Elevation) -> Result<Elevation, Status> {
    let request = CloseElevationRequest {
        elevation_id: elevation.id.clone(),
    };
    Ok(person
        .elevations()
        .close_elevation(request)
        .await?
        .into_inner()
        .elevation
        .unwrap())
}

async fn give_up(person: &Person, role: &str) -> Result<Elevation, Status> {
    let request = CreateElevationRequest {
        role_id: role.to_owned(),
        duration: Some(Duration {
            seconds: 0,
            nanos: 0,
        }),
        ..CreateElevationRequest::default()
    };
    Ok(person
        .elevations()
        .create_elevation(request)
        .await?
        .into_inner()
        .elevation
        .unwrap())
}

async fn update(person: &Person, role: Role) -> Result<Role, Status> {
    let answer = person.roles().update_role(replacing(role)).await?;
    Ok(answer.into_inner().role.unwrap())
}

async fn delete(person: &Person, role: &str) -> Result<(), Status> {
    person
        .roles()
        .delete_role(DeleteRoleRequest {
            role_id: role.to_owned(),
        })
        .await?;
    Ok(())
}

async fn status(kit: &Kit, name: &str, elevation: &Elevation) -> ElevationStatus {
    kit.as_(name)
        .elevation(&elevation.id)
        .await
        .unwrap()
        .status()
}

fn get(role: &str) -> countersign::proto::pam::v1::GetRoleRequest {
    countersign::proto::pam::v1::GetRoleRequest {
        role_id: role.to_owned(),
    }
}

fn names(roles: &[Role]) -> Vec<&str> {
    roles.iter().map(|role| &*role.display_name).collect()
}

fn compare(field: &str, operator: Operator, value: Kind) -> Comparison {
    Comparison {
        field: field.into(),
        operator: operator.into(),
        value: Some(Value { kind: Some(value) }),
    }
}
