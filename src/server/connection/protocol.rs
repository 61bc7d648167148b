//! The protocol of a connection: HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::header_timeout::HeaderTimeout;
use super::malformed;
use super::peer::Peer;
use super::requests::Requests;
use super::single_write::SingleWrite;
use crate::server::limits::Limits;
use crate::server::pipeline::Pipeline;

/// Serves one connection until the client or `stop` ends it.
pub(super) async fn connection(
    stream: TcpStream,
    pipeline: Arc<Pipeline>,
    limits: Limits,
    peer: Peer,
    stop: CancellationToken,
) {
    // Responses are small and complete, so waiting for more bytes would only delay them.
    let _ = stream.set_nodelay(true);
    // A client that connects has a request; it may be idle only after that.
    let protocol = timeout(limits.headers, protocol(&stream));
    let Some(Ok(Ok(protocol))) = stop.run_until_cancelled(protocol).await else {
        return;
    };
    let ended = match protocol {
        Protocol::Http1 => http1(stream, pipeline, limits, peer, stop).await,
        Protocol::Http2 => http2(stream, pipeline, limits, peer, stop).await,
    };
    if let Err(error) = ended {
        // The client has broken its connection. The log line of the request reports the rest.
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn http1(
    stream: TcpStream,
    pipeline: Arc<Pipeline>,
    limits: Limits,
    peer: Peer,
    stop: CancellationToken,
) -> hyper::Result<()> {
    let requests = Arc::new(Requests::default());
    let mut stream = HeaderTimeout::new(stream, requests.clone(), limits.headers);
    let ended = exchange(&mut stream, requests, pipeline.clone(), limits, peer, stop).await;
    if let Some((reason, stream)) = stream.malformed() {
        let _ = timeout(limits.headers, malformed::answer(stream, pipeline, reason)).await;
    }
    ended
}

/// Serves requests until the client sends no further ones.
async fn exchange(
    stream: &mut HeaderTimeout<TcpStream>,
    requests: Arc<Requests>,
    pipeline: Arc<Pipeline>,
    limits: Limits,
    peer: Peer,
    stop: CancellationToken,
) -> hyper::Result<()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let open = requests.begin();
        let answer = pipeline
            .clone()
            .answer(request.map(Body::new), Ok(peer.clone()));
        // The request is in progress until hyper has its whole response and drops the body.
        async move {
            Ok::<_, Infallible>(answer.await.map(|body| {
                body.map_err(move |error| {
                    let _open = &open;
                    error
                })
            }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .half_close(true)
        .header_read_timeout(limits.idle)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = &mut connection => return ended,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

async fn http2(
    stream: TcpStream,
    pipeline: Arc<Pipeline>,
    limits: Limits,
    peer: Peer,
    stop: CancellationToken,
) -> hyper::Result<()> {
    let requests = Arc::new(Requests::default());
    let counted = requests.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let open = counted.begin();
        let answer = pipeline
            .clone()
            .answer(request.map(Body::new), Ok(peer.clone()));
        async move {
            let _open = open;
            Ok(answer.await)
        }
    });
    streams(stream, service, &requests, limits.idle, stop).await
}

/// Serves requests over HTTP/2 until the client or `stop` ends the connection, or until it was `idle` for that long.
async fn streams<S, H>(
    stream: S,
    service: H,
    requests: &Requests,
    idle: Duration,
    stop: CancellationToken,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Service<Request<Incoming>, Response = Response, Error = Infallible>,
    H::Future: Send + 'static,
{
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST)
        .serve_connection(TokioIo::new(SingleWrite(stream)), service);
    tokio::pin!(connection);
    loop {
        let before = requests.begun();
        // A connection without requests is idle. The pings of a client would keep it alive forever.
        tokio::select! {
            ended = &mut connection => return ended,
            () = stop.cancelled() => break,
            () = sleep(idle) => if requests.begun() == before && requests.all_ended() { break },
        }
    }
    // Open streams may continue; without one the connection ends.
    connection.as_mut().graceful_shutdown();
    connection.await
}

enum Protocol {
    Http1,
    Http2,
}

/// Detects the protocol by the first bytes of the client, which stay unread.
async fn protocol(stream: &TcpStream) -> io::Result<Protocol> {
    let mut bytes = [0; PREFACE.len()];
    loop {
        let read = stream.peek(&mut bytes).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if bytes[..read] != PREFACE[..read] {
            return Ok(Protocol::Http1);
        }
        if read == PREFACE.len() {
            return Ok(Protocol::Http2);
        }
        // Another peek returns the same bytes at once, so the rest gets time to arrive.
        sleep(Duration::from_millis(5)).await;
    }
}

const KEEP_ALIVE: Duration = Duration::from_secs(20);
const MAX_HEAD: usize = 64 * 1024;
/// Longer than the maximum of a request, so that the pipeline refuses longer heads with a message for the client.
const MAX_HEADER_LIST: u32 = 96 * 1024;
const MAX_HEADERS: usize = 100;
const MAX_STREAMS: u32 = 256;
/// RFC 9113, section 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use http::HeaderMap;
    use http_body_util::Full;
    use tokio::io::{DuplexStream, ReadBuf, duplex};

    use super::*;

    /// A stream that counts its writes.
    struct Counted {
        stream: DuplexStream,
        writes: Arc<AtomicUsize>,
    }

    impl AsyncRead for Counted {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Counted {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.stream).poll_write(context, bytes)
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            slices: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.stream).poll_write_vectored(context, slices)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(context)
        }
    }

    /// Answers with as many octets as an approval has, and with trailers.
    async fn message(_: Request<Incoming>) -> Result<Response, Infallible> {
        let message = Full::from(vec![0; 600])
            .with_trailers(async { Some(Ok(HeaderMap::from_iter([GRPC_OK]))) });
        Ok(Response::new(Body::new(message)))
    }

    const GRPC_OK: (http::HeaderName, http::HeaderValue) = (
        http::HeaderName::from_static("grpc-status"),
        http::HeaderValue::from_static("0"),
    );

    #[tokio::test]
    async fn headers_message_and_trailers_leave_in_one_write() {
        let (client, server) = duplex(64 * 1024);
        let writes = Arc::new(AtomicUsize::new(0));
        let counted = Counted {
            stream: server,
            writes: writes.clone(),
        };
        let requests = Requests::default();
        tokio::spawn(async move {
            let (service, idle) = (service_fn(message), Duration::from_secs(75));
            streams(counted, service, &requests, idle, CancellationToken::new()).await
        });
        let (mut client, connection) = h2::client::handshake(client).await.unwrap();
        tokio::spawn(connection);
        let mut octets = 0;
        for counts in [false, true] {
            // The first answer may leave together with the frames that open the connection.
            let before = writes.load(Ordering::Relaxed);
            let (answer, _) = client.send_request(Request::new(()), true).unwrap();
            let mut body = answer.await.unwrap().into_body();
            while let Some(data) = body.data().await {
                octets += data.unwrap().len();
            }
            let trailers = body.trailers().await.unwrap().unwrap();
            assert_eq!(trailers.get(&GRPC_OK.0), Some(&GRPC_OK.1));
            if counts {
                assert_eq!(writes.load(Ordering::Relaxed) - before, 1);
            }
        }
        assert_eq!(octets, 1_200);
    }
}
