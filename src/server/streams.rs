//! Streams that end when the server stops; a health watch would otherwise keep its connection open for ever.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;

/// Ends the streams of these routes on the signal, as UNAVAILABLE.
pub(super) fn end_on(routes: Router, stop: &CancellationToken) -> Router {
    let stop = stop.clone();
    routes.layer(axum::middleware::map_response(move |response: Response| {
        let stopped = Box::pin(stop.clone().cancelled_owned());
        std::future::ready(response.map(|body| Body::new(UntilStopped { body, stopped, ended: false })))
    }))
}

/// A body that ends early, with trailers that say why.
struct UntilStopped {
    body: Body,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: bool,
}

impl http_body::Body for UntilStopped {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        if self.stopped.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.ended = true;
        Poll::Ready(Some(Ok(Frame::trailers(stopping()))))
    }
}

fn stopping() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    let status = Status::unavailable("The server is shutting down.");
    if status.add_header(&mut trailers).is_err() {
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("14"));
    }
    trailers
}
