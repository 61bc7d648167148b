//! Lists: filters and orders of messages.

mod token;
mod value;

use prost::Message;

use crate::domain::caller::Caller;
use crate::domain::error::Error;
use crate::domain::query::{Comparison, ElevationField, Field, Operator, Order, Query, RoleField};
use crate::proto::pam::v1::{
    self, ListAllRolesRequest, ListApprovalsRequest, ListElevationsRequest, ListRolesRequest,
};
pub(super) use token::Listing;
use value::value;

/// A request for a list.
pub(super) trait ListRequest: Message {
    /// The full name of the message.
    const NAME: &'static str;

    /// Takes the size and the token of the page out of the request, and copies the other fields.
    fn take(&mut self) -> Parts;
}

/// The fields that all requests for lists have.
pub(super) struct Parts {
    page_size: i32,
    page_token: String,
    filter: Vec<v1::Comparison>,
    order_by: Vec<v1::OrderBy>,
    skip: i32,
    include_total_size: bool,
}

macro_rules! list_requests {
    ($($request:ident)*) => {$(
        impl ListRequest for $request {
            const NAME: &'static str = concat!("pam.v1.", stringify!($request));

            fn take(&mut self) -> Parts {
                Parts {
                    page_size: std::mem::take(&mut self.page_size),
                    page_token: std::mem::take(&mut self.page_token),
                    filter: self.filter.clone(),
                    order_by: self.order_by.clone(),
                    skip: self.skip,
                    include_total_size: self.include_total_size,
                }
            }
        }
    )*};
}

list_requests! { ListAllRolesRequest ListApprovalsRequest ListElevationsRequest ListRolesRequest }

/// Returns the query of a request for a list with these fields.
pub(super) fn query<R: ListRequest, F: Field>(
    mut request: R,
    fields: &[(&str, F)],
    caller: &Caller,
) -> Result<(Query<F>, Listing<F>), Error> {
    let parts = request.take();
    let order = order(&parts.order_by, fields)?;
    let listing = Listing::of(R::NAME, &request, caller, order.clone());
    let skip = skipped(parts.skip)?;
    let after = listing.position(&parts.page_token)?;
    let query = Query {
        filter: filter(parts.filter, fields)?,
        order,
        // Rows are skipped once, on the first page.
        offset: if after.is_none() { skip } else { 0 },
        after,
        limit: limit(parts.page_size)?,
        count: parts.include_total_size,
    };
    Ok((query, listing))
}

fn limit(page_size: i32) -> Result<u32, Error> {
    match u32::try_from(page_size) {
        Ok(0) => Ok(DEFAULT_PAGE_SIZE),
        Ok(size) => Ok(size.min(LARGEST_PAGE_SIZE)),
        Err(_) => Err(Error::invalid("must not be negative.").in_field("page_size")),
    }
}

fn skipped(skip: i32) -> Result<u64, Error> {
    let skip = u64::try_from(skip)
        .ok()
        .filter(|skip| *skip <= MOST_SKIPPED);
    skip.ok_or_else(|| Error::invalid("must be from 0 to 1,000,000.").in_field("skip"))
}

fn order<F: Field>(keys: &[v1::OrderBy], fields: &[(&str, F)]) -> Result<Vec<Order<F>>, Error> {
    if keys.len() > MOST_KEYS {
        return Err(Error::invalid("must have at most 4 keys.").in_field("order_by"));
    }
    let keys = keys.iter().enumerate().map(|(index, key)| {
        let field = field(&key.field, fields).map_err(|error| error.at("order_by", index))?;
        Ok(Order {
            field,
            descending: key.descending,
        })
    });
    keys.collect()
}

fn filter<F: Field>(
    comparisons: Vec<v1::Comparison>,
    fields: &[(&str, F)],
) -> Result<Vec<Comparison<F>>, Error> {
    if comparisons.len() > MOST_COMPARISONS {
        return Err(Error::invalid("must have at most 32 comparisons.").in_field("filter"));
    }
    let comparisons = comparisons
        .into_iter()
        .enumerate()
        .map(|(index, compared)| {
            comparison(compared, fields).map_err(|error| error.at("filter", index))
        });
    comparisons.collect()
}

