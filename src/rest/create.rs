//! `POST pamrequests`: asking for a role, as a form, in the query or as JSON (`wire.md` 65 to 81).

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jiff::tz::TimeZone;
use prost_types::{Duration, Timestamp};
use serde_json::Value;
use tonic::Status;

use super::atom;
use super::entity::{Entity, MIN_VALUE, answer, base_url, local_time, precise_utc};
use super::format::Format;
use super::list::{Set, Single, entity};
use super::model::Cell;
use super::query::action_format;
use super::requests::{CREATION_TIME, REQUESTED_TIME, Requests};
use super::{LONGEST_BODY, Rest, body_too_large, message_of};
use crate::domain::moment::Moment;
use crate::proto::pam::v1::{CreateElevationRequest, Elevation};
use crate::status::Error;

impl Rest {
    /// Files a request, or gives a role up when the TTL is 0; answers 201 with the request and where it is.
    pub(super) async fn create(&self, request: &Parts, body: Body) -> Result<Response, Status> {
        let asked = action_format(request.uri.query())?;
        let base = base_url(request)?;
        let body = collected(body).await?;
        let message = Fields::read(request, &body)?.message(&self.zone)?;
        let elevation = self.elevations.create_elevation(message_of(request, message)).await?;
        let elevation = elevation.into_inner().elevation.unwrap_or_default();
        let location = format!("{base}pamrequests(guid'{}')", elevation.id);
        let location = HeaderValue::try_from(location).map_err(Error::internal)?;
        let format = Format::of(asked.as_deref(), &request.headers);
        let mut response = if wants_no_content(request) {
            no_content()
        } else {
            let created = self.created(&elevation, &base, format);
            answer(StatusCode::CREATED, format, &Single::of::<Requests>(&base, created))
        };
        // OData wants it where there is no body. The documented answers in JSON do without it.
        if response.status() == StatusCode::NO_CONTENT || matches!(format, Format::Atom(_)) {
            response.headers_mut().insert(DATA_SERVICE_ID, location.clone());
        }
        response.headers_mut().insert(LOCATION, location);
        Ok(response)
    }

    /// The row as its creation answers it: created in local time, to be started with all digits (`wire.md` B36, A8).
    fn created<'a>(&self, elevation: &'a Elevation, base: &str, format: Format) -> Entity<'a> {
        let properties: Vec<_> = Requests::PROPERTIES.iter().collect();
        let mut row = entity::<Requests>(elevation, base, &properties, format);
        for (column, cell) in &mut row.cells {
            match (column.name, &cell) {
                _ if format.counts_milliseconds() => {}
                (CREATION_TIME, Cell::Moment(time)) => {
                    *cell = Cell::Text(Some(local_time(*time, &self.zone).into()))
                }
                (REQUESTED_TIME, Cell::Moment(time)) => *cell = Cell::Text(Some(precise_utc(*time).into())),
                _ => {}
            }
        }
        row
    }
}

/// The whole body, which is short.
async fn collected(body: Body) -> Result<Bytes, Error> {
    match Limited::new(body, LONGEST_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(body_too_large()),
        Err(error) => Err(Error::invalid("The body of the request ended early.").because(error)),
    }
}

/// What the clients send, by whichever way. Names are taken in any case, as the original's model binder did; what stands
/// in the body outweighs the query.
#[derive(Debug, Default, Eq, PartialEq)]
struct Fields {
    justification: Option<String>,
    role_id: Option<String>,
    requested_ttl: Option<String>,
    requested_time: Option<String>,
}

