//! Errors name the field, the mistake and the allowed values, in both dialects.

use countersign::proto::pam::v1::value::Kind;
use countersign::proto::pam::v1::{
    ApproveRequest, Comparison, CreateElevationRequest, CreateRoleRequest, DeleteRoleRequest,
    ExplainApprovalRequest, GetElevationRequest, GetRoleRequest, ListRolesRequest, Operator,
    OrderBy, Principal, ReasonRule, Role, Stage, Value,
};
use prost_types::{Duration, Timestamp};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::kit::{ANN, EVE, JEN, Kit, SAM, principal, replacing, role};

#[tokio::test]
async fn a_missing_id_is_told_from_a_malformed_one() {
    let kit = Kit::start().await;
    let ann = kit.as_(ANN);
    for (id, wrong) in [
        ("", "is required."),
        ("undefined", "must be a GUID in its hyphenated form."),
    ] {
        let id = || id.to_owned();
        let file = CreateElevationRequest {
            role_id: id(),
            ..CreateElevationRequest::default()
        };
        let update = Role {
            id: id(),
            revision: 1,
            ..role("SQL", &[SAM], 1)
        };
        for (field, refused) in [
            (
                "role_id",
                ann.elevations().create_elevation(file).await.err(),
            ),
            (
                "elevation_id",
                ann.elevations()
                    .get_elevation(GetElevationRequest { elevation_id: id() })
                    .await
                    .err(),
            ),
            (
                "role_id",
                ann.roles()
                    .get_role(GetRoleRequest { role_id: id() })
                    .await
                    .err(),
            ),
            (
                "role_id",
                ann.roles()
                    .delete_role(DeleteRoleRequest { role_id: id() })
                    .await
                    .err(),
            ),
            ("approval_id", ann.approve(&id()).await.err()),
            (
                "role.id",
                ann.roles().update_role(replacing(update)).await.err(),
            ),
        ] {
            names(&refused.unwrap(), field, &format!("{field} {wrong}"));
        }
    }
    let refused = ann
        .roles()
        .create_role(CreateRoleRequest { role: None })
        .await
        .unwrap_err();
    names(&refused, "role", "role is required.");
}

#[tokio::test]
async fn a_list_names_the_comparison_and_the_key_by_their_index() {
    let kit = Kit::start().await;
    let fine = compared(
        "display_name",
        Operator::Eq,
        Some(Kind::StringValue("SQL".into())),
    );
    let with_second = |second| ListRolesRequest {
        filter: vec![fine.clone(), second],
        ..ListRolesRequest::default()
    };
    let ordered = |field: &str| {
        let key = |field: &str| OrderBy {
            field: field.into(),
            descending: false,
        };
        ListRolesRequest {
            order_by: vec![key("id"), key(field)],
            ..ListRolesRequest::default()
        }
    };
    let duration = |seconds, nanos| Some(Kind::DurationValue(Duration { seconds, nanos }));
    for (request, field, message) in [
        (
            with_second(compared("display_name", Operator::Eq, None)),
            "filter[1].value",
            "filter[1].value is required.",
        ),
        (
            with_second(compared("", Operator::Eq, duration(1, 0))),
            "filter[1].field",
            "filter[1].field is required.",
        ),
        (
            with_second(compared("nothing", Operator::Eq, duration(1, 0))),
            "filter[1].field",
            "filter[1].field must be a field that the list can be filtered and ordered by.",
        ),
        (
            with_second(compared(
                "display_name",
                Operator::Unspecified,
                duration(1, 0),
            )),
            "filter[1].operator",
            "filter[1].operator is required.",
        ),
        (
            with_second(compared(
                "id",
                Operator::Eq,
                Some(Kind::IdValue("x".into())),
            )),
            "filter[1].value",
            "filter[1].value must be a GUID in its hyphenated form.",
        ),
        (
            with_second(compared(
                "max_duration",
                Operator::Eq,
                Some(Kind::TimestampValue(Timestamp {
                    seconds: 0,
                    nanos: -1,
                })),
            )),
            "filter[1].value",
            "filter[1].value: A moment must be in the years 1 to 9999, with 0 to 999,999,999 nanoseconds.",
        ),
        (
            ordered("nothing"),
            "order_by[1].field",
            "order_by[1].field must be a field that the list can be filtered and ordered by.",
        ),
        (
            ListRolesRequest {
                page_size: -1,
                ..ListRolesRequest::default()
            },
            "page_size",
            "page_size must not be negative.",
        ),
    ] {
        names(
            &kit.as_(JEN).roles().list_roles(request).await.unwrap_err(),
            field,
            message,
        );
    }
}

