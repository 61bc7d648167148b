//! Stories of named accounts.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::domain::account::{Group, Principal};
use countersign::domain::event::{Channel, Fact};
use countersign::domain::moment::{Moment, Seconds};
use countersign::proto::pam::v1::value::Kind;
use countersign::proto::pam::v1::{
    ApprovalStatus, ApproveRequest, Comparison, CreateElevationRequest, Elevation, ElevationStatus,
    GetRoleRequest, ListApprovalsRequest, ListApprovalsResponse, Operator, OrderBy, RejectRequest,
    Value, Verdict,
};
use countersign::record::Envelope;
use countersign::time::Clock;
use prost_types::{Duration, Timestamp};
use tonic::Code;
use tonic_types::StatusExt;

use crate::kit::{ANN, EVE, GIL, JEN, KIM, Kit, Person, SAM, reason, role};

#[tokio::test]
async fn sam_approves_and_jen_holds_the_role_for_an_hour() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    assert_eq!(filed.status(), ElevationStatus::PendingApproval);
    assert_eq!((filed.activate_time, filed.expire_time), (None, None));
    assert_eq!(
        kit.as_(SAM).pending().await,
        std::slice::from_ref(&filed.approval_id)
    );

    kit.clock.advance(600);
    let approval = kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    assert_eq!(approval.status(), ApprovalStatus::Approved);
    assert_eq!(approval.decisions[0].verdict(), Verdict::Approve);
    assert_eq!(approval.decisions[0].approver.as_ref().unwrap().name, SAM);
    assert_eq!(kit.as_(SAM).pending().await, [""; 0]);

    let active = kit.as_(JEN).elevation(&filed.id).await.unwrap();
    assert_eq!(active.status(), ElevationStatus::Active);
    let activated = active.activate_time.unwrap().seconds;
    assert_eq!(activated - filed.create_time.unwrap().seconds, 600);
    assert_eq!(
        active.expire_time.unwrap().seconds - activated,
        3_600,
        "a duration counts from activation"
    );
    assert_eq!((filed.revision, active.revision), (1, 2));

    kit.clock.advance(3_599);
    assert_eq!(status(&kit.as_(JEN), &filed).await, ElevationStatus::Active);
    kit.clock.advance(1);
    assert_eq!(
        status(&kit.as_(JEN), &filed).await,
        ElevationStatus::Expired
    );
}

#[tokio::test]
async fn sam_rejects_with_a_reason() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let request = RejectRequest {
        approval_id: filed.approval_id.clone(),
        reason: Some("No ticket".into()),
    };
    let rejected = kit
        .as_(SAM)
        .approvals()
        .reject(request)
        .await
        .unwrap()
        .into_inner()
        .approval
        .unwrap();
    assert_eq!(rejected.status(), ApprovalStatus::Rejected);
    assert_eq!(rejected.decisions[0].reason.as_deref(), Some("No ticket"));
    let ended = kit.as_(JEN).elevation(&filed.id).await.unwrap();
    assert_eq!(ended.status(), ElevationStatus::Rejected);
    assert_eq!(ended.expire_time, None);
}

#[tokio::test]
async fn a_role_without_approval_activates_at_once() {
    let kit = Kit::start().await;
    let open = kit.role_with(&[], 0).await;
    let request = CreateElevationRequest {
        role_id: open.id,
        duration: Some(seconds(900)),
        justification: None,
        ..Default::default()
    };
    let answer = kit
        .as_(JEN)
        .elevations()
        .create_elevation(request)
        .await
        .unwrap();
    let active = answer.into_inner().elevation.unwrap();
    assert_eq!(active.status(), ElevationStatus::Active);
    assert_eq!(active.approval_id, "");
    assert_eq!(
        active.expire_time.unwrap().seconds - active.activate_time.unwrap().seconds,
        900
    );
}

#[tokio::test]
async fn asking_for_too_long_is_cut_to_what_the_role_allows() {
    let kit = Kit::start().await;
    let role = kit.role_with(&[], 0).await;
    let request = CreateElevationRequest {
        role_id: role.id,
        duration: Some(seconds(3_612)),
        justification: None,
        ..Default::default()
    };
    let answer = kit
        .as_(JEN)
        .elevations()
        .create_elevation(request)
        .await
        .unwrap();
    let active = answer.into_inner().elevation.unwrap();
    assert_eq!(active.requested_duration.unwrap().seconds, 3_612);
    assert_eq!(active.duration.unwrap().seconds, 3_600);
}

