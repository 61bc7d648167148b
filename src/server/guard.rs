//! Slow clients: a connection whose request line and headers take too long is cut, while an idle one may wait.
//!
//! hyper has one timer for both, so it gets the longer time, and this wrapper of the stream keeps the shorter one: from
//! the first byte of a request until the request has reached the service.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Whether a request of the connection is being served. Set by the service, read by the stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Serving(Arc<AtomicBool>);

impl Serving {
    /// Says whether a request is being served now.
    pub(super) fn set(&self, serving: bool) {
        self.0.store(serving, Ordering::Release);
    }
}

/// A stream that fails when a request dawdles.
pub(super) struct Guarded<S> {
    stream: S,
    serving: Serving,
    patience: Duration,
    /// Runs from the first byte of a request until the request is served.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    /// The stream, with so much patience.
    pub(super) fn new(stream: S, serving: Serving, patience: Duration) -> Self {
        Self { stream, serving, patience, timer: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.serving.0.load(Ordering::Acquire) {
            self.timer = None;
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        if let Some(timer) = &mut self.timer
            && timer.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before && self.timer.is_none() {
            self.timer = Some(Box::pin(sleep(self.patience)));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
