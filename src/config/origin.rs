//! The origins of web pages, in the form that browsers send.

use std::net::Ipv6Addr;

use http::uri::Scheme;
use http::{HeaderValue, Uri};

/// Reads an origin. Fails unless it is in exactly the form that browsers send, because no other form ever matches.
pub(super) fn read(text: &str) -> Result<HeaderValue, String> {
    if text == "null" {
        return Err(
            "browsers send null for pages of any kind, such as files and sandboxed frames"
                .to_owned(),
        );
    }
    let origin = text
        .parse::<Uri>()
        .ok()
        .and_then(|uri| as_sent(&uri))
        .ok_or(EXPECTED)?;
    if origin != text {
        return Err(format!(
            "browsers send {origin}, without a path, capitals or the scheme's own port"
        ));
    }
    origin.parse().map_err(|_| EXPECTED.to_owned())
}

/// Returns the origin of a URL: scheme, host, and the port unless it is the scheme's own (RFC 6454, section 6.2).
fn as_sent(uri: &Uri) -> Option<String> {
    let (scheme, authority) = (uri.scheme()?, uri.authority()?);
    let host = authority.host();
    let host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(address) => format!("[{}]", address.parse::<Ipv6Addr>().ok()?),
        None if is_name(host) => host.to_ascii_lowercase(),
        None => return None,
    };
    let of_scheme = match scheme {
        scheme if *scheme == Scheme::HTTP => Some(80),
        scheme if *scheme == Scheme::HTTPS => Some(443),
        _ => None,
    };
    let port = match authority
        .as_str()
        .rsplit('@')
        .next()?
        .strip_prefix(authority.host())?
    {
        "" => String::new(),
        port => match port.strip_prefix(':')?.parse::<u16>().ok()? {
            port if Some(port) == of_scheme => String::new(),
            port => format!(":{port}"),
        },
    };
    Some(format!(
        "{}://{host}{port}",
        scheme.as_str().to_ascii_lowercase()
    ))
}

const EXPECTED: &str =
    "must be an origin as browsers send it, such as http://pamsrv:8090; patterns are not supported";

fn is_name(host: &str) -> bool {
    !host.is_empty()
        && host
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-._".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_sends_is_an_origin() {
        for good in [
            "http://pamsrv:8090",
            "https://pam.contoso.com",
            "http://127.0.0.1:8090",
            "http://[::1]:8090",
            "http://pam_srv",
            "https://xn--mnchen-3ya.example",
            "chrome-extension://abcdefgh",
        ] {
            assert_eq!(read(good).unwrap(), good);
        }
        for (bad, better) in [
            ("http://pamsrv:8090/", "http://pamsrv:8090,"),
            ("http://pamsrv:8090/portal", "http://pamsrv:8090,"),
            ("HTTP://PAMSRV:8090", "http://pamsrv:8090,"),
            ("http://PamSrv", "http://pamsrv,"),
            ("http://pamsrv:80", "http://pamsrv,"),
            ("https://pamsrv:443", "https://pamsrv,"),
            ("http://ann@pamsrv", "http://pamsrv,"),
            ("http://pamsrv?x", "http://pamsrv,"),
            ("http://[0::1]:8090", "http://[::1]:8090,"),
            ("http://pamsrv:08090", "http://pamsrv:8090,"),
            ("null", "sandboxed"),
            ("", "patterns are not supported"),
            ("*", "patterns are not supported"),
            ("pamsrv:8090", "patterns are not supported"),
            ("pamsrv", "patterns are not supported"),
            ("/portal", "patterns are not supported"),
            ("http://*.contoso.com", "patterns are not supported"),
            ("http://", "patterns are not supported"),
            ("http://münchen.example", "patterns are not supported"),
            ("http://pamsrv:99999", "patterns are not supported"),
            ("http://pamsrv http://other", "patterns are not supported"),
        ] {
            let refused = read(bad).unwrap_err();
            assert!(refused.contains(better), "{bad}: {refused}");
        }
    }
}
