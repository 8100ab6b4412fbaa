//! Numbers for people.

use std::time::Duration;
use tessera_protocol::job::JobState;

/// `1.2 M`: three figures and a prefix of 1000.
pub(crate) fn count(value: f64) -> String {
    let (mut value, mut prefix) = (value, "");
    for next in ["k", "M", "G", "T", "P"] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        prefix = next;
    }
    let decimals = match value {
        _ if value >= 99.95 || prefix.is_empty() && value.fract() == 0.0 => 0,
        _ if value >= 9.995 => 1,
        _ => 2,
    };
    let space = if prefix.is_empty() { "" } else { " " };
    format!("{value:.decimals$}{space}{prefix}")
}

/// `3.4 MB`.
pub(crate) fn bytes(value: u64) -> String {
    let text = count(value as f64);
    if text.contains(' ') { format!("{text}B") } else { format!("{text} B") }
}

/// `2 h 05 min`, `3 min 20 s`, `4.5 s`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {:02} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// `3 min 20 s ago`, from two times in milliseconds since 1970.
pub(crate) fn ago(then_ms: i64, now_ms: i64) -> String {
    match u64::try_from(now_ms.saturating_sub(then_ms)) {
        Ok(ms) if ms >= 1000 => format!("{} ago", duration(Duration::from_secs(ms / 1000))),
        // Clocks of two machines may differ a little.
        _ => "now".into(),
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A job's state in a word.
pub(crate) fn state(state: JobState) -> &'static str {
    match state {
        JobState::Active => "active",
        JobState::Paused => "paused",
        JobState::Completed => "completed",
        JobState::Cancelled => "cancelled",
        JobState::Failed => "failed",
    }
}

/// `part` of `whole` in percent, 0 to 100, never rounded up to 100.
pub(crate) fn percent(part: u64, whole: u64) -> u64 {
    let hundredfold = u128::from(part) * 100;
    hundredfold.checked_div(u128::from(whole)).map_or(0, |percent| percent.min(100) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_three_figures() {
        let shown = [0.0, 7.0, 7.25, 12.34, 999.0, 999.7, 1234.0, 56_700.0, 1e9, 3.2e20].map(count);
        let expected =
            ["0", "7", "7.25", "12.3", "999", "1.00 k", "1.23 k", "56.7 k", "1.00 G", "320000 P"];
        assert_eq!(shown, expected);
        assert_eq!([bytes(5), bytes(1500)], ["5 B", "1.50 kB"]);
    }

    #[test]
    fn durations_have_two_units() {
        let shown = [0.24, 9.96, 59.6, 200.0, 7500.0, 100_000.0]
            .map(|s| duration(Duration::from_secs_f64(s)));
        assert_eq!(shown, ["0.2 s", "10 s", "1 min 00 s", "3 min 20 s", "2 h 05 min", "1 d 03 h"]);
        assert_eq!([ago(0, 61_000), ago(5000, 0)], ["1 min 01 s ago", "now"]);
    }

    #[test]
    fn nothing_is_whole_before_it_is() {
        assert_eq!([percent(999, 1000), percent(1000, 1000), percent(0, 0)], [99, 100, 0]);
    }
}
