//! `pamroles`: the roles that the caller may request.

use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;
use tonic::Status;

use super::call::{ROOT, message_of};
use crate::proto::pam::v1::role_service_server::RoleService;
use crate::proto::pam::v1::{ListRolesRequest, Role};
use crate::rest::odata::model::{Cell, Edm, Property, Source};
use crate::rest::odata::set::{Page, PageRequest, Set, guid_key};

/// `GET pamroles`: the roles that the caller may request, by display name (`docs/rest-api.md` 20). An availability
/// window is two times of day without a zone (`docs/rest-api.md` B17 and B19); no role asks for a second factor.
pub struct Roles(pub Arc<dyn RoleService>);

#[async_trait]
impl Set for Roles {
    const ROOT: &'static str = ROOT;
    const NAME: &'static str = "pamroles";
    const TYPE: &'static str = "PAM.PamRole";
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
            |role| match &*role.description {
                "" => Cell::optional(None),
                description => Cell::text(description),
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

    async fn page(&self, request: &Parts, page: PageRequest) -> Result<Page<Role>, Status> {
        let message = ListRolesRequest {
            page_size: page.page_size,
            page_token: page.page_token,
            filter: page.filter,
            order_by: page.order_by,
            skip: page.skip,
            include_total_size: page.include_total_size,
        };
        let page = self
            .0
            .list_roles(message_of(request, message))
            .await?
            .into_inner();
        // The names are not printed and may be long, so they are not kept until the last page is read.
        let mut rows = page.roles;
        for role in &mut rows {
            role.candidates = Vec::new();
            role.stages = Vec::new();
        }
        Ok(Page {
            rows,
            next_page_token: page.next_page_token,
            total_size: page.total_size,
        })
    }
}
