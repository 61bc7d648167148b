//! Trusted proxies: the address that the client called, as the proxy forwards it (`docs/rest-api.md` 47).

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use super::head;
use crate::domain::error::Error;
use crate::rest::Address;

/// The proxies whose forwarding headers count. With the headers of others, a caller could choose the targets of links.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    /// Their addresses.
    pub networks: Vec<IpNet>,
    /// The headers that they set on every request.
    pub family: Forwarded,
}

/// The headers in which a proxy forwards the address that the client called. A proxy sets one family and passes on the
/// other unchanged, so only one can be trusted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Forwarded {
    /// `Forwarded` (RFC 7239).
    Standard,
    /// `X-Forwarded-Host` and `X-Forwarded-Proto`.
    #[default]
    X,
}

impl TrustedProxies {
    /// Returns the address that the client called, from the headers of the proxy at `peer`. Of several values the last
    /// one counts, since it comes from the nearest proxy. A malformed host is an error.
    pub(super) fn address(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
    ) -> Result<Option<Address>, Error> {
        let peer = peer.to_canonical();
        if !self.networks.iter().any(|network| network.contains(&peer)) {
            return Ok(None);
        }
        let (host, scheme) = match self.family {
            Forwarded::Standard => {
                let element = last(headers, &FORWARDED).unwrap_or_default();
                (parameter(element, "host"), parameter(element, "proto"))
            }
            Forwarded::X => (
                last(headers, &X_FORWARDED_HOST),
                last(headers, &X_FORWARDED_PROTO),
            ),
        };
        let authority = match host {
            Some(host) => Some(head::host(host, "The forwarded host")?),
            None => None,
        };
        let scheme = match scheme {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => Some("https"),
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => Some("http"),
            _ => None,
        };
        if authority.is_none() && scheme.is_none() {
            return Ok(None);
        }
        Ok(Some(Address { authority, scheme }))
    }
}

/// Returns the last element of a list over all headers of the name.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    match value.rsplit(',').next()?.trim() {
        "" => None,
        element => Some(element),
    }
}

/// Returns a parameter of an element, without its quotes.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    for parameter in element.split(';') {
        if let Some((known, value)) = parameter.split_once('=')
            && known.trim().eq_ignore_ascii_case(name)
        {
            let value = value.trim();
            let quoted = value.strip_prefix('"');
            return Some(
                quoted
                    .and_then(|text| text.strip_suffix('"'))
                    .unwrap_or(value),
            );
        }
    }
    None
}

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests {
    use super::*;

    fn address(family: Forwarded, peer: &str, headers: &[(&HeaderName, &str)]) -> Option<String> {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).clone(), value.parse().unwrap()))
            .collect();
        let networks = vec![
            "10.0.0.0/8".parse().unwrap(),
            "127.0.0.1/32".parse().unwrap(),
        ];
        let trusted = TrustedProxies { networks, family };
        let Ok(found) = trusted.address(peer.parse().unwrap(), &headers) else {
            return Some("refused".to_owned());
        };
        let found = found?;
        let authority = found.authority.map(|authority| authority.to_string());
        Some(format!(
            "{} {}",
            found.scheme.unwrap_or("-"),
            authority.as_deref().unwrap_or("-")
        ))
    }

    #[test]
    fn the_word_of_our_own_proxy_counts() {
        use Forwarded::{Standard, X};
        type Sent<'a> = &'a [(&'a HeaderName, &'a str)];
        #[rustfmt::skip]
        let table: [(Forwarded, &str, Sent<'_>, Option<&str>); 17] = [
            (Standard, "10.1.2.3", &[(&FORWARDED, "for=1.2.3.4;host=pam.contoso.com;proto=https")], Some("https pam.contoso.com")),
            (Standard, "::ffff:10.1.2.3", &[(&FORWARDED, "host=\"pam.contoso.com:8443\"; Proto=HTTPS")], Some("https pam.contoso.com:8443")),
            (Standard, "127.0.0.1", &[(&FORWARDED, "host=evil.example, host=pam.contoso.com")], Some("- pam.contoso.com")),
            (X, "10.1.2.3", &[(&X_FORWARDED_HOST, "evil.example, pam.contoso.com"), (&X_FORWARDED_PROTO, "https")], Some("https pam.contoso.com")),
            (X, "10.1.2.3", &[(&X_FORWARDED_PROTO, "https")], Some("https -")),
            (Standard, "10.1.2.3", &[(&FORWARDED, "host=a.example"), (&X_FORWARDED_HOST, "b.example")], Some("- a.example")),
            (X, "10.1.2.3", &[(&FORWARDED, "host=a.example"), (&X_FORWARDED_HOST, "b.example")], Some("- b.example")),
            (X, "10.1.2.3", &[(&FORWARDED, "host=evil.example;proto=https")], None),
            (Standard, "10.1.2.3", &[(&X_FORWARDED_HOST, "evil.example"), (&X_FORWARDED_PROTO, "https")], None),
            (Standard, "10.1.2.3", &[(&FORWARDED, "for=1.2.3.4")], None),
            (Standard, "10.1.2.3", &[(&FORWARDED, "host=<script>")], Some("refused")),
            (X, "10.1.2.3", &[(&X_FORWARDED_PROTO, "javascript")], None),
            (X, "10.1.2.3", &[(&X_FORWARDED_HOST, "")], None),
            (X, "10.1.2.3", &[], None),
            (Standard, "11.1.2.3", &[(&FORWARDED, "host=evil.example;proto=https")], None),
            (X, "127.0.0.2", &[(&X_FORWARDED_HOST, "evil.example")], None),
            (X, "::1", &[(&X_FORWARDED_HOST, "evil.example")], None),
        ];
        for (family, peer, headers, expected) in table {
            assert_eq!(
                address(family, peer, headers).as_deref(),
                expected,
                "{family:?} {peer} {headers:?}"
            );
        }
        let nobody = TrustedProxies::default();
        let headers = HeaderMap::from_iter([(X_FORWARDED_HOST, "evil.example".parse().unwrap())]);
        assert!(
            nobody
                .address("127.0.0.1".parse().unwrap(), &headers)
                .unwrap()
                .is_none()
        );
    }
}
