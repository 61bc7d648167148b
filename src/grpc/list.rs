//! Lists: filters, orders and page tokens of messages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use sha2::{Digest, Sha256};

use super::convert::uuid;
use crate::domain::caller::Caller;
use crate::domain::elevation::Status;
use crate::domain::error::Error;
use crate::domain::event::Channel;
use crate::domain::moment::{Moment, Seconds};
use crate::domain::query::{
    Comparison, ElevationField, Field, Operator, Order, Page, Query, RoleField, Snapshot, Type,
    Value,
};
use crate::proto::pam::v1::{
    self, ListAllRolesRequest, ListApprovalsRequest, ListElevationsRequest, ListRolesRequest,
    value::Kind,
};

/// A request for a list.
pub(super) trait ListRequest: Message {
    /// What all of them have in common, taken out of the request.
    fn take(&mut self) -> Parts;
}

/// What all requests for lists have in common.
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

/// The query of a request, whose list knows those fields.
pub(super) fn query<R: ListRequest, F: Field>(
    mut request: R,
    fields: &[(&str, F)],
    caller: &Caller,
) -> Result<(Query<F>, Listing), Error> {
    let parts = request.take();
    let listing = Listing::of(&request, caller);
    let (offset, snapshot) = match &*parts.page_token {
        "" => (skipped(parts.skip)?, None),
        token => {
            let position = Position::parse(token).filter(|position| position.listing == listing);
            let position = position.ok_or_else(|| {
                Error::invalid("The page token is not one of this list.").in_field("page_token")
            })?;
            (position.offset, Some(position.snapshot))
        }
    };
    let query = Query {
        filter: filter(parts.filter, fields)?,
        order: order(&parts.order_by, fields)?,
        offset,
        limit: limit(parts.page_size)?,
        count: parts.include_total_size,
        snapshot,
    };
    Ok((query, listing))
}

/// Tells a list from every other: of the caller and of all that was asked, but for the page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Listing {
    fingerprint: [u8; 8],
}

impl Listing {
    /// The list that a request asks for, which has lost its page.
    fn of<R: ListRequest>(request: &R, caller: &Caller) -> Self {
        let mut bytes = caller.account.id.0.into_bytes().to_vec();
        bytes.extend(std::any::type_name::<R>().bytes());
        request
            .encode(&mut bytes)
            .expect("a vector grows to what is written");
        let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(Sha256::digest(&bytes));
        Self {
            fingerprint: [a, b, c, d, e, f, g, h],
        }
    }

    /// The token of the page after this one; empty when there is none.
    pub(super) fn next_page_token<T>(self, offset: u64, page: &Page<T>) -> String {
        if !page.more {
            return String::new();
        }
        let offset = offset + page.items.len() as u64;
        Position {
            listing: self,
            offset,
            snapshot: page.snapshot,
        }
        .print()
    }
}

/// Where a page begins. It is opaque, not secret: rights are checked for every page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Position {
    listing: Listing,
    offset: u64,
    snapshot: Snapshot,
}

impl Position {
    fn print(self) -> String {
        let mut bytes = self.listing.fingerprint.to_vec();
        bytes.extend(self.offset.to_be_bytes());
        bytes.extend(self.snapshot.sequence.to_be_bytes());
        bytes.extend(self.snapshot.now.ticks().to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn parse(token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (fingerprint, rest) = bytes.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let position = Self {
            listing: Listing {
                fingerprint: *fingerprint,
            },
            offset: u64::from_be_bytes(*offset),
            snapshot: Snapshot {
                now: Moment::from_given_ticks(i64::from_be_bytes(rest.try_into().ok()?)).ok()?,
                sequence: u64::from_be_bytes(*sequence),
            },
        };
        (position.offset <= i64::MAX.cast_unsigned()).then_some(position)
    }
}

fn limit(page_size: i32) -> Result<u32, Error> {
    match u32::try_from(page_size) {
        Ok(0) => Ok(DEFAULT_PAGE_SIZE),
        Ok(size) => Ok(size.min(LARGEST_PAGE_SIZE)),
        Err(_) => Err(Error::invalid("A page size is not negative.").in_field("page_size")),
    }
}

fn skipped(skip: i32) -> Result<u64, Error> {
    let skip = u64::try_from(skip)
        .ok()
        .filter(|skip| *skip <= MOST_SKIPPED);
    skip.ok_or_else(|| Error::invalid("What is skipped is 0 to 1,000,000.").in_field("skip"))
}

fn order<F: Field>(keys: &[v1::OrderBy], fields: &[(&str, F)]) -> Result<Vec<Order<F>>, Error> {
    if keys.len() > MOST_KEYS {
        return Err(Error::invalid("An order has at most 4 keys.").in_field("order_by"));
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
        return Err(Error::invalid("A filter has at most 32 comparisons.").in_field("filter"));
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

/// The value of a comparison, of a field that holds that.
fn value(holds: Type, kind: Kind) -> Result<Value, Error> {
    Ok(match kind {
        Kind::BoolValue(value) => Value::Bool(value),
        Kind::DurationValue(value) => Value::Duration(Seconds::try_from(value)?),
        Kind::IdValue(value) => Value::Id(uuid(&value, "value")?),
        Kind::NullValue(_) => Value::Null,
        Kind::StringValue(value) => named(holds, value)?,
        Kind::TimestampValue(value) => Value::Moment(value.try_into()?),
    })
}

/// A text, or the value of an enum that it names.
fn named(holds: Type, name: String) -> Result<Value, Error> {
    let value = match holds {
        Type::Channel => v1::CreationMethod::from_str_name(&name)
            .and_then(channel)
            .map(Value::Channel),
        Type::Status => v1::ElevationStatus::from_str_name(&name)
            .and_then(status)
            .map(Value::Status),
        _ => Some(Value::Text(name)),
    };
    value.ok_or_else(|| Error::invalid("The field has no value of that name."))
}

fn channel(method: v1::CreationMethod) -> Option<Channel> {
    match method {
        v1::CreationMethod::Grpc => Some(Channel::Grpc),
        v1::CreationMethod::PamWebApi => Some(Channel::PamWebApi),
        v1::CreationMethod::Unspecified => None,
    }
}

fn status(status: v1::ElevationStatus) -> Option<Status> {
    match status {
        v1::ElevationStatus::Active => Some(Status::Active),
        v1::ElevationStatus::Closed => Some(Status::Closed),
        v1::ElevationStatus::Expired => Some(Status::Expired),
        v1::ElevationStatus::PendingApproval => Some(Status::PendingApproval),
        v1::ElevationStatus::Rejected => Some(Status::Rejected),
        v1::ElevationStatus::Scheduled => Some(Status::Scheduled),
        v1::ElevationStatus::Unspecified => None,
    }
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

    #[test]
    fn a_position_survives_its_token() {
        let position = Position {
            listing: Listing {
                fingerprint: *b"12345678",
            },
            offset: 1_000,
            snapshot: Snapshot {
                now: Moment::from_ticks(-5),
                sequence: 7,
            },
        };
        assert_eq!(Position::parse(&position.print()), Some(position));
        let snapshot = Snapshot {
            now: Moment::from_ticks(i64::MAX),
            sequence: 7,
        };
        let never = Position {
            snapshot,
            ..position
        };
        for bad in [
            "x",
            "AAAA",
            &position.print()[1..],
            &format!("{}AAAA", position.print()),
            &never.print(),
        ] {
            assert_eq!(Position::parse(bad), None, "{bad}");
        }
    }

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
