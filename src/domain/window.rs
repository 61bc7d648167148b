//! Availability windows: the time of day at which an elevation of a role may start.

use std::fmt;

use jiff::tz::TimeZone;

use super::error::Error;
use super::moment::Moment;

/// The times of day from one up to a later one, which is excluded, in the service's own time zone (`docs/rest-api.md`
/// B17 and B18).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    from: TimeOfDay,
    to: TimeOfDay,
}

impl Window {
    /// Returns the window, which does not cross midnight: `from` is before `to`.
    pub fn new(from: TimeOfDay, to: TimeOfDay) -> Result<Self, Error> {
        if from < to {
            Ok(Self { from, to })
        } else {
            Err(Error::invalid(
                "An availability window ends later on the day than it begins.",
            ))
        }
    }

    /// Returns the window between two written times of day; `None` if both are empty.
    pub fn read(from: &str, to: &str) -> Result<Option<Self>, Error> {
        match (from, to) {
            ("", "") => Ok(None),
            ("", _) | (_, "") => Err(Error::invalid(
                "An availability window has a begin and an end.",
            )),
            (from, to) => Self::new(TimeOfDay::read(from)?, TimeOfDay::read(to)?).map(Some),
        }
    }

    /// Returns the time of day at which it begins.
    pub fn from(self) -> TimeOfDay {
        self.from
    }

    /// Returns the time of day at which it ends.
    pub fn to(self) -> TimeOfDay {
        self.to
    }

    /// Returns whether `moment` is in the window, by the local time of `zone`.
    pub fn contains(self, moment: Moment, zone: &TimeZone) -> bool {
        TimeOfDay::at(moment, zone).is_some_and(|time| (self.from..self.to).contains(&time))
    }
}

/// A time of day in whole minutes, `00:00` to `24:00`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// Returns the time of day of a text such as `08:00`.
    pub fn read(text: &str) -> Result<Self, Error> {
        let digits =
            |text: &str| text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        match text.split_once(':') {
            Some((hours, minutes)) if digits(hours) && digits(minutes) => {
                let [hours, minutes] =
                    [hours, minutes].map(|text| text.parse().unwrap_or(u16::MAX));
                match (hours, minutes) {
                    (0..24, 0..60) | (24, 0) => Ok(Self(hours * 60 + minutes)),
                    _ => Err(malformed()),
                }
            }
            _ => Err(malformed()),
        }
    }

    /// Returns the local time in `zone`, cut to the minute; `None` for a moment that no calendar has.
    fn at(moment: Moment, zone: &TimeZone) -> Option<Self> {
        let time = jiff::Timestamp::from_nanosecond(i128::from(moment.ticks()) * 100).ok()?;
        let time = zone.to_datetime(time).time();
        let minutes = i16::from(time.hour()) * 60 + i16::from(time.minute());
        u16::try_from(minutes).ok().map(Self)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

fn malformed() -> Error {
    Error::invalid("A time of day is written as hours and minutes, from 00:00 to 24:00.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: &str, to: &str) -> Result<Window, Error> {
        Window::new(TimeOfDay::read(from)?, TimeOfDay::read(to)?)
    }

    #[test]
    fn a_time_of_day_has_one_form() {
        for text in ["00:00", "08:05", "23:59", "24:00"] {
            assert_eq!(TimeOfDay::read(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            "8:00",
            "08:0",
            "08:60",
            "24:01",
            "25:00",
            "08:00:00",
            "+8:00",
            "٠٨:٠٠",
            "-1:00",
        ] {
            assert!(TimeOfDay::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_window_passes_midnight() {
        assert!(window("08:00", "17:00").is_ok());
        assert!(window("00:00", "24:00").is_ok());
        for (from, to) in [("17:00", "08:00"), ("08:00", "08:00"), ("24:00", "00:00")] {
            assert!(window(from, to).is_err(), "{from} {to}");
        }
    }

    #[test]
    fn only_the_time_on_the_wall_counts() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let window = window("08:00", "17:00").unwrap();
        let table = [
            ("2026-01-15T06:59:59.9999999Z", false),
            ("2026-01-15T07:00:00Z", true),
            ("2026-01-15T15:59:59.9999999Z", true),
            ("2026-01-15T16:00:00Z", false),
            ("2026-07-15T06:00:00Z", true),
            ("2026-07-15T15:00:00Z", false),
        ];
        for (moment, inside) in table {
            let moment = Moment::read(moment, None).unwrap();
            assert_eq!(window.contains(moment, &zone), inside, "{moment}");
        }
        assert!(!window.contains(Moment::from_ticks(i64::MAX), &zone));
    }
    #[test]
    fn a_window_is_read_as_a_whole_or_is_none() {
        assert_eq!(Window::read("", "").unwrap(), None);
        let window = Window::read("08:05", "24:00").unwrap().unwrap();
        assert_eq!(
            (window.from().to_string(), window.to().to_string()),
            ("08:05".into(), "24:00".into())
        );
        for (from, to) in [
            ("08:00", ""),
            ("", "17:00"),
            ("08:00", "17"),
            ("17:00", "08:00"),
        ] {
            assert!(Window::read(from, to).is_err(), "{from} {to}");
        }
    }
}
