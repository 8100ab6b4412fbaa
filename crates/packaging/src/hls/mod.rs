//! HLS playlists, as of the second edition of HTTP Live Streaming (draft-pantos-hls-rfc8216bis).
//!
//! A [`MultivariantPlaylist`] names the renditions of a stream; a [`MediaPlaylist`] lists one
//! rendition's segments, and in low latency the parts of the newest. Both are plain values whose
//! [`Display`](std::fmt::Display) is the playlist's text.
//!
//! Addresses are written as they are given, relative or absolute; a quotation mark, a line's end or
//! another control character in one is written in its `%XX` form, so that no address can end its
//! line.
//!
//! Reading order: [`media`] → [`multivariant`].

pub mod media;
pub mod multivariant;

pub use media::{LowLatency, MediaPlaylist, Opening, Part, RenditionReport, Segment, State};
pub use multivariant::{AudioRendition, MultivariantPlaylist, Variant};

use std::fmt;
use tessera_media::Ticks;

/// An address, so that it stays within its line and its quotation marks.
struct Address<'a>(&'a str);

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character == '"' || character.is_control() {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    write!(f, "%{byte:02X}")?;
                }
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

/// A duration in seconds with six digits.
///
/// It is the difference of its ends' times rounded to microseconds, and not the rounded difference:
/// durations one behind another add up to what they should, however many there are.
struct Seconds {
    from: Ticks,
    to: Ticks,
}

impl Seconds {
    fn micros(&self) -> i64 {
        let micros = |time: Ticks| {
            let scaled = i128::from(time.0) * 1_000_000;
            let half = i128::from(Ticks::PER_SECOND) / 2;
            (scaled + half).div_euclid(i128::from(Ticks::PER_SECOND))
        };
        i64::try_from(micros(self.to) - micros(self.from)).unwrap_or(i64::MAX).max(0)
    }

    /// To the nearest whole second, as target durations count.
    fn rounded(&self) -> u64 {
        u64::try_from((self.micros() + 500_000) / 1_000_000).unwrap_or(0)
    }
}

impl From<Ticks> for Seconds {
    fn from(to: Ticks) -> Self {
        Self { from: Ticks::ZERO, to }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.micros();
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// A time of day in UTC, as ISO 8601 writes it, from milliseconds since 1970.
struct Date(i64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: i64 = 86_400_000;
        let (days, ms) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
        let (second, ms) = (ms / 1000 % 60, ms % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

/// Year, month and day of a count of days since 1970-01-01. Years begin in March, so that the day
/// that some years have more is their last.
fn civil(days: i64) -> (i64, i64, i64) {
    const FROM_MARCH_OF_YEAR_0: i64 = 719_468;
    const FOUR_CENTURIES: i64 = 146_097;
    let days = days + FROM_MARCH_OF_YEAR_0;
    let (era, day_of_era) = (days.div_euclid(FOUR_CENTURIES), days.rem_euclid(FOUR_CENTURIES));
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months from March on, and from August on, have 153 days.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (ms, date) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_176_000_001, "2026-11-20T12:00:00.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Date(ms).to_string(), date);
        }
    }

    #[test]
    fn addresses_stay_within_their_marks() {
        let address = Address("a\"b\n#EXT-X-ENDLIST\r\u{85}c/ü?d=e,f");
        assert_eq!(address.to_string(), "a%22b%0A#EXT-X-ENDLIST%0D%C2%85c/ü?d=e,f");
    }

    proptest! {
        #[test]
        fn durations_add_up_however_many(start in 0..1_i64 << 40, steps in proptest::collection::vec(1..900_000_i64, 1..300)) {
            let (mut at, mut sum) = (start, 0);
            for step in steps {
                let lasts = Seconds { from: Ticks(at), to: Ticks(at + step) };
                let text: f64 = lasts.to_string().parse().unwrap();
                prop_assert!((text - step as f64 / 90_000.0).abs() < 1.1e-6);
                sum += lasts.micros();
                at += step;
            }
            let whole = Seconds { from: Ticks(start), to: Ticks(at) }.micros();
            prop_assert_eq!(sum, whole);
        }
    }
}
