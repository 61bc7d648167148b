//! Streams that end when the server stops; a health watch would otherwise keep its connection open for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Version};
use http_body::Frame;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Ends the streams of these routes on the signal, as UNAVAILABLE. Over HTTP/1.1 a client that has left looks like one
/// that has sent all it has to send, so there a stream also ends after `longest`, as DEADLINE_EXCEEDED.
pub(crate) fn end_on(routes: Router, stop: &CancellationToken, longest: Duration) -> Router {
    routes.layer(from_fn_with_state(
        Arc::new(Ending {
            stop: stop.clone(),
            longest,
        }),
        end,
    ))
}

/// When streams end.
struct Ending {
    stop: CancellationToken,
    longest: Duration,
}

async fn end(State(ending): State<Arc<Ending>>, request: Request, next: Next) -> Response {
    let longest = if request.version() < Version::HTTP_2 {
        ending.longest
    } else {
        Duration::MAX
    };
    let ended = async move {
        match timeout(longest, ending.stop.cancelled()).await {
            Ok(()) => Status::unavailable("The server is shutting down."),
            Err(_) => {
                Status::deadline_exceeded("A stream over HTTP/1.1 ends after a while. Use HTTP/2.")
            }
        }
    };
    let ended = Box::pin(ended);
    next.run(request).await.map(|body| {
        Body::new(UntilEnded {
            body,
            ended: Some(ended),
        })
    })
}

/// A body that ends early, with trailers that say why.
struct UntilEnded {
    body: Body,
    /// Says why; gone when it has.
    ended: Option<Pin<Box<dyn Future<Output = Status> + Send>>>,
}

impl http_body::Body for UntilEnded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, ended } = &mut *self;
        let Some(reason) = ended else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        let status = ready!(reason.as_mut().poll(context));
        *ended = None;
        Poll::Ready(Some(Ok(Frame::trailers(trailers(&status)))))
    }

    /// A refusal has no body, and gRPC clients understand it only if its headers end the stream.
    fn is_end_stream(&self) -> bool {
        self.ended.is_none() || self.body.is_end_stream()
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
