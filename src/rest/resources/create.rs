//! `POST pamrequests`: requests a role, as a form, in the query or as JSON (`docs/rest-api.md` 65 to 81).

use axum::body::Body;
use axum::response::Response;
use http::header::LOCATION;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use jiff::tz::TimeZone;
use prost_types::{Duration, Timestamp};
use tonic::Status;

use super::call::{ROOT, message_of};
use super::fields::{self, Fields};
use super::requests::{CREATION_TIME, REQUESTED_TIME, Requests};
use crate::errors::Error;
use crate::proto::pam::v1::{CreateElevationRequest, Elevation};
use crate::rest::odata::address::base_url;
use crate::rest::odata::body::collected;
use crate::rest::odata::date::parse_moment;
use crate::rest::odata::document::answer;
use crate::rest::odata::entity::Entity;
use crate::rest::odata::format::Format;
use crate::rest::odata::list::{Single, entity};
use crate::rest::odata::literal::guid;
use crate::rest::odata::model::Cell;
use crate::rest::odata::moment::{local_time, precise_utc};
use crate::rest::odata::query::action_format;
use crate::rest::odata::set::Set;

impl Requests {
    /// Files a request, or gives a role up if the TTL is 0. Returns 201 with the request and its address.
    pub async fn create(
        &self,
        request: &Parts,
        body: Body,
        zone: &TimeZone,
    ) -> Result<Response, Status> {
        let format = action_format(request.uri.query())?;
        let base = base_url(request, ROOT)?;
        let body = collected(body).await?;
        let message = message(Fields::read(request, &body)?, zone)?;
        let elevation = self
            .0
            .create_elevation(message_of(request, message))
            .await?;
        let elevation = elevation.into_inner().elevation.unwrap_or_default();
        let location = format!("{base}pamrequests(guid'{}')", elevation.id);
        let location = HeaderValue::try_from(location).map_err(Error::internal)?;
        let format = Format::of(format.as_deref(), &request.headers);
        let mut response = if wants_no_content(request) {
            no_content()
        } else {
            let created = created(&elevation, &base, format, zone);
            answer(
                StatusCode::CREATED,
                format,
                &Single::of::<Requests>(&base, created),
            )
        };
        // OData requires it if there is no body. The documented JSON responses do not have it.
        if response.status() == StatusCode::NO_CONTENT || matches!(format, Format::Atom(_)) {
            response
                .headers_mut()
                .insert(DATA_SERVICE_ID, location.clone());
        }
        response.headers_mut().insert(LOCATION, location);
        Ok(response)
    }
}

/// Returns the row of the response to its creation: the creation in local time, the requested start with all digits
/// (`docs/rest-api.md` B36, A8).
fn created<'a>(
    elevation: &'a Elevation,
    base: &str,
    format: Format,
    zone: &TimeZone,
) -> Entity<'a> {
    let properties: Vec<_> = Requests::PROPERTIES.iter().collect();
    let mut row = entity::<Requests>(elevation, base, &properties, format);
    for (column, cell) in &mut row.cells {
        match (column.name, &cell) {
            _ if format.counts_milliseconds() => {}
            (CREATION_TIME, Cell::Moment(time)) => {
                *cell = Cell::Text(Some(local_time(*time, zone).into()))
            }
            (REQUESTED_TIME, Cell::Moment(time)) => {
                *cell = Cell::Text(Some(precise_utc(*time).into()))
            }
            _ => {}
        }
    }
    row
}

/// Converts the fields of a creation to a message.
fn message(mut fields: Fields, zone: &TimeZone) -> Result<CreateElevationRequest, Error> {
    let ttl = match given(fields.take(fields::REQUESTED_TTL)) {
        Some(ttl) => Some(seconds(&ttl)?),
        None => None,
    };
    let start = match given(fields.take(fields::REQUESTED_TIME)) {
        Some(time) => Some(
            parse_moment(&time, zone).map_err(|error| error.in_field(fields::REQUESTED_TIME))?,
        ),
        None => None,
    };
    Ok(CreateElevationRequest {
        role_id: role_id(given(fields.take(fields::ROLE_ID)))?,
        duration: ttl.map(|seconds| Duration { seconds, nanos: 0 }),
        justification: fields.take(fields::JUSTIFICATION),
        requested_start_time: start.map(Timestamp::from),
        ..CreateElevationRequest::default()
    })
}

/// Returns the id of a role in the form of the contract.
fn role_id(text: Option<String>) -> Result<String, Error> {
    match text {
        Some(text) if guid(&text).is_some() => Ok(text),
        Some(_) => {
            Err(Error::invalid("RoleId must be a GUID with its hyphens.").in_field(fields::ROLE_ID))
        }
        None => Err(Error::invalid(NO_ROLE).in_field(fields::ROLE_ID)),
    }
}

/// Returns the text of a field that is not empty.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// Returns the whole seconds of a TTL that a portal computed in floating point. The fraction is cut off, but a positive
/// TTL never becomes 0, which would give the role up (`docs/rest-api.md` A5).
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked, and the fraction is to go"
)]
fn seconds(ttl: &str) -> Result<i64, Error> {
    let mantissa = ttl.split(['e', 'E']).next().unwrap_or_default();
    let is_nothing = !mantissa.contains(|digit: char| ('1'..='9').contains(&digit));
    match ttl.trim().parse::<f64>() {
        Ok(ttl) if (0.0..1.0).contains(&ttl) && !is_nothing => Ok(1),
        Ok(ttl) if (0.0..=LONGEST_TTL).contains(&ttl) => Ok(ttl as i64),
        _ => Err(
            Error::invalid("RequestedTTL is a number of seconds, 0 or more.")
                .in_field("RequestedTTL"),
        ),
    }
}

/// Returns whether the client asks for a response without a body, in the words of OData or of RFC 7240.
fn wants_no_content(request: &Parts) -> bool {
    let preferences = request
        .headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut preferences = preferences
        .flat_map(|value| value.split(','))
        .map(str::trim);
    preferences.any(|preference| ["return-no-content", "return=minimal"].contains(&preference))
}

fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(
        PREFERENCE_APPLIED,
        HeaderValue::from_static("return-no-content"),
    );
    response
}

const NO_ROLE: &str = "RoleId is required, in the query or in a body whose Content-Type is application/json, \
                       application/x-www-form-urlencoded or application/atom+xml.";
/// More seconds than any duration has; values between are refused by the service, which knows the maximum durations.
const LONGEST_TTL: f64 = 1e12;
const DATA_SERVICE_ID: HeaderName = HeaderName::from_static("dataserviceid");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_cut_to_whole_seconds_and_never_to_nothing() {
        for (text, expected) in [
            ("7200", Some(7_200)),
            ("1199.8799999999999", Some(1_199)),
            ("504.00000000000006", Some(504)),
            (" 612 ", Some(612)),
            ("0", Some(0)),
            ("0.0", Some(0)),
            ("0.4", Some(1)),
            ("1e3", Some(1_000)),
            ("1e-400", Some(1)),
            ("0e9", Some(0)),
            ("-1", None),
            ("-0.5", None),
            ("NaN", None),
            ("inf", None),
            ("1e300", None),
            ("", None),
            ("seven", None),
        ] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
    }
}
