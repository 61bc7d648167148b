//! What a connection of HTTP/1.1 is guarded against: requests that never reach the service.
//!
//! A connection whose request line and headers take too long is cut, while an idle one may wait. hyper has one timer for
//! both, so it gets the longer time, and this wrapper of the stream keeps the shorter one: from the first byte of a request
//! until the request has reached the service. The start of a head that comes in one read with an earlier request cannot be
//! told from the end of that request, so it has the longer time until more bytes come.
//!
//! To a head that it cannot read hyper writes an answer of its own, without a body, and then ends the connection. That
//! answer is held back. It is known by its time and not by its bytes: all that was begun has been sent, and nothing has
//! begun since.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::malformed::MalformedHead;
use super::requests::Requests;

/// A stream that fails when a request dawdles, and does not let hyper answer what is none.
pub(super) struct HeaderTimeout<S> {
    stream: S,
    requests: Arc<Requests>,
    patience: Duration,
    /// Runs from the first byte of a request until the request is served; with the number of requests before it.
    timer: Option<(usize, Pin<Box<Sleep>>)>,
    /// How many requests are answered to the last byte.
    sent: usize,
    malformed: Option<MalformedHead>,
}

impl<S> HeaderTimeout<S> {
    /// The stream, with so much patience.
    pub(super) fn new(stream: S, requests: Arc<Requests>, patience: Duration) -> Self {
        Self {
            stream,
            requests,
            patience,
            timer: None,
            sent: 0,
            malformed: None,
        }
    }

    /// Why the client still waits for an answer, after hyper has ended; and the stream to answer it on.
    pub(super) fn malformed(&mut self) -> Option<(MalformedHead, &mut S)> {
        self.malformed
            .map(|malformed| (malformed, &mut self.stream))
    }

    /// Whether no request has an answer to come.
    fn is_quiet(&self) -> bool {
        self.sent == self.requests.begun()
    }

    /// Holds an answer of hyper's own back, and says how long it was; `None` for what is to be sent.
    fn hold_back(&mut self, bytes: &[u8]) -> Option<usize> {
        if !self.is_quiet() || bytes.is_empty() {
            return None;
        }
        let too_long = [&b"HTTP/1.1 414"[..], b"HTTP/1.1 431"]
            .iter()
            .any(|head| bytes.starts_with(head));
        self.malformed.get_or_insert(if too_long {
            MalformedHead::TooLong
        } else {
            MalformedHead::Malformed
        });
        Some(bytes.len())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeaderTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // hyper reads nothing while it serves a request, so the timer of a request that was served is dropped here.
        let begun = self.requests.begun();
        self.timer = self.timer.take().filter(|(before, _)| *before == begun);
        if !self.requests.all_ended() {
            self.timer = None;
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        if let Some((_, timer)) = &mut self.timer
            && timer.as_mut().poll(context).is_ready()
        {
            self.malformed = self.is_quiet().then_some(MalformedHead::TooSlow);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before && self.timer.is_none() {
            self.timer = Some((begun, Box::pin(sleep(self.patience))));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeaderTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(length) = self.hold_back(bytes) {
            return Poll::Ready(Ok(length));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes the stream when it has written all that it has.
        if self.requests.all_ended() {
            self.sent = self.requests.begun();
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.malformed.is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = slices.iter().find(|slice| !slice.is_empty())
            && let Some(length) = self.hold_back(first)
        {
            return Poll::Ready(Ok(length));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
