//! `pamroles`: the roles that the caller may request.

use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;
use tonic::Status;

use super::call::{ROOT, message_of};
use crate::proto::pam::v1::role_service_server::RoleService;
use crate::proto::pam::v1::{ListRolesRequest, Role};
use crate::rest::odata::list::{Asked, Page, Set, guid_key};
use crate::rest::odata::model::{Cell, Edm, Property, Source};

/// `GET pamroles`: the roles that the caller may request, by display name (`docs/rest-api.md` 20). An availability
/// window is two times of day without a zone (`docs/rest-api.md` B17 and B19); no role asks for a second factor.
pub struct Roles(pub Arc<dyn RoleService>);

#[async_trait]
impl Set for Roles {
    const ROOT: &'static str = ROOT;
    const NAME: &'static str = "pamroles";
    const TYPE: &'static str = "PamRole";
    const KEY: &'static [&'static str] = &["RoleId"];
    const PROPERTIES: &'static [Property<Role>] = &[
        Property::new("RoleId", Edm::Guid, Source::Field("id"), |role| {
            Cell::text(&role.id)
        }),
        Property::new(
            "DisplayName",
            Edm::String,
            Source::Field("display_name"),
            |role| Cell::text(&role.display_name),
        ),
        Property::nullable(
            "Description",
            Edm::String,
            Source::EmptyIsNull("description"),
            |role| {
                Cell::optional(
                    Some(&*role.description).filter(|description| !description.is_empty()),
                )
            },
        ),
        Property::new("TTL", Edm::Int64, Source::Field("max_duration"), |role| {
            Cell::seconds(role.max_duration)
        }),
        Property::new(
            "AvailableFrom",
            Edm::DateTime,
            Source::TimeOfDay("available_from"),
            |role| Cell::TimeOfDay(&role.available_from),
        ),
        Property::new(
            "AvailableTo",
            Edm::DateTime,
            Source::TimeOfDay("available_to"),
            |role| Cell::TimeOfDay(&role.available_to),
        ),
        Property::new("MFAEnabled", Edm::Boolean, Source::False, |_| {
            Cell::Boolean(false)
        }),
        Property::new(
            "ApprovalEnabled",
            Edm::Boolean,
            Source::Field("approval_required"),
            |role| Cell::Boolean(role.approval_required),
        ),
        Property::new(
            "AvailabilityWindowEnabled",
            Edm::Boolean,
            Source::IsSet("available_to"),
            |role| Cell::Boolean(!role.available_to.is_empty()),
        ),
    ];
    type Row = Role;

    fn address(role: &Role) -> Option<&str> {
        Some(&role.id)
    }

    fn key(role: &Role) -> String {
        guid_key(&role.id)
    }

    async fn page(&self, request: &Parts, asked: Asked) -> Result<Page<Role>, Status> {
        let message = ListRolesRequest {
            page_size: asked.page_size,
            page_token: asked.page_token,
            filter: asked.filter,
            order_by: asked.order_by,
            skip: asked.skip,
            include_total_size: asked.include_total_size,
        };
        let page = self
            .0
            .list_roles(message_of(request, message))
            .await?
            .into_inner();
        // The names are not printed and may be long, so they are not kept until the last page is read.
        let bare = |role| Role {
            candidates: Vec::new(),
            stages: Vec::new(),
            ..role
        };
        let rows = page.roles.into_iter().map(bare).collect();
        Ok(Page {
            rows,
            next_page_token: page.next_page_token,
            total_size: page.total_size,
        })
    }
}
