//! Points in time and lengths of time.

use std::fmt;
use std::time::Duration;

use super::error::Error;

/// A point in time: a count of 100 ns since 1970-01-01T00:00:00Z, the resolution of the original's own clock.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Moment(i64);

impl Moment {
    /// How many ticks make a millisecond.
    pub const TICKS_PER_MILLISECOND: i64 = 10_000;
    /// How many ticks make a second.
    pub const TICKS_PER_SECOND: i64 = 10_000_000;

    /// The moment `ticks` of 100 ns after the epoch, or before it when negative.
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }

    /// The ticks of 100 ns since the epoch.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// The moment `life` later; the end of time when that is past what can be counted.
    #[must_use]
    pub const fn after(self, life: Life) -> Self {
        Self(self.0.saturating_add(life.0 * Self::TICKS_PER_SECOND))
    }

    /// The moment so much later; the end of time when that is past what can be counted.
    #[must_use]
    pub fn after_duration(self, duration: Duration) -> Self {
        let ticks = i64::try_from(duration.as_nanos() / 100).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(ticks))
    }

    /// How long it is until a later moment; nothing when it is not later.
    pub fn until(self, later: Self) -> Duration {
        let ticks = u64::try_from(later.0.saturating_sub(self.0)).unwrap_or_default();
        Duration::from_nanos(ticks.saturating_mul(100))
    }

    /// The moment `life` earlier; the start of time when that is before what can be counted.
    #[must_use]
    pub const fn before(self, life: Life) -> Self {
        Self(self.0.saturating_sub(life.0 * Self::TICKS_PER_SECOND))
    }

    /// The start of the millisecond that this moment falls into, which is what lists print and filters compare.
    #[must_use]
    pub const fn millisecond(self) -> Self {
        Self(self.0 - self.0.rem_euclid(Self::TICKS_PER_MILLISECOND))
    }
}

impl From<jiff::Timestamp> for Moment {
    fn from(time: jiff::Timestamp) -> Self {
        // jiff's range is years -9999 to 9999, which 64 bits of ticks hold many times over.
        Self(time.as_second() * Self::TICKS_PER_SECOND + i64::from(time.subsec_nanosecond() / 100))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0) * 100) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{} ticks", self.0),
        }
    }
}

/// How long a role is held, in whole seconds up to 3,660 days. Zero is what somebody asks for who gives a role up.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Life(i64);

impl Life {
    /// A day.
    pub const DAY: Self = Self(86_400);

    /// An hour.
    pub const HOUR: Self = Self(3_600);

    /// The longest life there is: ten years.
    pub const LONGEST: Self = Self(3_660 * 86_400);

    /// No life at all.
    pub const ZERO: Self = Self(0);

    /// A life of so many seconds, when that is within the bounds.
    pub fn from_seconds(seconds: i64) -> Result<Self, Error> {
        match seconds {
            0.. if seconds <= Self::LONGEST.0 => Ok(Self(seconds)),
            _ => Err(Error::invalid("A life is at most 3,660 days, and never negative.")),
        }
    }

    /// The whole seconds from one moment to a later one, up to the longest life; zero when it is not later.
    pub fn between(from: Moment, to: Moment) -> Self {
        let seconds = to.0.saturating_sub(from.0) / Moment::TICKS_PER_SECOND;
        Self(seconds.clamp(0, Self::LONGEST.0))
    }

    /// The life in seconds.
    pub const fn seconds(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_falls_into_a_millisecond_before_the_epoch_too() {
        for (ticks, millisecond) in [(0, 0), (9_999, 0), (10_000, 10_000), (-1, -10_000), (-10_000, -10_000)]
        {
            assert_eq!(Moment::from_ticks(ticks).millisecond().ticks(), millisecond);
        }
    }

    #[test]
    fn a_life_has_bounds() {
        for (seconds, valid) in [(0, true), (1, true), (316_224_000, true), (316_224_001, false), (-1, false)]
        {
            assert_eq!(Life::from_seconds(seconds).is_ok(), valid, "{seconds}");
        }
    }

    #[test]
    fn a_moment_never_wraps_around() {
        assert_eq!(Moment::from_ticks(i64::MAX).after(Life::LONGEST).ticks(), i64::MAX);
    }

    #[test]
    fn year_one_is_a_moment() {
        let min: jiff::Timestamp = "0001-01-01T00:00:00Z".parse().expect("a valid time");
        assert_eq!(Moment::from(min).ticks(), -621_355_968_000_000_000);
    }

    #[test]
    fn moments_and_lives_reach_each_other() {
        let minute = Life::from_seconds(60).expect("a valid life");
        let later = Moment::from_ticks(7).after(minute);
        assert_eq!(later.ticks(), 600_000_007);
        assert_eq!(later.before(minute).ticks(), 7);
        assert_eq!(Life::between(Moment::from_ticks(7), later), minute);
        assert_eq!(Life::between(Moment::from_ticks(8), later).seconds(), 59, "whole seconds");
        assert_eq!(Life::between(later, Moment::from_ticks(7)), Life::ZERO);
        assert_eq!(Life::between(Moment::from_ticks(0), Moment::from_ticks(i64::MAX)), Life::LONGEST);
        assert_eq!((Life::DAY.seconds(), Life::HOUR.seconds()), (24 * 60 * 60, 60 * 60));
        assert_eq!(Life::LONGEST.seconds(), 3_660 * 24 * 60 * 60);
    }

    #[test]
    fn the_steady_clock_counts_in_nanoseconds() {
        let from = Moment::from_ticks(5);
        assert_eq!(from.after_duration(Duration::from_nanos(1_299)).ticks(), 17);
        assert_eq!(from.after_duration(Duration::MAX).ticks(), i64::MAX);
        assert_eq!(from.until(Moment::from_ticks(17)), Duration::from_nanos(1_200));
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
        let time: jiff::Timestamp = "2026-03-29T01:02:03.4567891Z".parse().expect("a valid time");
        assert_eq!(Moment::from(time).to_string(), "2026-03-29T01:02:03.4567891Z");
    }
}
