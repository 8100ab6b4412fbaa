//! The hours of a week in which a node may work, as its owner writes them, on the portal or on the machine:
//! `mon-fri 19:00-07:00, sat-sun`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const DAY_MIN: u32 = 24 * 60;
const WEEK_MIN: u32 = 7 * DAY_MIN;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// More make nobody's week clearer.
const MOST_WINDOWS: usize = 50;
/// The longest text: so many windows, written out, fit almost twice.
pub const MAX_BYTES: usize = 2_000;

/// A minute of the week; Monday begins with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinuteOfWeek(u32);

impl MinuteOfWeek {
    /// `day` counts from Monday, 0.
    pub const fn new(day: u32, hour: u32, minute: u32) -> Self {
        Self((day * DAY_MIN + hour * 60 + minute) % WEEK_MIN)
    }
}

/// See the module; by default all of them. In files they are the text that people write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours(Vec<Window>);

/// On each of the days from `first` to `last`, from one minute of it to another, which may be of the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    first: u32,
    last: u32,
    from_min: u32,
    to_min: u32,
}

/// Why a text is no hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no part of a week: write for example 'mon-fri 19:00-07:00, sat-sun', '22:00-06:00', or 'always'"
)]
pub struct HoursError(String);

impl Default for Hours {
    fn default() -> Self {
        Self(vec![Window { first: 0, last: 6, from_min: 0, to_min: DAY_MIN }])
    }
}

impl Hours {
    /// Whether this minute is one of them.
    pub fn contain(&self, now: MinuteOfWeek) -> bool {
        self.0.iter().any(|window| {
            window.begins().any(|begin| (now.0 + WEEK_MIN - begin) % WEEK_MIN < window.length())
        })
    }

    /// Minutes until the next of them begins; `None` where none does.
    pub fn opens_in_min(&self, now: MinuteOfWeek) -> Option<u32> {
        let begins = self.0.iter().flat_map(|window| window.begins());
        begins.map(|begin| (begin + WEEK_MIN - now.0) % WEEK_MIN).min()
    }
}

impl Window {
    /// The minutes of the week at which it begins.
    fn begins(self) -> impl Iterator<Item = u32> {
        let days = (self.last + 7 - self.first) % 7;
        (0..=days).map(move |day| (self.first + day) % 7 * DAY_MIN + self.from_min)
    }

    fn length(self) -> u32 {
        if self.to_min > self.from_min {
            self.to_min - self.from_min
        } else {
            self.to_min + DAY_MIN - self.from_min
        }
    }
}

impl FromStr for Hours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        if text.len() > MAX_BYTES {
            return Err(HoursError(format!("a text of more than {MAX_BYTES} bytes")));
        }
        let text = text.trim().to_ascii_lowercase();
        match text.as_str() {
            "always" => return Ok(Self::default()),
            "never" => return Ok(Self(vec![])),
            _ => {}
        }
        let windows = text.split(',').map(|part| {
            window(part.trim()).ok_or_else(|| HoursError(part.trim().chars().take(40).collect()))
        });
        let windows: Vec<_> = windows.collect::<Result<_, _>>()?;
        if windows.len() > MOST_WINDOWS {
            return Err(HoursError(format!("a list of more than {MOST_WINDOWS}")));
        }
        Ok(Self(windows))
    }
}

/// `mon-fri 19:00-07:00`, or either half of it.
fn window(text: &str) -> Option<Window> {
    let mut words = text.split_whitespace();
    let (one, other) = (words.next()?, words.next());
    if words.next().is_some() {
        return None;
    }
    let whole_day = (0, DAY_MIN);
    let ((first, last), (from_min, to_min)) = match other {
        Some(time) => (days(one)?, times(time)?),
        None => match days(one) {
            Some(days) => (days, whole_day),
            None => ((0, 6), times(one)?),
        },
    };
    Some(Window { first, last, from_min, to_min })
}

fn days(text: &str) -> Option<(u32, u32)> {
    let day = |name: &str| DAYS.iter().zip(0..).find(|(known, _)| **known == name).map(|(_, n)| n);
    match text.split_once('-') {
        Some((first, last)) => Some((day(first)?, day(last)?)),
        None => day(text).map(|day| (day, day)),
    }
}

fn times(text: &str) -> Option<(u32, u32)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute_of_day(from)?, minute_of_day(to)?);
    (from != DAY_MIN && from != to).then_some((from, to))
}

/// `19:00`, up to `24:00`.
fn minute_of_day(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str, most: usize| {
        let fits = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let (hour, minute) = (digits(hour, 2)?, digits(minute, 2).filter(|_| minute.len() == 2)?);
    let of_day = hour * 60 + minute;
    (minute < 60 && of_day <= DAY_MIN).then_some(of_day)
}

impl TryFrom<String> for Hours {
    type Error = HoursError;

    fn try_from(text: String) -> Result<Self, HoursError> {
        text.parse()
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.to_string()
    }
}

impl utoipa::PartialSchema for Hours {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some(
                "Hours of a week by a machine's own clock: mon-fri 19:00-07:00, sat-sun.",
            ))
            .max_length(Some(MAX_BYTES))
            .into()
    }
}