#[tokio::test]
async fn a_role_names_the_approver_by_its_stage_and_index() {
    type Change = fn(&mut Role);
    let kit = Kit::start().await;
    let table: [(Change, &str, &str); 12] = [
        (
            |role| role.stages[1].approvers.push(principal("jen")),
            "role.stages[1].approvers[1].account",
            "The name of an account must have the form DOMAIN\\user.",
        ),
        (
            |role| role.stages[1].approvers.push(principal("group: ops")),
            "role.stages[1].approvers[1].group",
            "A name must not have white space at its ends, next to the backslash, or twice in a row.",
        ),
        (
            |role| role.candidates.push(Principal { kind: None }),
            "role.candidates[2]",
            "must have an account or a group.",
        ),
        (
            |role| role.stages[0].required_approvals = 0,
            "role.stages[0].required_approvals",
            "must be 1 to 100.",
        ),
        (
            |role| role.stages[0].approvers.clear(),
            "role.stages[0].approvers",
            "must be 1 to 1,000 accounts or groups.",
        ),
        (
            |role| role.candidates.clear(),
            "role.candidates",
            "must be 1 to 1,000 accounts or groups.",
        ),
        (
            |role| role.display_name.clear(),
            "role.display_name",
            "A name must have 1 to 256 characters.",
        ),
        (
            |role| role.max_duration = None,
            "role.max_duration",
            "is required.",
        ),
        (
            |role| role.max_duration = Some(Duration::default()),
            "role.max_duration",
            "must be at least a second.",
        ),
        (
            |role| role.pending_timeout = Some(Duration::default()),
            "role.pending_timeout",
            "must be at least a second.",
        ),
        (
            |role| {
                role.justification_rule = Some(ReasonRule {
                    min_length: 1_025,
                    ..ReasonRule::default()
                })
            },
            "role.justification_rule.min_length",
            "must be at most 1,024 characters.",
        ),
        (
            |role| {
                role.decision_reason_rule = Some(ReasonRule {
                    pattern: "(".into(),
                    ..ReasonRule::default()
                })
            },
            "role.decision_reason_rule.pattern",
            "A pattern is a regular expression of 1 to 256 characters.",
        ),
    ];
    for (change, field, wrong) in table {
        let stage = Stage {
            approvers: vec![principal("PRIV\\kim")],
            required_approvals: 1,
        };
        let mut role = role("SQL", &[SAM], 1);
        role.stages.push(stage);
        change(&mut role);
        let refused = kit.as_(ANN).create_role(role).await.unwrap_err();
        let separator = if wrong.starts_with(char::is_lowercase) {
            " "
        } else {
            ": "
        };
        names(&refused, field, &format!("{field}{separator}{wrong}"));
    }
}

#[tokio::test]
async fn an_update_without_a_revision_says_so() {
    let kit = Kit::start().await;
    let role = Role {
        revision: 0,
        ..kit.role().await
    };
    let refused = kit
        .as_(ANN)
        .roles()
        .update_role(replacing(role))
        .await
        .unwrap_err();
    let message = "role.revision is required: read the role, and send the revision that it has.";
    names(&refused, "role.revision", message);
}

#[tokio::test]
async fn rest_names_the_fields_as_its_clients_know_them() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    let too_long = "x".repeat(1_025);
    for (query, message) in [
        (
            "RequestedTTL=60".to_owned(),
            "RoleId is required, in the query or in a body whose Content-Type is application/json, application/x-www-form-urlencoded or application/atom+xml.",
        ),
        (
            "RoleId=undefined".to_owned(),
            "RoleId must be a GUID with its hyphens.",
        ),
        (
            format!("RoleId={role}&RequestedTTL=99999999999"),
            "RequestedTTL: A duration is at most 3,660 days, and never negative.",
        ),
        (
            format!("RoleId={role}&Justification={too_long}"),
            "Justification: A text has at most 1,024 characters and no NUL.",
        ),
        (
            format!("RoleId={role}&RequestedTime=2033-05-18T03:33:20Z"),
            "RequestedTime: A start must be at most 3,660 days ahead.",
        ),
        (
            format!("RoleId={role}&RequestedTime=2015-06-12T10:00:00%2B14:01"),
            "RequestedTime: The offset of a time must be at most 14:00 in either direction.",
        ),
    ] {
        let answer = kit
            .as_(JEN)
            .post(&format!("/api/pamresources/pamrequests?{query}"))
            .await;
        assert_eq!(
            (answer.status, &*said(&answer.body)),
            (400, message),
            "{query:.60}"
        );
    }
    let answer = kit
        .as_(JEN)
        .get("/api/pamresources/pamrequests?$skip=1000001")
        .await;
    assert!(said(&answer.body).contains("$skip"), "{answer:?}");
}

