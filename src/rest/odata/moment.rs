//! The printing of moments and times of day.

use jiff::tz::TimeZone;
use prost_types::Timestamp;
use serde_json::value::RawValue;

/// Prints a moment as lists do: UTC, milliseconds, without trailing zeros; year 1 if there is none.
pub fn utc(time: Option<Timestamp>) -> String {
    let Some(time) = readable(time) else {
        return MIN_VALUE.to_owned();
    };
    let text = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    match nanoseconds(time) / 1_000_000 {
        0 => text + "Z",
        milliseconds => format!(
            "{text}.{}Z",
            format!("{milliseconds:03}").trim_end_matches('0')
        ),
    }
}

/// Prints a moment as the response to a creation does: UTC with up to seven digits (`docs/rest-api.md` B36).
pub fn precise_utc(time: Option<Timestamp>) -> String {
    let Some(time) = readable(time) else {
        return MIN_VALUE.to_owned();
    };
    format!(
        "{}{}Z",
        time.strftime("%Y-%m-%dT%H:%M:%S"),
        seven_digits(time)
    )
}

/// Prints the moment of the creation in its response: local, with the offset (`docs/rest-api.md` B36).
pub fn local_time(time: Option<Timestamp>, zone: &TimeZone) -> String {
    let Some(time) = readable(time) else {
        return MIN_VALUE.to_owned();
    };
    let local = time.to_zoned_datetime(zone.clone());
    format!(
        "{}{}{}",
        local.strftime("%Y-%m-%dT%H:%M:%S"),
        seven_digits(time),
        local.strftime("%:z")
    )
}

fn readable(time: Option<Timestamp>) -> Option<jiff::Timestamp> {
    let time = time?;
    jiff::Timestamp::new(time.seconds, time.nanos).ok()
}

/// Returns the nanoseconds since the last whole second; before 1970 the library counts them to the next one.
fn nanoseconds(time: jiff::Timestamp) -> i32 {
    time.subsec_nanosecond().rem_euclid(1_000_000_000)
}

/// Prints the fraction of a second, without trailing zeros.
fn seven_digits(time: jiff::Timestamp) -> String {
    match nanoseconds(time) / 100 {
        0 => String::new(),
        ticks => format!(".{}", format!("{ticks:07}").trim_end_matches('0')),
    }
}

/// Prints a moment as version 2 did, in milliseconds. The slashes are escaped, which distinguishes it from a text.
pub fn milliseconds(moment: Option<Timestamp>) -> Box<RawValue> {
    printed_milliseconds(readable(moment).unwrap_or(FIRST_MOMENT))
}

/// Returns a time of day such as `08:00` on the first day there is; midnight if it is empty (`docs/rest-api.md` B19).
pub fn time_of_day(text: &str) -> jiff::Timestamp {
    let minutes = jiff::SignedDuration::from_mins(minutes_of(text).unwrap_or_default());
    FIRST_MOMENT.checked_add(minutes).unwrap_or(FIRST_MOMENT)
}

fn minutes_of(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    Some(hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?)
}

/// Prints a time of day such as `08:00` as every form except version 2 does, without a zone.
pub fn printed_time_of_day(text: &str) -> String {
    time_of_day(text).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

pub fn printed_milliseconds(moment: jiff::Timestamp) -> Box<RawValue> {
    let text = format!("\"\\/Date({})\\/\"", moment.as_millisecond());
    RawValue::from_string(text).expect("a number between constant texts is JSON")
}

/// The moment that means "none": 0001-01-01T00:00:00Z.
const FIRST_MOMENT: jiff::Timestamp = jiff::Timestamp::constant(-62_135_596_800, 0);
/// The printed form of a missing time, without a zone (`docs/rest-api.md` B4).
pub const MIN_VALUE: &str = "0001-01-01T00:00:00";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_without_trailing_zeros() {
        for (seconds, nanos, text) in [
            (1_434_084_577, 0, "2015-06-12T04:49:37Z"),
            (1_434_084_577, 580_000_000, "2015-06-12T04:49:37.58Z"),
            (1_434_084_577, 431_999_900, "2015-06-12T04:49:37.431Z"),
            (1_434_084_577, 999_900, "2015-06-12T04:49:37Z"),
            (1_434_084_577, 5_000_000, "2015-06-12T04:49:37.005Z"),
            (-1, 750_000_000, "1969-12-31T23:59:59.75Z"),
        ] {
            assert_eq!(utc(Some(Timestamp { seconds, nanos })), text);
        }
        assert_eq!(utc(None), "0001-01-01T00:00:00");
    }

    #[test]
    fn times_before_1970_count_forward_too() {
        let message = Timestamp {
            seconds: -298_945_200,
            nanos: 250_000_100,
        };
        assert_eq!(precise_utc(Some(message)), "1960-07-11T23:40:00.2500001Z");
        let zone = TimeZone::get("America/Los_Angeles").unwrap();
        assert_eq!(
            local_time(Some(message), &zone),
            "1960-07-11T16:40:00.2500001-07:00"
        );
    }
}
