//! Back-pressure: a response counts as a request until the client has taken it. If a client does not take it in time,
//! it loses its connection. So clients that read nothing cannot fill the memory of the server.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::peer::Peer;

/// Returns the response, which keeps its place until it is sent. If that takes longer than `limit`, the connection is
/// cut.
pub(crate) fn hold(
    response: Response,
    place: OwnedSemaphorePermit,
    peer: &Peer,
    limit: Duration,
) -> Response {
    if response.body().is_end_stream() {
        return response;
    }
    let sent = CancellationToken::new();
    let (watched, cut) = (sent.clone(), peer.cut.clone());
    // A body is not polled while the client takes nothing, so the body itself cannot notice that the time is up.
    tokio::spawn(async move {
        if timeout(limit, watched.cancelled()).await.is_err() {
            tracing::debug!("a client did not take its answer in time");
            cut.cancel();
        }
    });
    response.map(|body| {
        Body::new(BackpressureBody {
            body,
            rest: Bytes::new(),
            _place: place,
            _sent: sent.drop_guard(),
        })
    })
}

/// A body that is sent in small pieces, because sent pieces no longer count.
struct BackpressureBody {
    body: Body,
    rest: Bytes,
    _place: OwnedSemaphorePermit,
    _sent: DropGuard,
}

impl http_body::Body for BackpressureBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                ended => return Poll::Ready(ended),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let piece = self.rest.len().min(MAX_PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

const MAX_PIECE: usize = 16 * 1024;