#[tokio::test]
async fn nobody_decides_in_time() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    kit.clock.advance(7 * 86_400);
    assert_eq!(kit.as_(SAM).pending().await, [""; 0]);
    assert_eq!(
        status(&kit.as_(JEN), &filed).await,
        ElevationStatus::Expired
    );
    let refused = kit.as_(SAM).approve(&filed.approval_id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(
        refused.get_error_details().error_info().unwrap().metadata["status"],
        "EXPIRED"
    );
}

#[tokio::test]
async fn sam_clicks_twice() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let first = kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    kit.clock.advance(60);
    let again = ApproveRequest {
        approval_id: filed.approval_id.clone(),
        reason: Some("a second thought".into()),
    };
    let again = kit
        .as_(SAM)
        .approvals()
        .approve(again)
        .await
        .unwrap()
        .into_inner()
        .approval
        .unwrap();
    assert_eq!(again, first, "a repeat writes nothing");
    assert_eq!(kit.as_(JEN).elevation(&filed.id).await.unwrap().revision, 2);
}

#[tokio::test]
async fn the_opposite_of_what_was_decided_is_refused_with_the_state_that_won() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    for late in [SAM, KIM] {
        let refused = kit.as_(late).reject(&filed.approval_id).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{late}");
        assert_eq!(reason(&refused), "APPROVAL_NOT_PENDING", "{late}");
        assert_eq!(
            refused.get_error_details().error_info().unwrap().metadata["status"],
            "APPROVED"
        );
    }
    let refused = kit.as_(KIM).approve(&filed.approval_id).await.unwrap_err();
    assert_eq!(
        reason(&refused),
        "APPROVAL_NOT_PENDING",
        "the same verdict, but not kim's own"
    );
}

#[tokio::test]
async fn a_stage_may_need_two() {
    let kit = Kit::start().await;
    let role = kit.role_with(&[SAM, "group:SQL Owners"], 2).await;
    let filed = kit.as_(JEN).file(&role.id).await.unwrap();
    let half = kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    assert_eq!(half.status(), ApprovalStatus::Pending);
    assert_eq!(kit.as_(SAM).pending().await, [""; 0], "sam has decided");
    assert_eq!(
        kit.as_(KIM).pending().await,
        std::slice::from_ref(&filed.approval_id)
    );

    kit.as_(SAM).approve(&filed.approval_id).await.unwrap();
    assert_eq!(
        status(&kit.as_(JEN), &filed).await,
        ElevationStatus::PendingApproval,
        "one person counts once"
    );
    let refused = kit.as_(SAM).reject(&filed.approval_id).await.unwrap_err();
    assert_eq!(reason(&refused), "ALREADY_DECIDED");

    let whole = kit.as_(KIM).approve(&filed.approval_id).await.unwrap();
    assert_eq!(whole.status(), ApprovalStatus::Approved);
    assert_eq!(status(&kit.as_(JEN), &filed).await, ElevationStatus::Active);
}

#[tokio::test]
async fn nobody_decides_their_own_request() {
    let kit = Kit::start().await;
    // jen is named as an approver, by her name in other letters and by a group; and so is the administrator.
    let names = ["priv\\JEN", "group:SQL Users", ANN, "group:SQL Owners"];
    let mut asked = role("Conflicted", &names, 1);
    asked.candidates.push(crate::kit::principal(ANN));
    let role = kit.as_(ANN).create_role(asked).await.unwrap();
    for requester in [JEN, GIL, ANN] {
        let person = kit.as_(requester);
        let filed = person.file(&role.id).await.unwrap();
        assert!(
            !person.pending().await.contains(&filed.approval_id),
            "{requester}"
        );
        for refused in [
            person.approve(&filed.approval_id).await,
            person.reject(&filed.approval_id).await,
        ] {
            assert_eq!(
                reason(&refused.unwrap_err()),
                "ACCESS_DENIED",
                "{requester}"
            );
        }
        assert_eq!(
            status(&person, &filed).await,
            ElevationStatus::PendingApproval
        );
        kit.as_(KIM).approve(&filed.approval_id).await.unwrap();
    }
}

