//! Points in time and lengths of time.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::{self, DateTime};
use jiff::fmt::temporal::Pieces;
use jiff::tz::{Offset, TimeZone};

use super::error::Error;

/// A point in time: a count of 100 ns since 1970-01-01T00:00:00Z, the resolution of the original's own clock.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Moment(i64);

impl Moment {
    /// The number of ticks in a millisecond.
    pub const TICKS_PER_MILLISECOND: i64 = 10_000;
    /// The number of ticks in a second.
    pub const TICKS_PER_SECOND: i64 = 10_000_000;

    /// The first moment of the year 1, which legacy clients read as no time.
    pub const FIRST: Self = Self(-621_355_968_000_000_000);
    /// The last moment of the year 9999.
    pub const LAST: Self = Self(2_534_023_007_999_999_999);

    /// Returns the moment the given seconds and nanoseconds after the epoch, cut to 100 ns. Every moment from outside
    /// is made here. Fails outside the years 1 to 9999, and for nanoseconds outside 0 to 999,999,999.
    pub fn new(seconds: i64, nanoseconds: i32) -> Result<Self, Error> {
        let subsecond = match nanoseconds {
            0..1_000_000_000 => i64::from(nanoseconds / 100),
            _ => return Err(out_of_range()),
        };
        match seconds
            .saturating_mul(Self::TICKS_PER_SECOND)
            .saturating_add(subsecond)
        {
            ticks if (Self::FIRST.0..=Self::LAST.0).contains(&ticks) => Ok(Self(ticks)),
            _ => Err(out_of_range()),
        }
    }

    /// Returns the moment at which clocks with that offset from UTC show `time`. Fails for offsets beyond 14:00, since
    /// no place has one.
    pub fn with_offset(time: DateTime, offset: Offset) -> Result<Self, Error> {
        if offset.seconds().abs() > LARGEST_OFFSET {
            return Err(Error::invalid(
                "The offset of a time must be at most 14:00 in either direction.",
            ));
        }
        let since = time.duration_since(EPOCH) - SignedDuration::from_secs(offset.seconds().into());
        Self::since_epoch(since)
    }

    /// Returns the moment at which the clocks of a time zone show `time`: the later one in the gap of a clock change,
    /// the earlier one in its overlap.
    pub fn in_zone(time: DateTime, zone: &TimeZone) -> Result<Self, Error> {
        let moment = zone.to_ambiguous_timestamp(time).compatible();
        moment.map_err(|_| out_of_range())?.try_into()
    }

    /// Reads a time in ISO 8601, such as `2027-01-05T10:00:00+01:00`. A time without an offset is in `zone`; without a
    /// zone the offset is required.
    pub fn read(text: &str, zone: Option<&TimeZone>) -> Result<Self, Error> {
        let pieces = Pieces::parse(text).map_err(|_| malformed())?;
        let time = pieces
            .date()
            .to_datetime(pieces.time().unwrap_or(civil::Time::midnight()));
        match (pieces.to_numeric_offset(), zone) {
            _ if pieces.time_zone_annotation().is_some() => Err(malformed()),
            (Some(offset), _) => Self::with_offset(time, offset),
            (None, Some(zone)) => Self::in_zone(time, zone),
            (None, None) => Err(malformed()),
        }
    }

    /// Returns the moment `ticks` of 100 ns after the epoch, for moments of a store, of the record and of computations.
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }

    /// Returns the moment the given ticks after the epoch, if it is one that [`Moment::new`] makes.
    pub fn from_given_ticks(ticks: i64) -> Result<Self, Error> {
        let nanoseconds = i32::try_from(ticks.rem_euclid(Self::TICKS_PER_SECOND) * 100);
        Self::new(
            ticks.div_euclid(Self::TICKS_PER_SECOND),
            nanoseconds.map_err(Error::internal)?,
        )
    }

    fn since_epoch(since: SignedDuration) -> Result<Self, Error> {
        // The duration counts the nanoseconds of a time before the epoch backwards.
        let nanoseconds = since.subsec_nanos().rem_euclid(1_000_000_000);
        Self::new(
            since.as_secs() - i64::from(since.subsec_nanos() < 0),
            nanoseconds,
        )
    }

    /// Returns the ticks of 100 ns since the epoch.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// Returns the moment `duration` later; the end of time if that is too late to be counted.
    #[must_use]
    pub const fn after(self, duration: Seconds) -> Self {
        Self(self.0.saturating_add(duration.0 * Self::TICKS_PER_SECOND))
    }

    /// Returns the moment that much later; the end of time if that is too late to be counted.
    #[must_use]
    pub fn after_duration(self, duration: Duration) -> Self {
        let ticks = i64::try_from(duration.as_nanos() / 100).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(ticks))
    }

    /// Returns the time until a later moment; zero if it is not later.
    pub fn until(self, later: Self) -> Duration {
        let ticks = u64::try_from(later.0.saturating_sub(self.0)).unwrap_or_default();
        Duration::from_nanos(ticks.saturating_mul(100))
    }

    /// Returns the moment `duration` earlier; the start of time if that is too early to be counted.
    #[must_use]
    pub const fn before(self, duration: Seconds) -> Self {
        Self(self.0.saturating_sub(duration.0 * Self::TICKS_PER_SECOND))
    }

    /// Returns the start of the millisecond that contains this moment. Lists print it and filters compare it.
    #[must_use]
    pub const fn millisecond(self) -> Self {
        Self(self.0 - self.0.rem_euclid(Self::TICKS_PER_MILLISECOND))
    }
}

