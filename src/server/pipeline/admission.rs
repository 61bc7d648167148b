//! The admission of requests: a maximum at once, a time limit for each, and the same time again to send the response.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use super::content_type::is_grpc;
use crate::errors::{Error, Kind};
use crate::server::connection::backpressure;
use crate::server::connection::peer::Peer;
use crate::server::limits::Limits;
use crate::time::Deadline;

/// Counts the requests, from their admission until the client has their response.
pub(crate) struct Gate {
    room: Arc<Semaphore>,
    request_time: Duration,
}

impl Gate {
    /// Returns a gate without requests.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            room: Arc::new(Semaphore::new(limits.requests)),
            request_time: limits.request_time,
        }
    }

    /// Gives a request its place and its deadline, or refuses it.
    pub(super) fn admit(&self, request: &Request) -> Result<Place, Error> {
        let Ok(permit) = self.room.clone().try_acquire_owned() else {
            let message = "The service is busy. Repeat the request in a moment.";
            return Err(Error::new(Kind::Overloaded, message));
        };
        let deadline = deadline(request, self.request_time)?;
        // The runtime's timer can be coarser than a deadline.
        if deadline.passed() {
            return Err(Error::deadline_exceeded());
        }
        Ok(Place {
            deadline,
            permit,
            sending_time: self.request_time,
        })
    }
}

/// The place of an admitted request.
pub(super) struct Place {
    /// The time until which the caller waits for the response.
    pub(super) deadline: Deadline,
    permit: OwnedSemaphorePermit,
    sending_time: Duration,
}

impl Place {
    /// Returns the response of a handler, or an error if the deadline passes before that.
    pub(super) async fn within(
        &self,
        response: impl Future<Output = Result<Response, Error>>,
    ) -> Result<Response, Error> {
        match timeout_at(self.deadline.instant().into(), response).await {
            Ok(response) => response,
            Err(_) => Err(Error::deadline_exceeded()),
        }
    }

    /// Keeps the place until the client has taken the response.
    pub(super) fn hold(self, response: Response, peer: &Peer) -> Response {
        backpressure::hold(response, self.permit, peer, self.sending_time)
    }
}

/// Returns the deadline of a request: after `most`, or sooner if its `grpc-timeout` says so.
fn deadline(request: &Request, most: Duration) -> Result<Deadline, Error> {
    let timeout = if is_grpc(request) {
        grpc_timeout(request.headers())?
    } else {
        None
    };
    Ok(Deadline::after(timeout.unwrap_or(most).min(most)))
}

/// Returns the `grpc-timeout` of a request: at most eight digits and a unit.
fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let Some(value) = headers.get("grpc-timeout") else {
        return Ok(None);
    };
    parse_timeout(value).map(Some).ok_or_else(|| {
        Error::invalid(
            "The grpc-timeout must be up to eight digits and one of the units H, M, S, m, u, n.",
        )
    })
}

fn parse_timeout(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn parsed(text: &str) -> Result<Option<Duration>, Error> {
        let value = HeaderValue::from_str(text).unwrap();
        let name = HeaderName::from_static("grpc-timeout");
        grpc_timeout(&HeaderMap::from_iter([(name, value)]))
    }

    #[test]
    fn grpc_timeouts() {
        for (text, milliseconds) in [
            ("1H", 3_600_000),
            ("2M", 120_000),
            ("3S", 3_000),
            ("4m", 4),
            ("5000u", 5),
        ] {
            assert_eq!(
                parsed(text).unwrap(),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        assert_eq!(parsed("7n").unwrap(), Some(Duration::from_nanos(7)));
        for bad in ["", "S", "1", "1s", "-1S", "+1S", "123456789S", "1.5S", "S1"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
        assert_eq!(grpc_timeout(&HeaderMap::new()).unwrap(), None);
    }
}