impl Fields {
    fn read(request: &Parts, body: &Bytes) -> Result<Self, Error> {
        let mut fields = Self::default();
        fields.set_form(request.uri.query().unwrap_or_default().as_bytes());
        let content_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.and_then(|content_type| content_type.split(';').next());
        let is = |media: &str| media_type.is_some_and(|name| name.trim().eq_ignore_ascii_case(media));
        if is("application/json") {
            fields.set_json(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))?;
        } else if is("application/atom+xml") {
            fields.set_entry(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))?;
        } else {
            fields.set_form(body);
        }
        Ok(fields)
    }

    fn set_form(&mut self, form: &[u8]) {
        for (name, value) in form_urlencoded::parse(form) {
            self.set(&name, value.into_owned());
        }
    }

    fn set_json(&mut self, json: &[u8]) -> Result<(), Error> {
        if json.is_empty() {
            return Ok(());
        }
        let Ok(Value::Object(members)) = serde_json::from_slice(json) else {
            return Err(Error::invalid("The body is not a JSON object."));
        };
        for (name, value) in members {
            match value {
                Value::String(value) => self.set(&name, value),
                Value::Number(value) => self.set(&name, value.to_string()),
                Value::Null => {}
                _ if self.field(&name).is_some() => {
                    return Err(Error::invalid("A member of the body has the wrong type."));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Sets the properties of an Atom entry. Clients with types send every property that a row has, and year 1 where a
    /// time is none.
    fn set_entry(&mut self, entry: &[u8]) -> Result<(), Error> {
        let entry =
            str::from_utf8(entry).map_err(|error| Error::invalid("The body is not UTF-8.").because(error))?;
        for (name, value) in atom::properties(entry)? {
            match value {
                atom::Value::Text(text) if name.eq_ignore_ascii_case(REQUESTED_TIME) && text == MIN_VALUE => {
                }
                atom::Value::Text(text) => self.set(&name, text),
                atom::Value::Complex if self.field(&name).is_some() => {
                    return Err(Error::invalid("A property of the entry has the wrong type."));
                }
                atom::Value::Complex | atom::Value::Null => {}
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: String) {
        if let Some(field) = self.field(name) {
            *field = Some(value);
        }
    }

    fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        match &*name.to_ascii_lowercase() {
            "justification" => Some(&mut self.justification),
            "requestedtime" => Some(&mut self.requested_time),
            "requestedttl" => Some(&mut self.requested_ttl),
            "roleid" => Some(&mut self.role_id),
            _ => None,
        }
    }

    fn message(self, zone: &TimeZone) -> Result<CreateElevationRequest, Error> {
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let ttl = given(self.requested_ttl).map(|ttl| seconds(&ttl)).transpose()?;
        let start = given(self.requested_time).map(|time| moment(&time, zone)).transpose()?;
        Ok(CreateElevationRequest {
            role_id: self.role_id.unwrap_or_default(),
            life: ttl.map(|seconds| Duration { seconds, nanos: 0 }),
            justification: self.justification,
            requested_start: start.map(Timestamp::from),
            ..CreateElevationRequest::default()
        })
    }
}

/// Whole seconds of a TTL that a portal computed in floating point: cut off, but what is more than nothing never becomes
/// 0, which would give the role up (`wire.md` A5).
#[expect(clippy::cast_possible_truncation, reason = "the range is checked, and the fraction is to go")]
fn seconds(ttl: &str) -> Result<i64, Error> {
    let mantissa = ttl.split(['e', 'E']).next().unwrap_or_default();
    let is_nothing = !mantissa.contains(|digit: char| ('1'..='9').contains(&digit));
    match ttl.trim().parse::<f64>() {
        Ok(ttl) if (0.0..1.0).contains(&ttl) && !is_nothing => Ok(1),
        Ok(ttl) if (0.0..=LONGEST_TTL).contains(&ttl) => Ok(ttl as i64),
        _ => Err(Error::invalid("RequestedTTL is a number of seconds, 0 or more.").in_field("RequestedTTL")),
    }
}

/// A moment as clients write it: ISO, or with slashes as the portal does; without a zone it is the server's local time
/// (`wire.md` 78, A7). In the gap of a clock change the later moment counts, in the overlap the earlier one.
fn moment(text: &str, zone: &TimeZone) -> Result<Moment, Error> {
    let text = text.trim().replace('/', "-");
    // Behind a time there is only an offset, whose plus became a space where the query was not encoded.
    let text = match text.rsplit_once(' ') {
        Some((time, offset)) if time.contains(':') => format!("{time}+{offset}"),
        _ => text,
    };
    Moment::read(&text, Some(zone)).map_err(|error| {
        Error::invalid(format!("RequestedTime: {}", error.message)).in_field("RequestedTime")
    })
}

/// Whether the client asks for an answer without a body, in OData's or in RFC 7240's words.
fn wants_no_content(request: &Parts) -> bool {
    let preferences = request.headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = preferences.flat_map(|value| value.split(',')).map(str::trim);
    preferences.any(|preference| ["return-no-content", "return=minimal"].contains(&preference))
}

fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(PREFERENCE_APPLIED, HeaderValue::from_static("return-no-content"));
    response
}

/// More seconds than any life has; what is in between is refused where lives are known.
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

    #[test]
    fn a_time_without_a_zone_is_local() {
        let zone = TimeZone::get("America/Los_Angeles").unwrap();
        for (text, expected) in [
            ("2015/07/11 23:40", Some("2015-07-12T06:40:00Z")),
            ("2015-07-11T23:40", Some("2015-07-12T06:40:00Z")),
            ("2015-07-11T23:40:30.25", Some("2015-07-12T06:40:30.25Z")),
            ("2015-07-12T06:40:00Z", Some("2015-07-12T06:40:00Z")),
            ("2015-07-12T06:40Z", Some("2015-07-12T06:40:00Z")),
            ("2015-07-12T08:40:00+02:00", Some("2015-07-12T06:40:00Z")),
            ("2015-07-12T08:40:00 02:00", Some("2015-07-12T06:40:00Z")),
            ("2015/07/12 08:40 02:00", Some("2015-07-12T06:40:00Z")),
            ("2015/07/12 08:40 23:40:00 02:00", None),
            ("2015-07-12T08:40:00+14:00", Some("2015-07-11T18:40:00Z")),
            ("2015-07-12T08:40:00+14:01", None),
            ("2015-07-12T08:40:00-25:59", None),
            ("0001-01-01T00:00:00", Some("0001-01-01T07:52:58Z")),
            ("0001-01-01T00:00:00+02:00", None),
            ("0000-12-31T23:59:59Z", None),
            ("-000001-01-01T00:00:00Z", None),
            ("2015/03/08 02:30", Some("2015-03-08T10:30:00Z")),
            ("2015/11/01 01:30", Some("2015-11-01T08:30:00Z")),
            ("tomorrow", None),
            ("2015/13/01 00:00", None),
            ("23:40", None),
        ] {
            let time = moment(text, &zone).ok().map(|time| time.to_string());
            assert_eq!(time.as_deref(), expected, "{text}");
        }
    }
}
