//! The admission of requests: a maximum at once, a time limit for each, and the same time again to send the response.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::content_type::is_grpc;
use super::operations;
use crate::errors::{Error, Kind, refuse};
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
}

/// Admits a request with its deadline, or refuses it. Abandons it when the deadline has passed. A stream counts as a
/// request only until it begins.
pub(crate) async fn admit(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Ok(room) = gate.room.clone().try_acquire_owned() else {
        let error = Error::new(
            Kind::Overloaded,
            "The service is busy. Repeat the request in a moment.",
        );
        return refuse(error);
    };
    let deadline = match deadline(&request, gate.request_time) {
        Ok(deadline) => deadline,
        Err(error) => return refuse(error),
    };
    // The runtime's timer can be coarser than a deadline.
    if deadline.passed() {
        return refuse(Error::deadline_exceeded());
    }
    request.extensions_mut().insert(deadline);
    let peer = request.extensions().get::<Peer>().cloned();
    let is_stream = operations::is_stream(&request);
    match timeout_at(deadline.instant().into(), next.run(request)).await {
        // By now it has a place in the gate of streams.
        Ok(response) if is_stream => response,
        Ok(response) => backpressure::hold(response, room, peer, gate.request_time),
        Err(_) => refuse(Error::deadline_exceeded()),
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
    use super::*;

    #[test]
    fn grpc_timeouts() {
        let parse = |text: &str| {
            grpc_timeout(&HeaderMap::from_iter([(
                "grpc-timeout".parse().unwrap(),
                text.parse().unwrap(),
            )]))
        };
        for (text, milliseconds) in [
            ("1H", 3_600_000),
            ("2M", 120_000),
            ("3S", 3_000),
            ("4m", 4),
            ("5000u", 5),
        ] {
            assert_eq!(
                parse(text).unwrap(),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        assert_eq!(parse("7n").unwrap(), Some(Duration::from_nanos(7)));
        for bad in ["", "S", "1", "1s", "-1S", "+1S", "123456789S", "1.5S", "S1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(grpc_timeout(&HeaderMap::new()).unwrap(), None);
    }
}