#[tokio::test]
async fn an_administrator_approves_nothing() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let refused = kit.as_(ANN).approve(&filed.approval_id).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(
        kit.as_(ANN)
            .approval(&filed.approval_id)
            .await
            .unwrap()
            .status(),
        ApprovalStatus::Pending
    );
}

#[tokio::test]
async fn eve_cannot_tell_what_is_there_from_what_is_not() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let (role, nothing) = (
        filed.role_id.clone(),
        "5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143",
    );
    let eve = kit.as_(EVE);
    for (there, not_there) in [
        (
            eve.approve(&filed.approval_id).await.err(),
            eve.approve(nothing).await.err(),
        ),
        (
            eve.reject(&filed.approval_id).await.err(),
            eve.reject(nothing).await.err(),
        ),
        (
            eve.approval(&filed.approval_id).await.err(),
            eve.approval(nothing).await.err(),
        ),
        (
            eve.elevation(&filed.id).await.err(),
            eve.elevation(nothing).await.err(),
        ),
        (eve.file(&role).await.err(), eve.file(nothing).await.err()),
        // The id of one thing is not the id of another.
        (
            eve.elevation(&filed.approval_id).await.err(),
            eve.approve(&filed.id).await.err(),
        ),
    ] {
        let (there, not_there) = (there.unwrap(), not_there.unwrap());
        assert_eq!(there.code(), Code::PermissionDenied);
        assert_eq!((there.code(), there.message(), there.details()), {
            (not_there.code(), not_there.message(), not_there.details())
        });
    }
    assert_eq!(
        eve.act(&filed.approval_id, "Approve").await.body,
        eve.act(nothing, "Approve").await.body
    );
    assert_eq!(eve.pending().await, [""; 0]);
}

#[tokio::test]
async fn eve_creates_no_role() {
    let kit = Kit::start().await;
    for person in [EVE, SAM, JEN] {
        let refused = kit
            .as_(person)
            .create_role(role("Mine", &[EVE], 1))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{person}");
    }
}

#[tokio::test]
async fn a_role_can_be_brought_along_with_its_id() {
    let kit = Kit::start().await;
    let mut asked = role("SQL", &[SAM], 1);
    asked.id = "C28EAB4A-95CF-4C08-A153-D5E8A9E660CD".into();
    let created = kit.as_(ANN).create_role(asked.clone()).await.unwrap();
    assert_eq!(created.id, "c28eab4a-95cf-4c08-a153-d5e8a9e660cd");
    assert_eq!(created.revision, 1);
    let refused = kit.as_(ANN).create_role(asked).await.unwrap_err();
    assert_eq!(
        (refused.code(), &*reason(&refused)),
        (Code::AlreadyExists, "ROLE_EXISTS")
    );
    for (person, sees) in [
        (ANN, true),
        (JEN, true),
        (GIL, true),
        (SAM, true),
        (KIM, false),
        (EVE, false),
    ] {
        let read = kit
            .as_(person)
            .roles()
            .get_role(GetRoleRequest {
                role_id: created.id.clone(),
            })
            .await;
        assert_eq!(read.is_ok(), sees, "{person}");
        if let Ok(read) = read {
            assert_eq!(read.into_inner().role.unwrap(), created);
        }
    }
}

#[tokio::test]
async fn a_requester_who_left_the_group_cannot_be_approved_any_more() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let hal = kit.newcomer("PRIV\\hal", &["SQL Users"], Some(after(&kit, 3_600)));
    let filed = hal.file(&role.id).await.unwrap();
    kit.clock.advance(3_600);
    let refused = kit.as_(SAM).approve(&filed.approval_id).await.unwrap_err();
    assert_eq!(
        (refused.code(), &*reason(&refused)),
        (Code::FailedPrecondition, "REQUESTER_NOT_CANDIDATE")
    );
    kit.as_(SAM).reject(&filed.approval_id).await.unwrap();
}

