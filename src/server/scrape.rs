//! `GET /metrics`: what the server measures, for who monitors it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::get;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use tonic::Status;

use super::edge;
use super::probes::Readiness;
use crate::domain::caller::Caller;
use crate::domain::error::Error;
use crate::domain::rights;
use crate::metrics::Metrics;

/// The route, which expects the caller in the extensions of the request.
pub(super) fn route(metrics: Arc<Metrics>, ready: Readiness) -> Router {
    let scraped = Arc::new(Scraped { metrics, ready });
    Router::new().route("/metrics", get(scrape).fallback(edge::method_not_allowed).with_state(scraped))
}

struct Scraped {
    metrics: Arc<Metrics>,
    ready: Readiness,
}

async fn scrape(
    State(scraped): State<Arc<Scraped>>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
) -> Response {
    match text(&scraped, &caller) {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            response.headers_mut().insert(CONTENT_TYPE, content_type(&headers));
            response
        }
        Err(error) => Status::from(error).into_http(),
    }
}

fn text(scraped: &Scraped, caller: &Caller) -> Result<String, Error> {
    rights::monitors(caller)?;
    scraped.metrics.text(scraped.ready.is_ready()).map_err(Error::internal)
}

/// The text is right in both formats, so it is called what the caller asks for.
fn content_type(headers: &HeaderMap) -> HeaderValue {
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    HeaderValue::from_static(match accepted.contains("application/openmetrics-text") {
        true => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        false => "text/plain; version=0.0.4; charset=utf-8",
    })
}
