//! How many requests at once, and how long each may take; and as long again to send its answer.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use tonic::Status;

use super::content_type::is_grpc;
use crate::server::connection::backpressure;
use crate::server::connection::peer::Peer;
use crate::server::limits::Limits;
use crate::status::{Error, Kind};
use crate::time::Deadline;

/// Lets so many requests in at once.
pub(crate) struct Gate {
    room: Arc<Semaphore>,
    request_time: Duration,
}

impl Gate {
    /// A gate with those limits.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            room: Arc::new(Semaphore::new(limits.requests)),
            request_time: limits.request_time,
        }
    }
}

/// Lets a request in with its deadline, or refuses it; gives up on it when the deadline has passed.
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
        return Status::from(error).into_http();
    };
    let timeout = if is_grpc(&request) {
        grpc_timeout(request.headers())
    } else {
        Ok(None)
    };
    let asked = match timeout {
        Ok(asked) => asked.unwrap_or(gate.request_time),
        Err(error) => return Status::from(error).into_http(),
    };
    let deadline = Deadline::after(asked.min(gate.request_time));
    // The runtime's timer is coarser than a deadline may be.
    if deadline.passed() {
        return Status::from(Error::deadline_exceeded()).into_http();
    }
    request.extensions_mut().insert(deadline);
    let connection = request.extensions_mut().remove::<Peer>();
    match timeout_at(deadline.instant().into(), next.run(request)).await {
        Ok(response) => backpressure::hold(response, room, connection, gate.request_time),
        Err(_) => Status::from(Error::deadline_exceeded()).into_http(),
    }
}

/// The `grpc-timeout` of a request: at most eight digits and a unit.
fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let Some(value) = headers.get("grpc-timeout") else {
        return Ok(None);
    };
    let malformed = || Error::invalid("The grpc-timeout is malformed.");
    let (digits, unit) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_at_checked(text.len().wrapping_sub(1)))
        .ok_or_else(malformed)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    let count: u64 = digits.parse().map_err(|_| malformed())?;
    match unit {
        "H" => Ok(Some(Duration::from_secs(count * 3_600))),
        "M" => Ok(Some(Duration::from_secs(count * 60))),
        "S" => Ok(Some(Duration::from_secs(count))),
        "m" => Ok(Some(Duration::from_millis(count))),
        "u" => Ok(Some(Duration::from_micros(count))),
        "n" => Ok(Some(Duration::from_nanos(count))),
        _ => Err(malformed()),
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