#[tokio::test]
async fn an_approver_who_left_the_group_cannot_approve_any_more() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let lou = kit.newcomer("PRIV\\lou", &["SQL Owners"], None);
    assert_eq!(
        lou.pending().await,
        std::slice::from_ref(&filed.approval_id)
    );
    let text = std::fs::read_to_string(kit.tokens_file()).unwrap();
    let last = text.rfind("groups = [\"SQL Owners\"]\n").unwrap();
    let without = text[..last].to_owned() + &text[last + "groups = [\"SQL Owners\"]\n".len()..];
    std::fs::write(kit.tokens_file(), without).unwrap();
    kit.clock.advance(1);
    let refused = lou.approve(&filed.approval_id).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(lou.pending().await, [""; 0]);
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let (decided, pending) = (
        kit.as_(JEN).file(&role.id).await.unwrap(),
        kit.as_(GIL).file(&role.id).await.unwrap(),
    );
    kit.as_(SAM).approve(&decided.approval_id).await.unwrap();
    let before = kit.as_(JEN).elevation(&decided.id).await.unwrap();
    let kit = kit.restart().await;
    assert_eq!(kit.as_(JEN).elevation(&decided.id).await.unwrap(), before);
    assert_eq!(
        kit.as_(SAM).pending().await,
        std::slice::from_ref(&pending.approval_id)
    );
    kit.as_(SAM).reject(&pending.approval_id).await.unwrap();
}

#[tokio::test]
async fn sam_pages_through_the_present() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let mut filed = Vec::new();
    for _ in 0..7 {
        kit.clock.advance(1);
        filed.push(kit.as_(JEN).file(&role.id).await.unwrap().approval_id);
    }
    let request = ListApprovalsRequest {
        page_size: 3,
        include_total_size: true,
        ..ListApprovalsRequest::default()
    };
    let first = list(&kit.as_(SAM), request.clone()).await;
    assert_eq!(ids(&first), filed[..3]);
    assert_eq!(first.total_size, Some(7));

    // Meanwhile one of each page is decided, and another is filed.
    for decided in [&filed[1], &filed[4]] {
        kit.as_(KIM).approve(decided).await.unwrap();
    }
    let gils = kit.as_(GIL).file(&role.id).await.unwrap();
    kit.clock.advance(1);

    let second = list(
        &kit.as_(SAM),
        ListApprovalsRequest {
            page_token: first.next_page_token,
            ..request.clone()
        },
    )
    .await;
    let [_, _, _, four, _, six, seven] = &filed[..] else {
        panic!("seven were filed")
    };
    assert_eq!(ids(&second), [four, six, seven], "what was decided is gone");
    assert_eq!(second.total_size, Some(6));
    let third = list(
        &kit.as_(SAM),
        ListApprovalsRequest {
            page_token: second.next_page_token,
            ..request.clone()
        },
    )
    .await;
    assert_eq!(ids(&third), [gils.approval_id]);
    assert_eq!(third.next_page_token, "");
}

#[tokio::test]
async fn a_page_token_is_of_one_list_and_one_caller() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    for _ in 0..2 {
        kit.as_(JEN).file(&role.id).await.unwrap();
    }
    let request = ListApprovalsRequest {
        page_size: 1,
        ..ListApprovalsRequest::default()
    };
    let token = list(&kit.as_(SAM), request.clone()).await.next_page_token;
    let next = ListApprovalsRequest {
        page_token: token.clone(),
        ..request
    };
    let skipping = ListApprovalsRequest {
        skip: 1,
        ..next.clone()
    };
    let filtered = ListApprovalsRequest {
        filter: vec![compare(
            "role_id",
            Operator::Eq,
            Kind::IdValue(role.id.clone()),
        )],
        ..next.clone()
    };
    let reordered = ListApprovalsRequest {
        order_by: vec![OrderBy {
            field: "role_id".to_owned(),
            descending: false,
        }],
        ..next.clone()
    };
    let counted = ListApprovalsRequest {
        include_total_size: true,
        ..next.clone()
    };
    // One more value, in the form of protobuf, at the end.
    let mut longer = URL_SAFE_NO_PAD.decode(&token).unwrap();
    longer.extend([0x12, 0x00]);
    let garbled = [
        URL_SAFE_NO_PAD.encode(longer),
        format!("{token}x"),
        format!("{token}AAAA"),
        token[1..].to_owned(),
        token[..token.len() - 8].to_owned(),
        "x".to_owned(),
        "AAAA".to_owned(),
    ];
    let garbled = garbled.map(|page_token| ListApprovalsRequest {
        page_token,
        ..next.clone()
    });
    let strange = [skipping, filtered, reordered, counted];
    let strange = strange
        .into_iter()
        .chain(garbled)
        .map(|request| (SAM, request));
    for (person, request) in strange.chain([(KIM, next.clone())]) {
        let refused = kit
            .as_(person)
            .approvals()
            .list_approvals(request.clone())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{request:?}");
        assert_eq!(reason(&refused), "INVALID_ARGUMENT", "{request:?}");
    }
    let wider = ListApprovalsRequest {
        page_size: 2,
        ..next.clone()
    };
    for request in [next, wider] {
        assert_eq!(list(&kit.as_(SAM), request).await.approvals.len(), 1);
        kit.clock.advance(86_400);
    }
}

