//! Checks of the head of a request: its length, and the host, which becomes part of every link.

use std::net::Ipv6Addr;

use axum::extract::Request;
use http::header::HOST;
use http::uri::Authority;
use rustls::pki_types::ServerName;

use crate::domain::error::{Error, Kind};

/// The fault of a head that never became a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MalformedHead {
    /// The head is not HTTP.
    Malformed,
    /// The head is longer than the server reads, or has more headers.
    TooLong,
    /// The head did not arrive in time.
    TooSlow,
}

impl MalformedHead {
    /// Returns the error for the client.
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Malformed => Error::invalid("The request is not well-formed HTTP."),
            Self::TooLong => Error::new(Kind::HeadTooLarge, "The head of the request is too long."),
            Self::TooSlow => Error::new(
                Kind::DeadlineExceeded,
                "The head of the request took too long. Nothing happened.",
            ),
        }
    }
}

/// Checks the length of the headers and the host. The library of HTTP/2 refuses much longer heads by itself, but
/// without a message that a gRPC client would understand.
pub(super) fn check(request: &Request) -> Result<(), Error> {
    let mut octets = 0;
    for (name, value) in request.headers() {
        octets += name.as_str().len() + value.len() + ENTRY;
    }
    if octets > MAX_HEADERS {
        let message = "The headers, or the metadata of the call, are longer than 64 KiB.";
        return Err(Error::new(Kind::HeadTooLarge, message));
    }
    check_host(request)
}

/// Checks the host in the request line or `:authority`, and in the `Host` header. Both may be absent; if an operation
/// needs the host, it refuses such a request itself.
fn check_host(request: &Request) -> Result<(), Error> {
    if let Some(authority) = request.uri().authority() {
        host(authority.as_str(), "The host of the request")?;
    }
    let mut headers = request.headers().get_all(HOST).iter();
    match (headers.next(), headers.next()) {
        (None, _) => Ok(()),
        (Some(header), None) if header.is_empty() => Ok(()),
        (Some(header), None) => {
            host(header.to_str().unwrap_or_default(), "The Host header").map(drop)
        }
        (Some(_), Some(_)) => Err(Error::invalid("There must be only one Host header.")),
    }
}

/// Reads a host: a name or an address, with or without a port. `place` names its place in the error.
pub(super) fn host(text: &str, place: &str) -> Result<Authority, Error> {
    if text.len() <= MAX_HOST
        && let Ok(authority) = text.parse()
        && is_host(&authority)
    {
        return Ok(authority);
    }
    Err(Error::invalid(format!(
        "{place} must be one name or address, such as pam.contoso.com:8086, of at most {MAX_HOST} octets."
    )))
}

fn is_host(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_named = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => ServerName::try_from(host).is_ok(),
    };
    // A user before the host must not become part of a link.
    match authority.as_str().strip_prefix(host) {
        Some("") => is_named,
        Some(rest) => is_named && rest.strip_prefix(':').is_some_and(is_port),
        None => false,
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// Room for the longest name of DNS, but not for its port too.
const MAX_HOST: usize = 255;
/// The maximum of all names and values in octets, counted as in HTTP/2.
const MAX_HEADERS: usize = 64 * 1024;
/// The octets that HTTP/2 adds for each header (RFC 9113, section 6.5.2).
const ENTRY: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port_or_without() {
        let long = [
            "x".repeat(63),
            "y".repeat(63),
            "z".repeat(63),
            "w".repeat(61),
        ]
        .join(".");
        for good in [
            "pam",
            "a_",
            "a.b.",
            "A-b_c.d:1",
            "1.2.3.4:65535",
            "[::1]:80",
            &long,
            &format!("{}:1", &long[..253]),
        ] {
            assert!(host(good, "It").is_ok(), "{good}");
        }
        for bad in [
            "",
            ":80",
            "a:",
            "a:+1",
            "a:65536",
            "a:b",
            "a@b",
            "a@a",
            "a:1@a",
            "[::1]x",
            "[1.2.3.4]",
            "[fe80::1%25lo]",
            "::1",
            "-a",
            "a-.b",
            "a%20b",
            "é",
            "1.2.3.4.5",
            &format!("{long}w"),
            &"x".repeat(64),
        ] {
            assert_eq!(host(bad, "It").is_ok(), bad == "a_", "{bad}");
        }
    }
}
