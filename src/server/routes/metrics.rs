//! `GET /metrics`: the metrics, for administrators and monitors.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use super::health::Readiness;
use crate::auth::Authenticator;
use crate::domain::caller::Caller;
use crate::domain::error::Error;
use crate::domain::moment::Seconds;
use crate::service::Service;
use crate::telemetry::metrics::{Format, Metrics, Readings};

/// The sources of a scrape.
pub(crate) struct Scrape {
    /// The metrics that are counted as events happen.
    pub(crate) metrics: Arc<Metrics>,
    /// Whether the server can decide.
    pub(crate) ready: Readiness,
    /// Counts the elevations.
    pub(crate) service: Arc<Service>,
    /// Counts the tokens that expire.
    pub(crate) authenticator: Arc<Authenticator>,
}

impl Scrape {
    /// Returns the metrics, for a caller who may read them.
    pub(super) async fn read(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
    ) -> Result<Response, Error> {
        let format = format(headers);
        let mut response = Response::new(Body::from(self.text(caller, format).await?));
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static(format.content_type()),
        );
        Ok(response)
    }

    async fn text(&self, caller: &Caller, format: Format) -> Result<String, Error> {
        self.service.check_monitor(caller)?;
        let readings = Readings {
            ready: self.ready.is_ready(),
            census: self.service.census().await,
            tokens_expiring: self.authenticator.expiring_within(Seconds::WEEK),
        };
        self.metrics.text(readings, format).map_err(Error::internal)
    }
}

/// Returns the format that a scraper prefers. A scraper that accepts neither gets the text format of Prometheus, which
/// every scraper reads.
fn format(headers: &HeaderMap) -> Format {
    let accepted = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let (mut openmetrics, mut prometheus) = (0.0, 0.0);
    for (format, quality) in accepted
        .flat_map(|value| value.split(','))
        .filter_map(range)
    {
        let best = match format {
            Some(Format::OpenMetrics) => &mut openmetrics,
            _ => &mut prometheus,
        };
        *best = f32::max(*best, quality);
    }
    if openmetrics > 0.0 && openmetrics >= prometheus {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

/// Returns the format that an element of `Accept` names, and its weight. An element that accepts any type has no
/// format.
fn range(text: &str) -> Option<(Option<Format>, f32)> {
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let (format, served) = match &*parts.next()? {
        "application/openmetrics-text" => (Some(Format::OpenMetrics), "1.0.0"),
        "text/plain" => (Some(Format::Prometheus), "0.0.4"),
        "*/*" | "text/*" => (None, ""),
        _ => return None,
    };
    let mut quality = 1.0;
    for part in parts {
        match part
            .split_once('=')
            .map(|(name, value)| (name.trim(), value.trim()))
        {
            Some(("version", version)) if version != served => return None,
            Some(("q", weight)) => quality = weight.parse().ok()?,
            _ => {}
        }
    }
    Some((format, quality))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_the_format_that_it_likes_best() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let table = [
            (&[prometheus_2][..], Format::OpenMetrics),
            (&[prometheus_3], Format::OpenMetrics),
            (
                &["text/plain;version=0.0.4;q=0.5, application/openmetrics-text"],
                Format::OpenMetrics,
            ),
            (
                &["text/plain", "application/openmetrics-text; version=1.0.0"],
                Format::OpenMetrics,
            ),
            (
                &["Application/OpenMetrics-Text; Version=1.0.0"],
                Format::OpenMetrics,
            ),
            (
                &["application/openmetrics-text;version=0.0.1"],
                Format::Prometheus,
            ),
            (
                &["application/openmetrics-text;version=2.0.0,text/plain;q=0.1"],
                Format::Prometheus,
            ),
            (&["application/openmetrics-text;q=0"], Format::Prometheus),
            (
                &["application/openmetrics-text;q=0.4,text/plain;q=0.5"],
                Format::Prometheus,
            ),
            (&["application/openmetrics-text;q=none"], Format::Prometheus),
            (&["application/openmetrics-textual"], Format::Prometheus),
            (&["text/plain"], Format::Prometheus),
            (&["*/*"], Format::Prometheus),
            (&["application/json"], Format::Prometheus),
            (&[], Format::Prometheus),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(format(&headers), expected, "{values:?}");
        }
    }
}