impl TryFrom<jiff::Timestamp> for Moment {
    type Error = Error;

    fn try_from(time: jiff::Timestamp) -> Result<Self, Error> {
        Self::since_epoch(time.as_duration())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = SignedDuration::from_nanos_i128(i128::from(self.0) * 100);
        match EPOCH.checked_add(since) {
            Ok(time) => write!(f, "{time}Z"),
            Err(_) => write!(f, "{} ticks", self.0),
        }
    }
}

fn malformed() -> Error {
    Error::invalid(
        "A time must be written as in 2027-01-05T10:00:00Z or 2027-01-05T10:00:00+01:00.",
    )
}

fn out_of_range() -> Error {
    Error::invalid("A moment must be in the years 1 to 9999, with 0 to 999,999,999 nanoseconds.")
}

const EPOCH: DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);
/// In seconds: 14 hours.
const LARGEST_OFFSET: i32 = 14 * 3_600;

/// How long a role is held, in whole seconds up to 3,660 days. Zero requests the release of the role.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Seconds(i64);

impl Seconds {
    /// A day.
    pub const DAY: Self = Self(86_400);

    /// An hour.
    pub const HOUR: Self = Self(3_600);

    /// The longest duration: 3,660 days.
    pub const LONGEST: Self = Self(3_660 * 86_400);

    /// A week.
    pub const WEEK: Self = Self(7 * 86_400);

    /// Zero seconds.
    pub const ZERO: Self = Self(0);

    /// Returns a duration of the given seconds, if it is within the bounds.
    pub fn new(seconds: i64) -> Result<Self, Error> {
        match seconds {
            0.. if seconds <= Self::LONGEST.0 => Ok(Self(seconds)),
            _ => Err(Error::invalid(
                "A duration is at most 3,660 days, and never negative.",
            )),
        }
    }

    /// Returns the whole seconds from one moment to a later one, up to the longest duration; zero if it is not later.
    pub fn between(from: Moment, to: Moment) -> Self {
        let seconds = to.0.saturating_sub(from.0) / Moment::TICKS_PER_SECOND;
        Self(seconds.clamp(0, Self::LONGEST.0))
    }