#[tokio::test]
async fn sam_skips_once_and_not_on_every_page() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let mut filed = Vec::new();
    for _ in 0..7 {
        kit.clock.advance(1);
        filed.push(kit.as_(JEN).file(&role.id).await.unwrap().approval_id);
    }
    let mut request = ListApprovalsRequest {
        page_size: 2,
        skip: 2,
        include_total_size: true,
        ..ListApprovalsRequest::default()
    };
    for expected in [&filed[2..4], &filed[4..6], &filed[6..]] {
        let page = list(&kit.as_(SAM), request.clone()).await;
        assert_eq!(ids(&page), expected);
        assert_eq!(page.total_size, Some(7));
        request.page_token = page.next_page_token;
    }
    assert_eq!(request.page_token, "");
}

#[tokio::test]
async fn sam_filters_and_orders() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let mut filed = Vec::new();
    for (person, justification) in [(JEN, Some("b")), (GIL, None), (JEN, Some("a"))] {
        kit.clock.advance(1);
        let request = CreateElevationRequest {
            role_id: role.id.clone(),
            duration: Some(seconds(60)),
            justification: justification.map(str::to_owned),
            ..Default::default()
        };
        let answer = kit
            .as_(person)
            .elevations()
            .create_elevation(request)
            .await
            .unwrap();
        filed.push(answer.into_inner().elevation.unwrap().approval_id);
    }
    let [b, null, a] = <[String; 3]>::try_from(filed).unwrap();
    let text = |text: &str| Kind::StringValue(text.into());
    let second = Kind::TimestampValue(Timestamp {
        seconds: 1_434_084_579,
        nanos: 580_000_000,
    });
    let table = [
        (compare("justification", Operator::Eq, text("a")), vec![&a]),
        (
            compare("justification", Operator::Ne, text("a")),
            vec![&b, &null],
        ),
        (compare("justification", Operator::Gt, text("a")), vec![&b]),
        (
            compare("justification", Operator::Eq, Kind::NullValue(0)),
            vec![&null],
        ),
        (
            compare("justification", Operator::Ne, Kind::NullValue(0)),
            vec![&b, &a],
        ),
        (
            compare("requester.name", Operator::Eq, text(JEN)),
            vec![&b, &a],
        ),
        (
            compare("id", Operator::Eq, Kind::IdValue(null.clone())),
            vec![&null],
        ),
        (
            compare("create_time", Operator::Ge, second.clone()),
            vec![&null, &a],
        ),
        (compare("create_time", Operator::Eq, second), vec![&null]),
        (
            compare(
                "requested_duration",
                Operator::Lt,
                Kind::DurationValue(seconds(61)),
            ),
            vec![&b, &null, &a],
        ),
    ];
    for (comparison, expected) in table {
        let request = ListApprovalsRequest {
            filter: vec![comparison.clone()],
            ..ListApprovalsRequest::default()
        };
        assert_eq!(
            ids(&list(&kit.as_(SAM), request).await),
            expected,
            "{comparison:?}"
        );
    }
    let by_justification = OrderBy {
        field: "justification".into(),
        descending: true,
    };
    let request = ListApprovalsRequest {
        order_by: vec![by_justification],
        skip: 1,
        include_total_size: true,
        ..ListApprovalsRequest::default()
    };
    let page = list(&kit.as_(SAM), request).await;
    assert_eq!(ids(&page), [a, null]);
    assert_eq!(
        page.total_size,
        Some(3),
        "skipping does not change how many there are"
    );
}

