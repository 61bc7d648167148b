//! UpdateRole changes the fields that its mask selects, and nothing else.

use countersign::proto::pam::v1::{GetRoleRequest, ReasonRule, Role, Stage, UpdateRoleRequest};
use prost_types::{Duration, FieldMask};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::kit::{ANN, EVE, KIM, Kit, SAM, principal, replacing, role};

fn masked(role: &Role, paths: &[&str]) -> UpdateRoleRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    UpdateRoleRequest {
        role: Some(role.clone()),
        update_mask: Some(FieldMask { paths }),
    }
}

async fn update(kit: &Kit, request: UpdateRoleRequest) -> Result<Role, Status> {
    let response = kit
        .as_(ANN)
        .roles()
        .update_role(request)
        .await?
        .into_inner();
    Ok(response.role.expect("a role"))
}

async fn get(kit: &Kit, id: &str) -> Role {
    let request = GetRoleRequest { role_id: id.into() };
    let response = kit
        .as_(ANN)
        .roles()
        .get_role(request)
        .await
        .expect("a role");
    response.into_inner().role.expect("a role")
}

fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .expect("an ErrorInfo")
        .reason
        .clone()
}

fn field(status: &Status) -> String {
    let details = status.get_error_details();
    details
        .bad_request()
        .expect("a BadRequest")
        .field_violations[0]
        .field
        .clone()
}

/// A role that differs from [`stored`] in every field that a mask can select.
fn changed(stored: &Role) -> Role {
    Role {
        display_name: "SQL Owners".into(),
        description: "For the owners.".into(),
        max_duration: Some(Duration {
            seconds: 120,
            nanos: 0,
        }),
        candidates: vec![principal(KIM)],
        stages: vec![Stage {
            approvers: vec![principal(SAM)],
            required_approvals: 1,
        }],
        auto_approve_owners: true,
        pending_timeout: Some(Duration {
            seconds: 600,
            nanos: 0,
        }),
        available_from: "08:00".into(),
        available_to: "18:00".into(),
        justification_rule: Some(ReasonRule {
            required: true,
            min_length: 3,
            pattern: "a".into(),
        }),
        decision_reason_rule: Some(ReasonRule {
            required: true,
            min_length: 4,
            pattern: "b".into(),
        }),
        ..stored.clone()
    }
}

/// Changes a stored role as an update with new values is expected to do.
type Expectation = fn(&mut Role, Role);

/// Returns a role of its own for each step, with two approvers.
async fn stored(kit: &Kit, name: &str) -> Role {
    let old = ReasonRule {
        required: false,
        min_length: 1,
        pattern: "old".into(),
    };
    let request = Role {
        description: "Old.".into(),
        justification_rule: Some(old),
        ..role(name, &[SAM, KIM], 2)
    };
    kit.as_(ANN).create_role(request).await.expect("a role")
}

#[tokio::test]
async fn a_mask_changes_its_fields_and_no_others() {
    let kit = Kit::start().await;
    let table: [(&[&str], Expectation); 12] = [
        (&["display_name"], |to, new| {
            to.display_name = new.display_name
        }),
        (&["description"], |to, new| to.description = new.description),
        (&["max_duration"], |to, new| {
            to.max_duration = new.max_duration
        }),
        (&["candidates"], |to, new| to.candidates = new.candidates),
        (&["stages"], |to, new| to.stages = new.stages),
        (&["auto_approve_owners"], |to, _| {
            to.auto_approve_owners = true
        }),
        (&["pending_timeout"], |to, new| {
            to.pending_timeout = new.pending_timeout
        }),
        (&["available_from", "available_to"], |to, new| {
            to.available_from = new.available_from;
            to.available_to = new.available_to;
        }),
        (&["justification_rule"], |to, new| {
            to.justification_rule = new.justification_rule
        }),
        (&["justification_rule.required"], |to, _| {
            to.justification_rule
                .as_mut()
                .expect("the old rule")
                .required = true;
        }),
        (&["decision_reason_rule.pattern"], |to, _| {
            let pattern = "b".into();
            to.decision_reason_rule = Some(ReasonRule {
                pattern,
                ..ReasonRule::default()
            });
        }),
        (&["id", "revision", "description"], |to, new| {
            to.description = new.description
        }),
    ];
    for (number, (paths, expected)) in table.into_iter().enumerate() {
        let stored = stored(&kit, &format!("SQL {number}")).await;
        let new = changed(&stored);
        let mut expectation = Role {
            revision: 2,
            ..stored.clone()
        };
        expected(&mut expectation, new.clone());
        assert_eq!(
            update(&kit, masked(&new, paths)).await.unwrap(),
            expectation,
            "{paths:?}"
        );
        assert_eq!(get(&kit, &stored.id).await, expectation, "{paths:?}");
    }
}

#[tokio::test]
async fn without_a_mask_the_fields_that_are_set_change() {
    let kit = Kit::start().await;
    let stored = stored(&kit, "SQL").await;
    let (id, revision) = (stored.id.clone(), stored.revision);
    let new = Role {
        id,
        revision,
        description: "New.".into(),
        ..Role::default()
    };
    let expected = Role {
        revision: 2,
        description: "New.".into(),
        ..stored
    };
    let request = UpdateRoleRequest {
        role: Some(new),
        update_mask: None,
    };
    assert_eq!(update(&kit, request).await.unwrap(), expected);
    let new = Role {
        revision: 2,
        display_name: "Renamed".into(),
        ..expected.clone()
    };
    let expected = Role {
        revision: 3,
        display_name: "Renamed".into(),
        ..expected
    };
    assert_eq!(update(&kit, masked(&new, &[])).await.unwrap(), expected);
}

