//! The values of settings, from texts.

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo};

use crate::domain::account::{Account, Group};
use crate::domain::moment::Seconds;

pub(super) fn account(text: &str) -> Result<Account, String> {
    Account::named(text).map_err(|error| error.to_string())
}

/// Reads an account of a list. White space next to the commas is ignored.
pub(super) fn listed_account(text: &str) -> Result<Account, String> {
    account(text.trim())
}

pub(super) fn group(text: &str) -> Result<Group, String> {
    Group::named(text).map_err(|error| error.to_string())
}

pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse().or_else(|_| {
        text.parse()
            .map(|address: IpAddr| address.to_canonical().into())
    });
    network.map_err(|_| {
        "expected an address such as 10.1.2.3 or a network such as 10.0.0.0/8".to_owned()
    })
}

pub(super) fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| "expected an IANA name such as Europe/Berlin".to_owned())
}

/// Reads a URL of `http` that has a host and no path, user or query.
pub(super) fn endpoint(text: &str) -> Result<Uri, String> {
    let endpoint = text.parse::<Uri>().ok().filter(|uri| {
        let bare = uri
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'));
        bare && uri.scheme() == Some(&Scheme::HTTP)
            && matches!(
                uri.path_and_query().map(|path| path.as_str()),
                None | Some("/")
            )
    });
    endpoint.ok_or_else(|| "expected an address such as http://127.0.0.1:4317".to_owned())
}

pub(super) fn whole_seconds(text: &str) -> Result<Seconds, String> {
    let seconds = i64::try_from(duration(text)?.as_secs()).map_err(|error| error.to_string())?;
    match Seconds::new(seconds) {
        Ok(Seconds::ZERO) => Err("must be at least 1 second".to_owned()),
        seconds => seconds.map_err(|error| error.to_string()),
    }
}

/// Reads a duration such as `90d`, `12h` or `1m 30s`. A day has 24 hours.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let span: Span = text
        .parse()
        .map_err(|_| "expected a duration such as 90d, 12h or 30s")?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|error| error.to_string())?;
    duration
        .try_into()
        .map_err(|_| "must not be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [
            ("90d", 90 * 86_400),
            ("12h", 43_200),
            ("1m 30s", 90),
            ("0s", 0),
        ] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds, "{text}");
        }
        for bad in ["", "90", "-5s", "soon", "1 month"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(
            whole_seconds("0s").is_err(),
            "a duration has at least a second"
        );
    }

    #[test]
    fn endpoints() {
        for good in [
            "http://127.0.0.1:4317",
            "http://collector:4317/",
            "http://[::1]:4317",
        ] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "collector",
            "collector:4317",
            "/path",
            "https://collector:4317",
            "http://a:b@c",
            "http://a/b",
            "http://a?b",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }
}
