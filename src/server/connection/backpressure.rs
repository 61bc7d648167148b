//! Answers on their way: an answer keeps its place among the requests until the client has taken it, and a client that
//! does not take it in time loses its connection. So clients that read nothing cannot make the server hold ever more.

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

/// The answer, which holds `room` until it is sent, for `patience` at most.
pub(crate) fn hold(
    response: Response,
    room: OwnedSemaphorePermit,
    connection: Option<Peer>,
    patience: Duration,
) -> Response {
    if response.body().is_end_stream() {
        return response;
    }
    let sent = CancellationToken::new();
    let watched = sent.clone();
    // Nobody asks a body for more while the client takes nothing, so the body itself cannot tell that time is up.
    tokio::spawn(async move {
        if timeout(patience, watched.cancelled()).await.is_err()
            && let Some(peer) = connection
        {
            tracing::debug!("a client did not take its answer in time");
            peer.cut.cancel();
        }
    });
    response.map(|body| {
        Body::new(BackpressureBody {
            body,
            rest: Bytes::new(),
            _room: room,
            _sent: sent.drop_guard(),
        })
    })
}

/// A body that is handed on a piece at a time, since what was handed on is out of sight.
struct BackpressureBody {
    body: Body,
    rest: Bytes,
    _room: OwnedSemaphorePermit,
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
        let piece = self.rest.len().min(LONGEST_PIECE);
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

const LONGEST_PIECE: usize = 16 * 1024;