#[tokio::test]
async fn a_field_without_a_value_is_cleared_only_by_the_mask() {
    let kit = Kit::start().await;
    let stored = stored(&kit, "SQL").await;
    let empty = Role {
        id: stored.id.clone(),
        revision: stored.revision,
        ..Role::default()
    };
    let updated = update(&kit, masked(&empty, &["description", "justification_rule"])).await;
    let expected = Role {
        revision: 2,
        description: String::new(),
        justification_rule: None,
        ..stored.clone()
    };
    assert_eq!(updated.unwrap(), expected);
    let empty = Role {
        revision: 2,
        ..empty
    };
    for required in ["display_name", "max_duration", "candidates"] {
        let refused = update(&kit, masked(&empty, &[required])).await.unwrap_err();
        assert_eq!(field(&refused), format!("role.{required}"));
    }
    let refused = update(&kit, replacing(empty)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn approval_is_dropped_by_both_of_its_fields_only() {
    let kit = Kit::start().await;
    let stored = stored(&kit, "SQL").await;
    let open = Role {
        approval_required: false,
        stages: vec![],
        ..stored.clone()
    };
    for paths in [&["approval_required"][..], &["stages"]] {
        let refused = update(&kit, masked(&open, paths)).await.unwrap_err();
        assert_eq!(field(&refused), "role.stages", "{paths:?}");
    }
    let unset = UpdateRoleRequest {
        role: Some(open.clone()),
        update_mask: None,
    };
    let kept = update(&kit, unset).await.unwrap();
    assert_eq!((kept.approval_required, kept.stages), (true, stored.stages));
    let open = Role {
        revision: 2,
        ..open
    };
    let updated = update(&kit, masked(&open, &["stages", "approval_required"]))
        .await
        .unwrap();
    assert_eq!((updated.approval_required, updated.stages), (false, vec![]));
}

#[tokio::test]
async fn a_mask_of_every_field_is_a_replacement() {
    let kit = Kit::start().await;
    let [one, two] = [stored(&kit, "SQL 1").await, stored(&kit, "SQL 2").await];
    let every = [
        "display_name",
        "description",
        "max_duration",
        "candidates",
        "approval_required",
        "stages",
        "auto_approve_owners",
        "pending_timeout",
        "available_from",
        "available_to",
        "justification_rule",
        "decision_reason_rule",
    ];
    let masked = update(&kit, masked(&changed(&one), &every)).await.unwrap();
    let replaced = update(&kit, replacing(changed(&two))).await.unwrap();
    assert_eq!(
        masked,
        Role {
            id: one.id,
            ..replaced
        }
    );
}

#[tokio::test]
async fn eve_cannot_use_a_mask_to_cheat() {
    let kit = Kit::start().await;
    let role = stored(&kit, "SQL").await;
    let other = stored(&kit, "Other").await;
    // An administrator cannot move a role to another id, nor choose its revision.
    let renamed = Role {
        id: other.id.clone(),
        description: "Mine.".into(),
        ..role.clone()
    };
    let updated = update(&kit, masked(&renamed, &["id", "description"]))
        .await
        .unwrap();
    assert_eq!((&updated.id, &*updated.display_name), (&other.id, "Other"));
    let ahead = Role {
        revision: 9,
        ..role.clone()
    };
    for paths in [&["revision"][..], &["description"], &["*"], &[]] {
        let refused = update(&kit, masked(&ahead, paths)).await.unwrap_err();
        assert_eq!(reason(&refused), "ROLE_CHANGED", "{paths:?}");
    }
    let unknown = Role {
        id: "5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143".into(),
        ..role.clone()
    };
    for paths in [&["description"][..], &["*"], &[]] {
        let refused = update(&kit, masked(&unknown, paths)).await.unwrap_err();
        assert_eq!(reason(&refused), "ACCESS_DENIED", "{paths:?}");
    }
    for wrong in [
        "stages.approvers",
        "stages[0].approvers",
        "candidates.account",
        "",
        "secret",
    ] {
        let refused = update(&kit, masked(&role, &["description", wrong]))
            .await
            .unwrap_err();
        assert_eq!(field(&refused), "update_mask.paths[1]");
        assert!(
            wrong.is_empty() || !refused.message().contains(wrong),
            "{}",
            refused.message()
        );
    }
    let stronger = Role {
        mfa_required: true,
        ..role.clone()
    };
    let refused = update(&kit, masked(&stronger, &["mfa_required"]))
        .await
        .unwrap_err();
    assert_eq!(field(&refused), "role.mfa_required");
    // Eve is no administrator, and learns nothing from her masks.
    for paths in [&["description"][..], &["*"], &["stages.approvers"], &[]] {
        let refused = kit
            .as_(EVE)
            .roles()
            .update_role(masked(&role, paths))
            .await
            .unwrap_err();
        assert_eq!(reason(&refused), "ACCESS_DENIED", "{paths:?}");
    }
    assert_eq!(get(&kit, &role.id).await, role);
}
