//! The gate of streams: calls that stay open, such as a health watch. They do not count as requests and have no time
//! limit; instead the server and each caller have a maximum of open streams. All streams end when the server stops.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Version};
use http_body::Frame;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::domain::caller::Caller;
use crate::domain::error::{Error, Kind};
use crate::domain::id::AccountId;
use crate::server::connection::peer::Peer;
use crate::server::limits::Limits;

/// Counts the open streams, and ends them when the server stops.
pub(crate) struct StreamGate {
    limits: Limits,
    open: Arc<Mutex<OpenStreams>>,
    stop: CancellationToken,
}

impl StreamGate {
    /// Returns a gate without open streams.
    pub(crate) fn new(limits: Limits, stop: &CancellationToken) -> Self {
        Self {
            limits,
            open: Arc::default(),
            stop: stop.clone(),
        }
    }

    /// Returns the response of a handler, whose body is a stream with a place. A stream must begin within the request
    /// timeout.
    pub(super) async fn open(
        &self,
        owner: Owner,
        version: Version,
        response: impl Future<Output = Result<Response, Error>>,
    ) -> Result<Response, Error> {
        let place = self.enter(owner)?;
        let end = Box::pin(self.end(version));
        let Ok(response) = timeout(self.limits.request_time, response).await else {
            return Err(Error::deadline_exceeded());
        };
        Ok(response?.map(|body| {
            Body::new(StreamBody {
                body,
                end: Some(end),
                _place: place,
            })
        }))
    }

    /// Counts one more stream of a caller until the place is dropped.
    fn enter(&self, owner: Owner) -> Result<Place, Error> {
        let mut open = lock(&self.open);
        if open.total >= self.limits.streams {
            return Err(overloaded("The server has too many open streams."));
        }
        let own = open.by_owner.entry(owner).or_default();
        if *own >= self.limits.streams_per_caller {
            return Err(overloaded("You have too many open streams."));
        }
        *own += 1;
        open.total += 1;
        Ok(Place {
            owner,
            open: self.open.clone(),
        })
    }

    /// Waits until a stream must end, and returns the reason.
    fn end(&self, version: Version) -> impl Future<Output = Status> + Send + use<> {
        // Over HTTP/1.1 a client that has left looks like one that has sent everything.
        let most = if version < Version::HTTP_2 {
            self.limits.request_time
        } else {
            Duration::MAX
        };
        let stop = self.stop.clone();
        async move {
            match timeout(most, stop.cancelled()).await {
                Ok(()) => Status::unavailable("The server is shutting down."),
                Err(_) => Status::deadline_exceeded(
                    "A stream over HTTP/1.1 ends after the request timeout. Use HTTP/2.",
                ),
            }
        }
    }
}

/// The caller to whom a stream counts: the account, or the client's address if the call needs no credentials.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Owner {
    Account(AccountId),
    Address(IpAddr),
}

impl Owner {
    /// Returns the owner of a stream, by its caller if the call needs one.
    pub(super) fn of(caller: Option<&Caller>, peer: &Peer) -> Self {
        match caller {
            Some(caller) => Self::Account(caller.account.id),
            None => Self::Address(peer.address.to_canonical()),
        }
    }
}

/// The open streams. Callers without one are not listed.
#[derive(Default)]
struct OpenStreams {
    total: usize,
    by_owner: HashMap<Owner, usize>,
}

/// The place of an open stream.
struct Place {
    owner: Owner,
    open: Arc<Mutex<OpenStreams>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.total -= 1;
        if let Some(own) = open.by_owner.get_mut(&self.owner) {
            *own -= 1;
            if *own == 0 {
                open.by_owner.remove(&self.owner);
            }
        }
    }
}

fn lock(open: &Mutex<OpenStreams>) -> MutexGuard<'_, OpenStreams> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

fn overloaded(message: &'static str) -> Error {
    Error::new(Kind::Overloaded, message)
}

/// The body of a stream, which can end early with trailers that give the reason.
struct StreamBody {
    body: Body,
    /// Completes with the reason; `None` after that.
    end: Option<Pin<Box<dyn Future<Output = Status> + Send>>>,
    _place: Place,
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, end, .. } = &mut *self;
        let Some(reason) = end else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        let status = ready!(reason.as_mut().poll(context));
        *end = None;
        Poll::Ready(Some(Ok(Frame::trailers(trailers(&status)))))
    }

    /// A refusal has no body, and gRPC clients understand it only if its headers end the stream.
    fn is_end_stream(&self) -> bool {
        self.end.is_none() || self.body.is_end_stream()
    }
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        trailers.insert(
            Status::GRPC_STATUS,
            HeaderValue::from(i32::from(status.code())),
        );
    }
    trailers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_and_each_caller_have_a_maximum_of_open_streams() {
        let limits = Limits {
            streams: 3,
            streams_per_caller: 2,
            ..Limits::default()
        };
        let gate = StreamGate::new(limits, &CancellationToken::new());
        let [near, far, other] = ["127.0.0.1", "10.0.0.1", "10.0.0.2"]
            .map(|address| Owner::Address(address.parse().unwrap()));
        let first = gate.enter(near).unwrap_or_else(|_| panic!("a free place"));
        let second = gate.enter(near);
        assert!(second.is_ok());
        assert!(gate.enter(near).is_err(), "two of one caller");
        let third = gate.enter(far);
        assert!(third.is_ok());
        assert!(gate.enter(other).is_err(), "three of the server");
        drop(first);
        assert!(
            gate.enter(near).is_ok(),
            "a place that was left is free again"
        );
        drop((second, third));
        let open = lock(&gate.open);
        assert_eq!((open.total, open.by_owner.len()), (0, 0));
    }
}
