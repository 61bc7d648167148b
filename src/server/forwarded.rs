//! Proxies in front: the address by which the client reached one of ours, when it says so (`wire.md` 47).

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use super::host;
use crate::domain::error::Error;
use crate::rest::Address;

/// The proxies whose word counts; anybody else could make links lead wherever they like.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    /// What the proxy at `peer` says of the address that the client called: in `Forwarded` (RFC 7239), else in
    /// `X-Forwarded-Host` and `X-Forwarded-Proto`. Of several the last one counts, which is the word of our own proxy. A
    /// host that is none is an error.
    pub(super) fn address(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Result<Option<Address>, Error> {
        let peer = peer.map(|peer| peer.to_canonical());
        if !peer.is_some_and(|peer| self.0.iter().any(|network| network.contains(&peer))) {
            return Ok(None);
        }
        let (host, scheme) = match last(headers, &FORWARDED) {
            Some(element) => (parameter(element, "host"), parameter(element, "proto")),
            None => (last(headers, &X_FORWARDED_HOST), last(headers, &X_FORWARDED_PROTO)),
        };
        let authority = host.map(|host| host::read(host, "The forwarded host")).transpose()?;
        let scheme = match scheme {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => Some("https"),
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => Some("http"),
            _ => None,
        };
        Ok((authority.is_some() || scheme.is_some()).then_some(Address { authority, scheme }))
    }
}

/// The last element of a list, over all headers of the name.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim).filter(|element| !element.is_empty())
}

/// A parameter of an element, without its quotes.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let mut parameters = element.split(';').filter_map(|parameter| parameter.split_once('='));
    let value = parameters.find(|(known, _)| known.trim().eq_ignore_ascii_case(name))?.1.trim();
    Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests {
    use super::*;

    fn address(peer: &str, headers: &[(&HeaderName, &str)]) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| ((*name).clone(), value.parse().unwrap())).collect();
        let trusted = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()]);
        let Ok(found) = trusted.address(Some(peer.parse().unwrap()), &headers) else {
            return Some("refused".to_owned());
        };
        let found = found?;
        let authority = found.authority.map(|authority| authority.to_string());
        Some(format!("{} {}", found.scheme.unwrap_or("-"), authority.as_deref().unwrap_or("-")))
    }

    #[test]
    fn the_word_of_our_own_proxy_counts() {
        type Sent<'a> = &'a [(&'a HeaderName, &'a str)];
        #[rustfmt::skip]
        let table: [(&str, Sent<'_>, Option<&str>); 14] = [
            ("10.1.2.3", &[(&FORWARDED, "for=1.2.3.4;host=pam.contoso.com;proto=https")], Some("https pam.contoso.com")),
            ("::ffff:10.1.2.3", &[(&FORWARDED, "host=\"pam.contoso.com:8443\"; Proto=HTTPS")], Some("https pam.contoso.com:8443")),
            ("127.0.0.1", &[(&FORWARDED, "host=evil.example, host=pam.contoso.com")], Some("- pam.contoso.com")),
            ("10.1.2.3", &[(&X_FORWARDED_HOST, "evil.example, pam.contoso.com"), (&X_FORWARDED_PROTO, "https")], Some("https pam.contoso.com")),
            ("10.1.2.3", &[(&X_FORWARDED_PROTO, "https")], Some("https -")),
            ("10.1.2.3", &[(&FORWARDED, "host=a.example"), (&X_FORWARDED_HOST, "b.example")], Some("- a.example")),
            ("10.1.2.3", &[(&FORWARDED, "for=1.2.3.4")], None),
            ("10.1.2.3", &[(&FORWARDED, "host=<script>")], Some("refused")),
            ("10.1.2.3", &[(&X_FORWARDED_PROTO, "javascript")], None),
            ("10.1.2.3", &[(&X_FORWARDED_HOST, "")], None),
            ("10.1.2.3", &[], None),
            ("11.1.2.3", &[(&FORWARDED, "host=evil.example;proto=https")], None),
            ("127.0.0.2", &[(&X_FORWARDED_HOST, "evil.example")], None),
            ("::1", &[(&X_FORWARDED_HOST, "evil.example")], None),
        ];
        for (peer, headers, expected) in table {
            assert_eq!(address(peer, headers).as_deref(), expected, "{peer} {headers:?}");
        }
        let nobody = TrustedProxies::default();
        let headers = HeaderMap::from_iter([(X_FORWARDED_HOST, "evil.example".parse().unwrap())]);
        assert!(nobody.address(Some("127.0.0.1".parse().unwrap()), &headers).unwrap().is_none());
    }
}
