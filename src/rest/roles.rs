//! `pamroles`: the roles that the caller may ask for.

use async_trait::async_trait;
use http::request::Parts;
use serde::Serialize;
use tonic::Status;

use super::entity::{MIN_VALUE, seconds};
use super::list::Set;
use super::{Rest, message_of};
use crate::proto::pam::v1::{ListRolesRequest, Role};

/// `GET pamroles`: the roles that the caller may ask for, by display name.
pub(super) struct Roles;

#[async_trait]
impl Set for Roles {
    const NAME: &'static str = "pamroles";
    type Row = RoleRow;

    async fn page(
        rest: &Rest,
        request: &Parts,
        page_size: i32,
        page_token: String,
    ) -> Result<(Vec<RoleRow>, String), Status> {
        let message = ListRolesRequest { page_size, page_token, ..ListRolesRequest::default() };
        let page = rest.roles.list_roles(message_of(request, message)).await?.into_inner();
        Ok((page.roles.into_iter().map(RoleRow::from).collect(), page.next_page_token))
    }
}

/// A row of `pamroles`, its properties in the documented order (`wire.md` 20). Roles have neither an availability window
/// nor a second factor so far, which reads as the original's unset values (`wire.md` B19).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RoleRow {
    role_id: String,
    display_name: String,
    /// Null when there is none, as documented.
    description: Option<String>,
    #[serde(rename = "TTL")]
    ttl: String,
    available_from: &'static str,
    available_to: &'static str,
    #[serde(rename = "MFAEnabled")]
    mfa_enabled: bool,
    approval_enabled: bool,
    availability_window_enabled: bool,
}

impl From<Role> for RoleRow {
    fn from(role: Role) -> Self {
        Self {
            role_id: role.id,
            display_name: role.display_name,
            description: Some(role.description).filter(|description| !description.is_empty()),
            ttl: seconds(role.longest_life),
            available_from: MIN_VALUE,
            available_to: MIN_VALUE,
            mfa_enabled: false,
            approval_enabled: role.approval_required,
            availability_window_enabled: false,
        }
    }
}
