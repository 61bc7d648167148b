//! Messages of the contract.

use countersign::proto::pam::v1::principal::Kind;
use countersign::proto::pam::v1::{Principal, Role, Stage, UpdateRoleRequest};
use prost_types::{Duration, FieldMask};
use tonic::Status;
use tonic_types::StatusExt;

use super::JEN;

/// Returns a role whose maximum duration is an hour.
pub fn role(display_name: &str, approvers: &[&str], required_approvals: u32) -> Role {
    let stage = Stage {
        approvers: approvers
            .iter()
            .map(|approver| principal(approver))
            .collect(),
        required_approvals,
    };
    Role {
        display_name: display_name.to_owned(),
        description: "Read access to the files of the SQL servers.".to_owned(),
        max_duration: Some(Duration {
            seconds: 3_600,
            nanos: 0,
        }),
        candidates: vec![principal(JEN), principal("group:SQL Users")],
        approval_required: required_approvals > 0,
        stages: if required_approvals > 0 {
            vec![stage]
        } else {
            vec![]
        },
        ..Role::default()
    }
}

/// Returns a request that replaces a role as a whole.
pub fn replacing(role: Role) -> UpdateRoleRequest {
    let everything = FieldMask {
        paths: vec!["*".to_owned()],
    };
    UpdateRoleRequest {
        role: Some(role),
        update_mask: Some(everything),
    }
}

/// Returns an account, or a group if the name begins with `group:`.
pub fn principal(name: &str) -> Principal {
    let kind = match name.strip_prefix("group:") {
        Some(group) => Kind::Group(group.to_owned()),
        None => Kind::Account(name.to_owned()),
    };
    Principal { kind: Some(kind) }
}

/// Returns the reason of a refusal.
pub fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .expect("an ErrorInfo")
        .reason
        .clone()
}