/// Jen may read the role, so she reads what it requires. Eve may not, and reads nothing of it.
#[tokio::test]
async fn a_refused_reason_says_what_the_role_requires() {
    let kit = Kit::start().await;
    let rule = |min_length, pattern: &str| ReasonRule {
        required: true,
        min_length,
        pattern: pattern.into(),
    };
    let asked = Role {
        justification_rule: Some(rule(12, "INC[0-9]{6}")),
        decision_reason_rule: Some(rule(0, "^Seen")),
        ..role("Tickets", &[SAM], 1)
    };
    let role_id = kit.as_(ANN).create_role(asked).await.unwrap().id;
    let ask = |justification: &str| CreateElevationRequest {
        role_id: role_id.clone(),
        justification: Some(justification.into()),
        ..CreateElevationRequest::default()
    };
    let must = "it must have at least 12 visible characters and match the pattern INC[0-9]{6}.";
    for (justification, wrong) in [
        ("", "The role requires a reason"),
        ("no ticket", "The reason is too short"),
        (
            "no ticket at all",
            "The reason does not match the pattern of the role",
        ),
    ] {
        let refused = kit
            .as_(JEN)
            .elevations()
            .create_elevation(ask(justification))
            .await
            .unwrap_err();
        assert_eq!(refused.message(), format!("{wrong}; {must}"));
        let details = refused.get_error_details();
        let metadata = &details.error_info().unwrap().metadata;
        assert_eq!(
            (&*metadata["minLength"], &*metadata["pattern"]),
            ("12", "INC[0-9]{6}")
        );
        let path = format!(
            "/api/pamresources/pamrequests?RoleId={role_id}&Justification={}",
            justification.replace(' ', "+")
        );
        let answer = kit.as_(JEN).post(&path).await;
        assert_eq!(
            (answer.status, said(&answer.body)),
            (403, format!("{wrong}; {must}"))
        );
    }
    let refused = kit
        .as_(EVE)
        .elevations()
        .create_elevation(ask("no ticket"))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (
            Code::PermissionDenied,
            "You may not do this, or there is no such object."
        )
    );
    assert!(
        refused
            .get_error_details()
            .error_info()
            .unwrap()
            .metadata
            .is_empty()
    );

    let filed = kit
        .as_(JEN)
        .elevations()
        .create_elevation(ask("INC123456, please"))
        .await
        .unwrap();
    let approval_id = filed.into_inner().elevation.unwrap().approval_id;
    let decision = ApproveRequest {
        approval_id: approval_id.clone(),
        reason: Some("fine".into()),
    };
    let refused = kit
        .as_(SAM)
        .approvals()
        .approve(decision.clone())
        .await
        .unwrap_err();
    let message =
        "The reason does not match the pattern of the role; it must match the pattern ^Seen.";
    assert_eq!(refused.message(), message);
    assert!(
        kit.as_(EVE)
            .approvals()
            .approve(decision)
            .await
            .unwrap_err()
            .get_error_details()
            .error_info()
            .unwrap()
            .metadata
            .is_empty()
    );
    let request = ExplainApprovalRequest {
        approval_id,
        reason: Some("fine".into()),
    };
    let explained = kit
        .as_(SAM)
        .approvals()
        .explain_approval(request)
        .await
        .unwrap()
        .into_inner()
        .explanation
        .unwrap();
    assert_eq!(explained.approve.unwrap().message, message);
}

#[tokio::test]
async fn the_requester_reads_why_the_request_is_not_theirs_to_decide() {
    let kit = Kit::start().await;
    let approval_id = kit.pending().await.approval_id;
    let request = ExplainApprovalRequest {
        approval_id,
        reason: None,
    };
    for (who, message) in [
        (JEN, "You are the requester, who never decides a request."),
        (ANN, "You may not do this, or there is no such object."),
    ] {
        let answer = kit
            .as_(who)
            .approvals()
            .explain_approval(request.clone())
            .await
            .unwrap()
            .into_inner();
        let explained = answer.explanation.unwrap();
        for outcome in [explained.approve.unwrap(), explained.reject.unwrap()] {
            assert_eq!(
                (outcome.allowed, &*outcome.reason, &*outcome.message),
                (false, "ACCESS_DENIED", message)
            );
        }
    }
}

fn compared(field: &str, operator: Operator, kind: Option<Kind>) -> Comparison {
    let value = kind.map(|kind| Value { kind: Some(kind) });
    Comparison {
        field: field.into(),
        operator: operator.into(),
        value,
    }
}

/// The message of an error of the REST API.
fn said(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["odata.error"]["message"]["value"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn names(refused: &Status, field: &str, message: &str) {
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::InvalidArgument, message)
    );
    let details = refused.get_error_details();
    let violation = &details.bad_request().unwrap().field_violations[0];
    assert_eq!(
        (&*violation.field, &*violation.description),
        (field, message)
    );
}
