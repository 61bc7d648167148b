//! Cross-origin requests: a portal on another origin may call if the configuration names its origin (`docs/rest-api.md`
//! 19, 98).

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::odata::address::called;

/// The origins that may call with credentials.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// Each exactly as browsers send it: `http://pamsrv:8090`.
    pub allowed_origins: Vec<HeaderValue>,
}

impl Cors {
    /// Returns the response to a preflight. The caller is not authenticated, since browsers send no credentials with
    /// it.
    pub fn preflight(&self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, HEAD, POST, OPTIONS"),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        response
    }

    /// Returns the origin of a request, if it may call.
    pub fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        if self.allowed_origins.contains(origin) {
            Some(origin.clone())
        } else {
            None
        }
    }

    /// Returns whether a browser sent this request to change something, on behalf of a page that may not call. Browsers
    /// add the caller's credentials by themselves. Other clients do not report an origin.
    pub fn refuses(&self, request: &Request) -> bool {
        let headers = request.headers();
        if request.method().is_safe() || self.allowed(headers).is_some() {
            return false;
        }
        if let Some(origin) = headers.get(ORIGIN) {
            let address = request.extensions().get();
            return match called(request.uri(), headers, address) {
                Some(called) => !is_of(origin, &called),
                None => true,
            };
        }
        let site = headers.get(&SEC_FETCH_SITE).map(HeaderValue::as_bytes);
        matches!(site, Some(b"cross-site" | b"same-site"))
    }

    /// Marks a response for the browser. The browser hides an unmarked response from the page, errors too.
    pub fn mark(&self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        if self.allowed_origins.is_empty() {
            return;
        }
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
            headers.insert(
                ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static(ALLOWED_HEADERS),
            );
        }
    }
}

/// Returns whether an origin is the server's own, by the host; a proxy in front may have changed the scheme.
fn is_of(origin: &HeaderValue, called: &Authority) -> bool {
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    match origin.split_once("://") {
        Some((_, host)) => called.as_str().eq_ignore_ascii_case(host),
        None => false,
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The headers that OData clients send and that browsers ask permission for. Those of OData 4 are ignored; `accept`
/// needs permission if it is long.
const ALLOWED_HEADERS: &str = "content-type, authorization, accept, dataserviceversion, maxdataserviceversion, odata-version, \
                               odata-maxversion, prefer, x-request-id, x-requested-with";