    /// Returns the duration in seconds.
    pub const fn seconds(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_falls_into_a_millisecond_before_the_epoch_too() {
        for (ticks, millisecond) in [
            (0, 0),
            (9_999, 0),
            (10_000, 10_000),
            (-1, -10_000),
            (-10_000, -10_000),
        ] {
            assert_eq!(Moment::from_ticks(ticks).millisecond().ticks(), millisecond);
        }
    }

    #[test]
    fn a_duration_has_bounds() {
        for (seconds, valid) in [
            (0, true),
            (1, true),
            (316_224_000, true),
            (316_224_001, false),
            (-1, false),
        ] {
            assert_eq!(Seconds::new(seconds).is_ok(), valid, "{seconds}");
        }
    }

    #[test]
    fn a_moment_never_wraps_around() {
        assert_eq!(
            Moment::from_ticks(i64::MAX).after(Seconds::LONGEST).ticks(),
            i64::MAX
        );
    }

    #[test]
    fn year_one_is_a_moment() {
        let min: jiff::Timestamp = "0001-01-01T00:00:00Z".parse().expect("a valid time");
        assert_eq!(Moment::try_from(min).unwrap(), Moment::FIRST);
    }

    #[test]
    fn only_the_years_1_to_9999_have_moments() {
        let table = [
            (-62_135_596_800, 0, Some("0001-01-01T00:00:00Z")),
            (-62_135_596_801, 999_999_999, None),
            (
                253_402_300_799,
                999_999_999,
                Some("9999-12-31T23:59:59.9999999Z"),
            ),
            (253_402_300_800, 0, None),
            (-1, 999_999_999, Some("1969-12-31T23:59:59.9999999Z")),
            (0, -1, None),
            (0, 1_000_000_000, None),
            (-377_705_023_201, 0, None),
            (i64::MIN, i32::MIN, None),
            (i64::MAX, i32::MAX, None),
        ];
        for (seconds, nanoseconds, text) in table {
            let moment = Moment::new(seconds, nanoseconds).map(|moment| moment.to_string());
            assert_eq!(moment.ok().as_deref(), text, "{seconds} {nanoseconds}");
        }
        for ticks in [Moment::FIRST.0, -1, 0, Moment::LAST.0] {
            assert_eq!(Moment::from_given_ticks(ticks).unwrap().0, ticks);
        }
        for ticks in [i64::MIN, Moment::FIRST.0 - 1, Moment::LAST.0 + 1, i64::MAX] {
            assert!(Moment::from_given_ticks(ticks).is_err(), "{ticks}");
        }
        assert!(Moment::try_from(jiff::Timestamp::MIN).is_err());
    }

    /// Reads `in_zone` without an offset, by the clocks of Berlin.
    #[test]
    fn a_time_is_read_with_an_offset_of_at_most_14_hours() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let table = [
            ("2027-01-05T10:00:00Z", Some("2027-01-05T10:00:00Z")),
            (
                "2027-01-05T10:00:00.1234567Z",
                Some("2027-01-05T10:00:00.1234567Z"),
            ),
            ("2027-01-05T10:00:00+14:00", Some("2027-01-04T20:00:00Z")),
            ("2027-01-05T10:00:00-14:00", Some("2027-01-06T00:00:00Z")),
            ("2027-01-05T10:00:00+14:01", None),
            ("2027-01-05T10:00:00+23:59", None),
            ("2027-01-05T10:00:00-25:59", None),
            ("2027-01-05T10:00:00", Some("2027-01-05T09:00:00Z")),
            ("2027-03-28T02:30:00", Some("2027-03-28T01:30:00Z")),
            ("2027-10-31T02:30:00", Some("2027-10-31T00:30:00Z")),
            ("2027-01-05", Some("2027-01-04T23:00:00Z")),
            ("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00Z")),
            ("0001-01-01T00:00:00-01:00", Some("0001-01-01T01:00:00Z")),
            ("0001-01-01T00:00:00+01:00", None),
            ("0001-01-01T00:00:00", None),
            ("0000-12-31T23:59:59Z", None),
            ("-000001-01-01T00:00:00Z", None),
            (
                "9999-12-31T23:59:59.9999999Z",
                Some("9999-12-31T23:59:59.9999999Z"),
            ),
            ("9999-12-31T23:59:59-01:00", None),
            ("2027-01-05T10:00:00+01:00[Europe/Berlin]", None),
            ("2027-01-05T10:00:00[UTC]", None),
            ("soon", None),
            ("", None),
        ];
        for (text, expected) in table {
            let moment = Moment::read(text, Some(&berlin)).map(|moment| moment.to_string());
            assert_eq!(moment.ok().as_deref(), expected, "{text}");
        }
        assert!(
            Moment::read("2027-01-05T10:00:00", None).is_err(),
            "an offset is required"
        );
        assert!(Moment::read("2027-01-05T10:00:00Z", None).is_ok());
    }

    #[test]
    fn moments_and_lives_reach_each_other() {
        let minute = Seconds::new(60).expect("a valid duration");
        let later = Moment::from_ticks(7).after(minute);
        assert_eq!(later.ticks(), 600_000_007);
        assert_eq!(later.before(minute).ticks(), 7);
        assert_eq!(Seconds::between(Moment::from_ticks(7), later), minute);
        assert_eq!(
            Seconds::between(Moment::from_ticks(8), later).seconds(),
            59,
            "whole seconds"
        );
        assert_eq!(
            Seconds::between(later, Moment::from_ticks(7)),
            Seconds::ZERO
        );
        assert_eq!(
            Seconds::between(Moment::from_ticks(0), Moment::from_ticks(i64::MAX)),
            Seconds::LONGEST
        );
        assert_eq!(
            (Seconds::DAY.seconds(), Seconds::HOUR.seconds()),
            (24 * 60 * 60, 60 * 60)
        );
        assert_eq!(Seconds::LONGEST.seconds(), 3_660 * 24 * 60 * 60);
    }

    #[test]
    fn the_steady_clock_counts_in_nanoseconds() {
        let from = Moment::from_ticks(5);
        assert_eq!(from.after_duration(Duration::from_nanos(1_299)).ticks(), 17);
        assert_eq!(from.after_duration(Duration::MAX).ticks(), i64::MAX);
        assert_eq!(
            from.until(Moment::from_ticks(17)),
            Duration::from_nanos(1_200)
        );
        assert_eq!(Moment::from_ticks(17).until(from), Duration::ZERO);
    }

    #[test]
    fn a_moment_reads_as_a_time() {
        for (ticks, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (12_345_678, "1970-01-01T00:00:01.2345678Z"),
            (i64::MAX, "9223372036854775807 ticks"),
        ] {
            assert_eq!(Moment::from_ticks(ticks).to_string(), text);
        }
        let time: jiff::Timestamp = "2026-03-29T01:02:03.4567891Z"
            .parse()
            .expect("a valid time");
        assert_eq!(
            Moment::try_from(time).unwrap().to_string(),
            "2026-03-29T01:02:03.4567891Z"
        );
    }
}
