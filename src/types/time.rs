//! Durations and moments as people write them.

use std::time::Duration;

use jiff::{Timestamp, civil, tz::TimeZone};

/// Parses `250ms`, `30s`, `5m`, `2h`, `7d` (a whole or decimal number and one unit). At most ten years.
///
/// # Errors
/// A text that shows the accepted forms.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a duration: write a number and a unit, such as 30s, 5m, 2h or 7d");
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 0.001,
        "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return Err(wrong()),
    };
    let total = number.trim().parse::<f64>().map_err(|_| wrong())? * seconds;
    if !(0.0..=315_576_000.0).contains(&total) {
        return Err(format!("'{text}' is out of range: at most ten years and not negative"));
    }
    Ok(Duration::from_secs_f64(total))
}

/// A duration as people read it: `3 h 5 min`, `12 s`, `40 ms`.
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let two = |a: u64, unit_a: &str, b: u64, unit_b: &str| if b == 0 { format!("{a} {unit_a}") } else { format!("{a} {unit_a} {b} {unit_b}") };
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// Parses a moment: RFC 3339, or a date with optional time in `zone`, or a duration before `anchor` such as `2h` or `-2h`.
///
/// # Errors
/// A text that shows the accepted forms.
pub fn parse_moment(text: &str, zone: &TimeZone, anchor: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    if text == "now" || text == "end" {
        return Ok(anchor);
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    if let Ok(local) = text.parse::<civil::DateTime>() {
        return zone.to_timestamp(local).map_err(|e| format!("'{text}' is no time in this zone: {e}"));
    }
    let ago = parse_duration(text.strip_prefix('-').unwrap_or(text))
        .map_err(|_| format!("'{text}' is not a time: write 2026-11-20T10:00:00Z, 2026-11-20 10:00, or how long ago, such as 2h"))?;
    anchor.checked_sub(ago).map_err(|e| format!("'{text}' is out of range: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_written() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1.5h"), Ok(Duration::from_secs(5_400)));
        for wrong in ["", "5", "h", "-5m", "5 parsecs", "NaNs", "1e9d"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(show_duration(Duration::from_secs(3_900)), "1 h 5 min");
    }

    #[test]
    fn moments_are_absolute_local_or_ago() {
        let anchor: Timestamp = "2026-11-20T12:00:00Z".parse().expect("a constant");
        let zone = TimeZone::get("Asia/Shanghai").expect("a bundled zone");
        let at = |text: &str| parse_moment(text, &zone, anchor).map(|t| t.to_string());
        assert_eq!(at("2026-11-20T10:00:00Z"), Ok("2026-11-20T10:00:00Z".into()));
        assert_eq!(at("2026-11-20 10:00"), Ok("2026-11-20T02:00:00Z".into()));
        assert_eq!(at("2026-11-20"), Ok("2026-11-19T16:00:00Z".into()));
        assert_eq!(at("2h"), Ok("2026-11-20T10:00:00Z".into()));
        assert_eq!(at("end"), Ok("2026-11-20T12:00:00Z".into()));
        assert!(at("yesterday-ish").is_err());
    }
}
