//! The time limit of request heads on a connection of HTTP/1.1, and the responses to heads that hyper cannot read.
//!
//! A connection whose request line and headers take too long is cut, while an idle one may wait. hyper has one timer
//! for both, so it gets the longer time. This wrapper of the stream keeps the shorter one: from the first byte of a
//! request until the request has reached the service. If the start of a head comes in one read with an earlier request,
//! it cannot be distinguished from the end of that request. So it has the longer time until more bytes come.
//!
//! hyper itself responds to a head that it cannot read, without a body, and then ends the connection. That response is
//! held back. It is recognised by the time at which it is written: all earlier requests have their responses, and no
//! new one has begun.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::requests::Requests;
use crate::server::pipeline::head::MalformedHead;

/// A stream that fails if a head takes too long, and holds back hyper's own responses.
pub(super) struct HeaderTimeout<S> {
    stream: S,
    requests: Arc<Requests>,
    limit: Duration,
    /// Runs from the first byte of a request until the service has it. Contains the number of requests before it.
    timer: Option<(usize, Pin<Box<Sleep>>)>,
    /// The number of requests whose responses are sent completely.
    sent: usize,
    malformed: Option<MalformedHead>,
}

impl<S> HeaderTimeout<S> {
    /// Wraps a stream whose heads may take as long as `limit`.
    pub(super) fn new(stream: S, requests: Arc<Requests>, limit: Duration) -> Self {
        Self {
            stream,
            requests,
            limit,
            timer: None,
            sent: 0,
            malformed: None,
        }
    }

    /// Returns the fault of a head that hyper has given up on, and the stream on which its client waits for a response.
    pub(super) fn malformed(&mut self) -> Option<(MalformedHead, &mut S)> {
        self.malformed
            .map(|malformed| (malformed, &mut self.stream))
    }

    /// Returns whether all requests have their responses.
    fn is_quiet(&self) -> bool {
        self.sent == self.requests.begun()
    }

    /// Holds back hyper's own response and returns its length; `None` if the bytes must be sent.
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
        // hyper reads nothing while it serves a request, so the timer of an earlier request is dropped here.
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
            self.timer = Some((begun, Box::pin(sleep(self.limit))));
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
        // hyper flushes the stream after it has written everything.
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
