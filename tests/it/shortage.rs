//! Roles and requests that too few people can decide are reported in every view of them.

use countersign::domain::moment::{Moment, Seconds};
use countersign::proto::pam::v1::{
    CreateElevationRequest, CreateRoleRequest, ExplainApprovalRequest, GetElevationRequest,
    GetRoleRequest, Role, Shortage,
};
use countersign::time::Clock;

use crate::kit::{ANN, JEN, Kit, SAM, principal, replacing, role};

/// An account without a token.
const MISSPELT: &str = "PRIV\\smam";
const NEW: &str = "PRIV\\new";

#[tokio::test]
async fn an_approver_whom_the_directory_does_not_know_is_a_shortage() {
    let kit = Kit::start().await;
    let made = created(&kit, role("SQL", &[MISSPELT], 1)).await;
    assert_eq!(made.1, [short(1, 1, 0)], "CreateRole");
    assert_eq!(read(&kit, &made.0.id).await, [short(1, 1, 0)], "GetRole");
    assert_eq!(undecidable(&kit, &made.0.id).await, [true; 3]);

    let spelt = Role {
        stages: role("SQL", &[SAM], 1).stages,
        ..made.0
    };
    let request = replacing(spelt.clone());
    let updated = kit
        .as_(ANN)
        .roles()
        .update_role(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(updated.shortages, [], "UpdateRole");
    assert_eq!(read(&kit, &spelt.id).await, []);
    assert_eq!(undecidable(&kit, &spelt.id).await, [false; 3]);
}

#[tokio::test]
async fn an_approver_whose_tokens_have_expired_is_a_shortage() {
    let kit = Kit::start().await;
    let (role, shortages) = created(&kit, role("SQL", &[NEW, SAM], 2)).await;
    assert_eq!(shortages, [short(1, 2, 1)]);
    let expires = kit.clock.now().after(Seconds::new(60).unwrap());
    kit.newcomer(NEW, &[], Some(expires));
    assert_eq!(
        (
            read(&kit, &role.id).await,
            undecidable(&kit, &role.id).await
        ),
        (vec![], [false; 3])
    );
    kit.clock.advance(60);
    assert_eq!(
        (
            read(&kit, &role.id).await,
            undecidable(&kit, &role.id).await
        ),
        (vec![short(1, 2, 1)], [true; 3])
    );
    kit.newcomer(NEW, &[], None::<Moment>);
    assert_eq!(
        (
            read(&kit, &role.id).await,
            undecidable(&kit, &role.id).await
        ),
        (vec![], [false; 3])
    );
}

/// A request that only jen herself could decide is reported to her as undecidable.
#[tokio::test]
async fn a_requester_who_is_the_only_approver_is_a_shortage() {
    let kit = Kit::start().await;
    let held = |candidates: &[&str], approvers: &[&str]| Role {
        candidates: candidates.iter().map(|name| principal(name)).collect(),
        ..role("SQL", approvers, 1)
    };
    let owned = |candidates: &[&str]| Role {
        auto_approve_owners: true,
        ..held(candidates, &[JEN])
    };
    let two_stages = Role {
        stages: [held(&[JEN], &[SAM]).stages, held(&[JEN], &[JEN]).stages].concat(),
        ..held(&[JEN], &[SAM])
    };
    for (role, shortages, is_undecidable) in [
        (held(&[JEN], &[JEN]), vec![short(1, 1, 0)], true),
        (held(&[JEN], &[JEN, MISSPELT]), vec![short(1, 1, 0)], true),
        (two_stages, vec![short(2, 1, 0)], true),
        (held(&[JEN, SAM], &[JEN]), vec![], true),
        (held(&[JEN, SAM], &[JEN, SAM]), vec![], false),
        (owned(&[JEN]), vec![], false),
    ] {
        let (role, found) = created(&kit, role).await;
        assert_eq!(found, shortages, "{role:?}");
        assert_eq!(read(&kit, &role.id).await, shortages, "{role:?}");
        if !role.auto_approve_owners {
            assert_eq!(
                undecidable(&kit, &role.id).await,
                [is_undecidable; 3],
                "{role:?}"
            );
        }
    }
}

async fn created(kit: &Kit, role: Role) -> (Role, Vec<Shortage>) {
    let request = CreateRoleRequest { role: Some(role) };
    let answer = kit
        .as_(ANN)
        .roles()
        .create_role(request)
        .await
        .unwrap()
        .into_inner();
    (answer.role.unwrap(), answer.shortages)
}

async fn read(kit: &Kit, role: &str) -> Vec<Shortage> {
    let request = GetRoleRequest {
        role_id: role.to_owned(),
    };
    kit.as_(ANN)
        .roles()
        .get_role(request)
        .await
        .unwrap()
        .into_inner()
        .shortages
}

/// Whether a request of jen's is undecidable, as its filing, GetElevation and ExplainApproval say.
async fn undecidable(kit: &Kit, role: &str) -> [bool; 3] {
    let jen = kit.as_(JEN);
    let request = CreateElevationRequest {
        role_id: role.to_owned(),
        ..CreateElevationRequest::default()
    };
    let filed = jen
        .elevations()
        .create_elevation(request)
        .await
        .unwrap()
        .into_inner();
    let elevation = filed.elevation.unwrap();
    let request = GetElevationRequest {
        elevation_id: elevation.id,
    };
    let read = jen
        .elevations()
        .get_elevation(request)
        .await
        .unwrap()
        .into_inner();
    let request = ExplainApprovalRequest {
        approval_id: elevation.approval_id,
        reason: None,
    };
    let explained = jen
        .approvals()
        .explain_approval(request)
        .await
        .unwrap()
        .into_inner()
        .explanation
        .unwrap();
    assert_eq!(
        explained.stages.iter().any(|stage| stage.insufficient),
        explained.undecidable
    );
    [filed.undecidable, read.undecidable, explained.undecidable]
}

fn short(stage: u32, required_approvals: u32, available: u32) -> Shortage {
    Shortage {
        stage,
        required_approvals,
        available,
    }
}
