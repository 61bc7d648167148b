//! Durations in a file of roles, in the form of the settings, such as `90d` or `1h 30m`.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRound, Unit};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use crate::config;

pub(super) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Duration, D::Error> {
    config::duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

pub(super) fn serialize<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(duration).map_err(S::Error::custom)?)
}

pub(super) fn text(duration: &Duration) -> Result<String, jiff::Error> {
    let days = SpanRound::new().largest(Unit::Day).days_are_24_hours();
    let span = SignedDuration::try_from(*duration)
        .and_then(Span::try_from)?
        .round(days)?;
    Ok(format!("{span:#}"))
}

/// Durations that may be missing.
pub(super) mod optional {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }

    #[expect(clippy::ref_option, reason = "serde passes a reference")]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }
}
