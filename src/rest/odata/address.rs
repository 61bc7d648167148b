//! The address under which clients reach the API.

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Uri};

use crate::errors::Error;

/// The address that the client of a trusted proxy called, as reported by that proxy.
#[derive(Clone, Debug)]
pub struct Address {
    /// The host, with the port if it is not the default one.
    pub authority: Option<Authority>,
    /// `http` or `https`.
    pub scheme: Option<&'static str>,
}

/// Returns the address under which the client reaches the API, with which every link begins. `root` is the path of the
/// API, with a slash at each end.
///
/// # Errors
///
/// If the request does not name its host, or names it in an unusual form.
pub fn base_url(request: &Parts, root: &str) -> Result<String, Error> {
    let forwarded = request.extensions.get::<Address>();
    let scheme = match forwarded {
        Some(Address {
            scheme: Some(scheme),
            ..
        }) => scheme,
        _ => "http",
    };
    match called(&request.uri, &request.headers, forwarded) {
        Some(authority) => Ok(format!("{scheme}://{authority}{root}")),
        None => Err(Error::invalid("The Host header is missing or malformed.")),
    }
}

/// Returns the host that the client called: from a trusted proxy, or else from the request. `None` if neither names
/// one.
pub fn called(uri: &Uri, headers: &HeaderMap, forwarded: Option<&Address>) -> Option<Authority> {
    let from_proxy = forwarded.and_then(|address| address.authority.clone());
    let authority = match from_proxy.or_else(|| uri.authority().cloned()) {
        Some(authority) => authority,
        None => {
            let mut hosts = headers.get_all(http::header::HOST).iter();
            let (Some(host), None) = (hosts.next(), hosts.next()) else {
                return None;
            };
            host.to_str().ok()?.parse().ok()?
        }
    };
    if authority.as_str().contains('@') {
        None
    } else {
        Some(authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_follow_the_host_of_the_request() {
        let base = |host: &str| {
            let request = http::Request::get("/api").header(http::header::HOST, host);
            base_url(&request.body(()).unwrap().into_parts().0, "/base/")
        };
        assert_eq!(
            base("pam.contoso.com:8086").unwrap(),
            "http://pam.contoso.com:8086/base/"
        );
        for bad in ["<script>", "a b", "user@host", ""] {
            assert!(base(bad).is_err(), "{bad}");
        }
    }
}
