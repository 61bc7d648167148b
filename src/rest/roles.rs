//! `pamroles`: the roles that the caller may ask for.

use async_trait::async_trait;
use http::request::Parts;
use tonic::Status;

use super::list::{Asked, Page, Set};
use super::model::{Cell, Edm, Property, Source};
use super::{Rest, message_of};
use crate::proto::pam::v1::{ListRolesRequest, Role};

/// `GET pamroles`: the roles that the caller may ask for, by display name (`wire.md` 20). Roles have neither an
/// availability window nor a second factor so far, which reads as the original's unset values (`wire.md` B19).
pub(super) struct Roles;

#[async_trait]
impl Set for Roles {
    const NAME: &'static str = "pamroles";
    const TYPE: &'static str = "PamRole";
    const KEY: &'static [&'static str] = &["RoleId"];
    const PROPERTIES: &'static [Property<Role>] = &[
        Property::new("RoleId", Edm::Guid, Source::Field("id"), |role| Cell::text(&role.id)),
        Property::new("DisplayName", Edm::String, Source::Field("display_name"), |role| {
            Cell::text(&role.display_name)
        }),
        Property::nullable("Description", Edm::String, Source::EmptyIsNull("description"), |role| {
            Cell::optional(Some(&*role.description).filter(|description| !description.is_empty()))
        }),
        Property::new("TTL", Edm::Int64, Source::Field("longest_life"), |role| {
            Cell::seconds(role.longest_life)
        }),
        Property::new("AvailableFrom", Edm::DateTime, Source::NoMoment, |_| Cell::Moment(None)),
        Property::new("AvailableTo", Edm::DateTime, Source::NoMoment, |_| Cell::Moment(None)),
        Property::new("MFAEnabled", Edm::Boolean, Source::False, |_| Cell::Boolean(false)),
        Property::new("ApprovalEnabled", Edm::Boolean, Source::Field("approval_required"), |role| {
            Cell::Boolean(role.approval_required)
        }),
        Property::new("AvailabilityWindowEnabled", Edm::Boolean, Source::False, |_| Cell::Boolean(false)),
    ];
    type Row = Role;

    async fn page(rest: &Rest, request: &Parts, asked: Asked) -> Result<Page<Role>, Status> {
        let message = ListRolesRequest {
            page_size: asked.page_size,
            page_token: asked.page_token,
            filter: asked.filter,
            order_by: asked.order_by,
            skip: asked.skip,
            include_total_size: asked.include_total_size,
        };
        let page = rest.roles.list_roles(message_of(request, message)).await?.into_inner();
        Ok(Page { rows: page.roles, next_page_token: page.next_page_token, total_size: page.total_size })
    }
}