impl utoipa::ToSchema for Hours {}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("never");
        }
        if *self == Self::default() {
            return f.write_str("always");
        }
        for (n, window) in self.0.iter().enumerate() {
            let Window { first, last, from_min, to_min } = *window;
            let name = |day: u32| DAYS[day as usize % 7];
            f.write_str(if n == 0 { "" } else { ", " })?;
            f.write_str(name(first))?;
            if last != first {
                write!(f, "-{}", name(last))?;
            }
            if (from_min, to_min) != (0, DAY_MIN) {
                let (from, to) = ((from_min / 60, from_min % 60), (to_min / 60, to_min % 60));
                write!(f, " {:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hours(text: &str) -> Hours {
        text.parse().unwrap()
    }

    #[test]
    fn a_night_belongs_to_the_day_it_begins_on() {
        let nights = hours("mon-fri 19:00-07:00, sat-sun");
        let at = |day, hour, minute| nights.contain(MinuteOfWeek::new(day, hour, minute));
        assert!(!at(0, 18, 59));
        assert!(at(0, 19, 0) && at(1, 6, 59));
        assert!(!at(1, 7, 0));
        assert!(at(4, 23, 0), "Friday night");
        assert!(at(5, 0, 0) && at(6, 23, 59), "the weekend");
        assert!(!at(0, 0, 0), "Sunday ends, and Monday's night has not begun");
        assert_eq!(nights.opens_in_min(MinuteOfWeek::new(0, 17, 30)), Some(90));
    }

    #[test]
    fn a_week_may_begin_on_any_day() {
        let over_sunday = hours("sat-mon 10:00-11:00");
        for (day, opens) in [(5, true), (6, true), (0, true), (1, false), (4, false)] {
            assert_eq!(over_sunday.contain(MinuteOfWeek::new(day, 10, 30)), opens, "{day}");
        }
        let into_monday = hours("sun 23:00-01:00");
        assert!(into_monday.contain(MinuteOfWeek::new(0, 0, 59)));
        assert!(!into_monday.contain(MinuteOfWeek::new(0, 1, 0)));
    }

    #[test]
    fn always_and_never_are_what_they_say() {
        let noon = MinuteOfWeek::new(2, 12, 0);
        assert!(hours("always").contain(noon) && hours("00:00-24:00").contain(noon));
        assert_eq!(hours("always"), Hours::default());
        assert!(!hours("never").contain(noon));
        assert_eq!(hours("never").opens_in_min(noon), None);
    }

    #[test]
    fn what_is_no_week_is_refused_by_its_part() {
        for text in [
            "",
            "mon,",
            "funday",
            "19:00",
            "mon 19-20",
            "25:00-26:00",
            "10:60-11:00",
            "24:00-01:00",
        ] {
            assert!(text.parse::<Hours>().is_err(), "{text}");
        }
        for text in
            ["mon tue", "mon 10:00-11:00 12:00-13:00", "8:00-8:00", "+8:00-9:00", "8:0-9:00"]
        {
            assert!(text.parse::<Hours>().is_err(), "{text}");
        }
        let error = "sat, mon 19:00-7".parse::<Hours>().unwrap_err().to_string();
        assert!(error.contains("'mon 19:00-7'") && error.contains("always"), "{error}");
        assert!(vec!["mon"; 51].join(",").parse::<Hours>().is_err());
        assert!(format!("mon{}", " ".repeat(MAX_BYTES)).parse::<Hours>().is_err());
    }

    #[test]
    fn the_longest_hours_are_read_again() {
        let text = vec!["mon-tue 19:00-07:00"; MOST_WINDOWS].join(",");
        let longest = hours(&text);
        assert!(longest.to_string().len() <= MAX_BYTES);
        assert_eq!(hours(&longest.to_string()), longest);
    }

    fn any_window() -> impl Strategy<Value = Window> {
        (0..7u32, 0..7u32, 0..DAY_MIN, 0..=DAY_MIN)
            .prop_filter("an hour that is none", |(_, _, from, to)| from != to)
            .prop_map(|(first, last, from_min, to_min)| Window { first, last, from_min, to_min })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(windows in prop::collection::vec(any_window(), 0..6)) {
            let hours = Hours(windows);
            prop_assert_eq!(hours.to_string().parse::<Hours>().unwrap(), hours);
        }

        #[test]
        fn they_open_when_they_say(windows in prop::collection::vec(any_window(), 1..4), now in 0..WEEK_MIN) {
            let hours = Hours(windows);
            let wait = hours.opens_in_min(MinuteOfWeek(now)).unwrap();
            prop_assert!(hours.contain(MinuteOfWeek((now + wait) % WEEK_MIN)));
            if !hours.contain(MinuteOfWeek(now)) {
                for before in 0..wait {
                    prop_assert!(!hours.contain(MinuteOfWeek((now + before) % WEEK_MIN)));
                }
            }
        }

        #[test]
        fn no_text_stops_the_program(text in "[a-z0-9:, -]{0,40}") {
            if let Ok(hours) = text.parse::<Hours>() {
                prop_assert_eq!(hours.to_string().parse::<Hours>().unwrap(), hours);
            }
        }
    }
}