#[tokio::test]
async fn what_a_list_does_not_understand_it_refuses() {
    let kit = Kit::start().await;
    let filter = |filter| ListApprovalsRequest {
        filter: vec![filter],
        ..ListApprovalsRequest::default()
    };
    let text = || Kind::StringValue("x".into());
    let unknown = OrderBy {
        field: "nosuchfield".into(),
        descending: false,
    };
    for request in [
        filter(compare("nosuchfield", Operator::Eq, text())),
        filter(compare("justification", Operator::Unspecified, text())),
        filter(compare("justification", Operator::Gt, Kind::NullValue(0))),
        filter(compare("role_id", Operator::Eq, text())),
        filter(compare("role_id", Operator::Eq, Kind::IdValue("x".into()))),
        filter(Comparison {
            value: None,
            ..compare("role_id", Operator::Eq, text())
        }),
        ListApprovalsRequest {
            order_by: vec![unknown],
            ..ListApprovalsRequest::default()
        },
        ListApprovalsRequest {
            page_size: -1,
            ..ListApprovalsRequest::default()
        },
        ListApprovalsRequest {
            skip: -1,
            ..ListApprovalsRequest::default()
        },
    ] {
        let refused = kit
            .as_(SAM)
            .approvals()
            .list_approvals(request.clone())
            .await
            .unwrap_err();
        assert_eq!(reason(&refused), "INVALID_ARGUMENT", "{request:?}");
        assert_eq!(
            refused
                .get_error_details()
                .bad_request()
                .unwrap()
                .field_violations
                .len(),
            1
        );
    }
}

/// The questions of an auditor: the account, its right, its credentials, the API and the request.
#[tokio::test]
async fn the_record_says_by_what_right() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let filed = kit.as_(GIL).file(&role.id).await.unwrap();
    let path = format!(
        "/api/pamresources/pamrequeststoapprove(guid'{}')/Approve",
        filed.approval_id
    );
    kit.as_(KIM)
        .rest(
            "POST",
            &path,
            "Content-Length: 0\r\nx-request-id: portal-7\r\n",
            "",
        )
        .await;
    let record = kit.store.events(0, 10).await.unwrap();
    let [created, filed, approved, activated] = <[Envelope; 4]>::try_from(record)
        .unwrap()
        .map(|envelope| envelope.event().unwrap());
    let [created_by, filed_by, approved_by] =
        [&created, &filed, &approved].map(|event| event.by.clone().unwrap());
    let named = |name: &str| Some(Principal::Group(Group::named(name).unwrap()));

    assert_eq!((&*created_by.account.name, created_by.via), (ANN, None));
    assert_eq!(
        (&*filed_by.account.name, filed_by.via),
        (GIL, named("SQL Users"))
    );
    assert_eq!(filed_by.origin.channel, Channel::Grpc);
    assert_eq!(
        (&*approved_by.account.name, &approved_by.via),
        (KIM, &named("SQL Owners"))
    );
    assert_eq!(approved_by.origin.channel, Channel::PamWebApi);
    assert_eq!(approved_by.origin.request_id, "portal-7");
    assert_eq!(
        approved_by.credential,
        format!("bearer:{}", &kit.token(KIM)[4..20])
    );
    let Fact::Approved(decided) = approved.fact else {
        panic!("{approved:?}")
    };
    assert_eq!(decided.requester_via, named("SQL Users"));
    assert_eq!((activated.by, decided.role_revision), (approved.by, 1));
}

async fn status(person: &Person, elevation: &Elevation) -> ElevationStatus {
    person.elevation(&elevation.id).await.unwrap().status()
}

async fn list(person: &Person, request: ListApprovalsRequest) -> ListApprovalsResponse {
    person
        .approvals()
        .list_approvals(request)
        .await
        .unwrap()
        .into_inner()
}

fn ids(page: &ListApprovalsResponse) -> Vec<&str> {
    page.approvals
        .iter()
        .map(|approval| &*approval.id)
        .collect()
}

fn compare(field: &str, operator: Operator, value: Kind) -> Comparison {
    Comparison {
        field: field.into(),
        operator: operator.into(),
        value: Some(Value { kind: Some(value) }),
    }
}

fn seconds(seconds: i64) -> Duration {
    Duration { seconds, nanos: 0 }
}

fn after(kit: &Kit, seconds: i64) -> Moment {
    kit.clock.now().after(Seconds::new(seconds).unwrap())
}