fn comparison<F: Field>(
    comparison: v1::Comparison,
    fields: &[(&str, F)],
) -> Result<Comparison<F>, Error> {
    let operator = match comparison.operator() {
        v1::Operator::Eq => Operator::Eq,
        v1::Operator::Ge => Operator::Ge,
        v1::Operator::Gt => Operator::Gt,
        v1::Operator::Le => Operator::Le,
        v1::Operator::Lt => Operator::Lt,
        v1::Operator::Ne => Operator::Ne,
        v1::Operator::Unspecified => return Err(Error::required("operator")),
    };
    let field = field(&comparison.field, fields)?;
    let kind = comparison
        .value
        .and_then(|value| value.kind)
        .ok_or_else(|| Error::required("value"))?;
    value(field.holds(), kind)
        .and_then(|value| Comparison::new(field, operator, value))
        .map_err(|error| error.in_field("value"))
}

fn field<F: Field>(name: &str, fields: &[(&str, F)]) -> Result<F, Error> {
    let field = fields.iter().find(|(known, _)| *known == name);
    match field {
        Some((_, field)) => Ok(*field),
        None if name.is_empty() => Err(Error::required("field")),
        None => Err(Error::invalid(
            "must be a field that the list can be filtered and ordered by.",
        )
        .in_field("field")),
    }
}

/// The fields of an approval that lists can be filtered and ordered by.
pub(super) const APPROVAL_FIELDS: [(&str, ElevationField); 13] = [
    ("elevation_id", ElevationField::ElevationId),
    ("create_time", ElevationField::CreateTime),
    ("fim_request_id", ElevationField::FimRequestId),
    ("id", ElevationField::ApprovalId),
    ("justification", ElevationField::Justification),
    ("pending_expire_time", ElevationField::PendingExpireTime),
    ("requested_duration", ElevationField::RequestedDuration),
    ("requested_start_time", ElevationField::RequestedStartTime),
    ("requester.id", ElevationField::RequesterId),
    ("requester.name", ElevationField::RequesterName),
    ("requester.user", ElevationField::RequesterUser),
    ("role_display_name", ElevationField::RoleDisplayName),
    ("role_id", ElevationField::RoleId),
];

/// The fields of an elevation that lists can be filtered and ordered by.
pub(super) const ELEVATION_FIELDS: [(&str, ElevationField); 13] = [
    ("activate_time", ElevationField::ActivateTime),
    ("approval_id", ElevationField::ApprovalId),
    ("creation_method", ElevationField::Channel),
    ("expire_time", ElevationField::ExpireTime),
    ("create_time", ElevationField::CreateTime),
    ("id", ElevationField::ElevationId),
    ("justification", ElevationField::Justification),
    ("requested_duration", ElevationField::RequestedDuration),
    ("requested_start_time", ElevationField::RequestedStartTime),
    ("requester.id", ElevationField::RequesterId),
    ("role_display_name", ElevationField::RoleDisplayName),
    ("role_id", ElevationField::RoleId),
    ("status", ElevationField::Status),
];

/// The fields of a role that lists can be filtered and ordered by.
pub(super) const ROLE_FIELDS: [(&str, RoleField); 7] = [
    ("approval_required", RoleField::ApprovalRequired),
    ("available_from", RoleField::AvailableFrom),
    ("available_to", RoleField::AvailableTo),
    ("description", RoleField::Description),
    ("display_name", RoleField::DisplayName),
    ("id", RoleField::Id),
    ("max_duration", RoleField::MaxDuration),
];
const DEFAULT_PAGE_SIZE: u32 = 100;
const LARGEST_PAGE_SIZE: u32 = 1_000;
const MOST_COMPARISONS: usize = 32;
const MOST_KEYS: usize = 4;
const MOST_SKIPPED: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::pam::v1::value::Kind;

    #[test]
    fn page_sizes_have_a_default_and_a_top() {
        for (asked, limit) in [(0, 100), (1, 1), (1_000, 1_000), (1_001, 1_000)] {
            assert_eq!(super::limit(asked).unwrap(), limit);
        }
        assert!(limit(-1).is_err());
    }

    #[test]
    fn a_text_to_compare_with_has_no_nul() {
        let is_taken = |text: &str| {
            let value = Some(v1::Value {
                kind: Some(Kind::StringValue(text.to_owned())),
            });
            let operator = v1::Operator::Ne.into();
            let ticket = v1::Comparison {
                field: "justification".to_owned(),
                operator,
                value,
            };
            comparison(ticket, &APPROVAL_FIELDS).is_ok()
        };
        assert!(is_taken("Ticket\u{1} 4711"));
        assert!(!is_taken("Ticket\0 4711"));
    }
}
