//! The responses to heads that are malformed, too long or too slow. hyper itself responds to the first two without a
//! body, so its response is held back ([`super::header_timeout`]), and this one replaces it.
//!
//! The pipeline prints the response, so that it looks like every other error and is logged and counted like one. It lacks
//! the headers for pages of other origins, because the origin cannot be read.

use std::io::{self, Write};
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use http::HeaderValue;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::domain::moment::Moment;
use crate::server::pipeline::Pipeline;
use crate::server::pipeline::head::MalformedHead;
use crate::time::{Clock, SystemClock};

/// Sends the error and ends the connection.
pub(crate) async fn answer(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    pipeline: Arc<Pipeline>,
    malformed: MalformedHead,
) -> io::Result<()> {
    let request = Request::new(Body::empty());
    let response = pipeline.answer(request, Err(malformed)).await;
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(io::Error::other)?;
    parts
        .headers
        .insert(CONNECTION, HeaderValue::from_static("close"));
    parts.headers.insert(CONTENT_LENGTH, body.len().into());
    parts.headers.extend(date().map(|date| (DATE, date)));
    let mut bytes = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        write!(bytes, "{name}: ")?;
        bytes.extend([value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend([b"\r\n", &*body].concat());
    stream.write_all(&bytes).await?;
    stream.shutdown().await?;
    // If a connection is closed with unread bytes, the client may lose the response.
    let mut rest = [0; 4_096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

fn date() -> Option<HeaderValue> {
    let seconds = SystemClock
        .now()
        .ticks()
        .div_euclid(Moment::TICKS_PER_SECOND);
    let now = Timestamp::from_second(seconds).ok()?;
    let date = DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&now)
        .ok()?;
    HeaderValue::try_from(date).ok()
}
