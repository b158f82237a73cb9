//! Reads the timestamps of log lines, fast: fixed positions, the last second and day remembered, the zone's offset cached.
//!
//! Here are civil timestamps (`2026-01-26 10:30:45,123 +08:00`) and epoch numbers; all else is in `shapes`. Never guesses: what is not wholly a timestamp is none.
//! Times as people type them are `types::time`.

use jiff::{
    Timestamp,
    tz::{AmbiguousOffset, TimeZone},
};

mod shapes;

use super::error::LogsError;

/// Nanoseconds since 1970 in UTC; 1678 to 2261.
pub type Nanos = i64;

/// Nanoseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000_000;

/// Length of `2026-01-26 10:30:45`.
const CIVIL_BYTES: usize = 19;

/// Local times within a quarter of an hour have one offset: transitions happen on quarters.
const OFFSET_SPAN_SECONDS: i64 = 900;

/// A longer name is no zone's.
const LONGEST_ZONE_BYTES: usize = 40;

/// What the names of zones begin with.
const AREAS: &[&[u8]] =
    &[b"Africa/", b"America/", b"Antarctica/", b"Arctic/", b"Asia/", b"Atlantic/", b"Australia/", b"Etc/", b"Europe/", b"Indian/", b"Pacific/"];

/// RFC 3339 in UTC.
pub(crate) fn show(nanos: Nanos) -> String {
    Timestamp::from_nanosecond(i128::from(nanos)).map(|t| t.to_string()).unwrap_or_default()
}

/// A moment as nanoseconds, held to the range that they can express.
pub(crate) fn nanos(moment: Timestamp) -> Nanos {
    i64::try_from(moment.as_nanosecond()).unwrap_or(if moment > Timestamp::UNIX_EPOCH { i64::MAX } else { i64::MIN })
}

/// A time zone by IANA name (`Asia/Shanghai`), `UTC`, or fixed offset (`+08:00`).
///
/// # Errors
/// [`LogsError::BadTimezone`] with what to write.
pub(crate) fn zone(name: &str) -> Result<TimeZone, LogsError> {
    if name.eq_ignore_ascii_case("utc") || name == "Z" {
        return Ok(TimeZone::UTC);
    }
    if let Some((seconds, used)) = read_offset(name.as_bytes(), false)
        && used == name.len()
        && let Ok(offset) = i32::try_from(seconds).map_err(drop).and_then(|s| jiff::tz::Offset::from_seconds(s).map_err(drop))
    {
        return Ok(TimeZone::fixed(offset));
    }
    TimeZone::get(name).map_err(|_| LogsError::BadTimezone { name: name.to_owned() })
}

/// What the timestamps that were read told. Detection looks at it; reading does not.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// A timestamp of any kind was read, be it without a date.
    pub(crate) stamped: bool,
    /// It had no year.
    pub(crate) yearless: bool,
    /// Its first number can only be a day.
    pub(crate) day_first: bool,
    /// Its second number can only be a day.
    pub(crate) month_first: bool,
    /// It has the shape of a moment and is none, such as the 30th of February.
    pub(crate) impossible: bool,
}

/// Reads the timestamps of one file. Remembers the last ones, because neighbours are alike.
#[derive(Debug, Clone)]
pub struct TimeReader {
    zone: TimeZone,
    /// The last text read and its local seconds.
    text: [u8; CIVIL_BYTES],
    local: i64,
    /// The last date and its day number.
    date: [u8; 10],
    day: i64,
    /// The last stretch of local time and its offset from UTC in seconds; none where clocks skip it.
    stretch: i64,
    offset: Option<i64>,
    /// The last zone that stood by its name behind a time; none for a name that is no zone.
    named: (Box<[u8]>, Option<TimeZone>),
    /// Times without a year are given the year that brings them closest to this moment, which lies in this year.
    near: Option<(Nanos, i64)>,
    /// Whether `03/04/2024` is the third of April. None where the file did not settle it.
    day_first: Option<bool>,
    pub(crate) seen: Seen,
}

impl TimeReader {
    /// Reads timestamps that carry no zone as local times of `zone`.
    pub fn new(zone: TimeZone) -> Self {
        // What is remembered must be true from the start: bytes of zero are no timestamp.
        let (text, date) = (*b"1970-01-01 00:00:00", *b"1970-01-01");
        let (near, day_first, seen) = (None, None, Seen::default());
        let named = (Box::default(), None);
        Self { zone, text, local: 0, date, day: 0, stretch: i64::MIN, offset: None, named, near, day_first, seen }
    }

    /// The moment that times without a year lie near to. Without one they give no time.
    pub(crate) fn set_near(&mut self, near: Option<Nanos>) {
        let year = |nanos: Nanos| Timestamp::from_nanosecond(i128::from(nanos)).map(|t| i64::from(TimeZone::UTC.to_datetime(t).year()));
        self.near = near.and_then(|nanos| Some((nanos, year(nanos).ok()?)));
    }

    /// Settles the order of day and month from all that was seen so far.
    pub(crate) fn settle_order(&mut self) {
        self.day_first = (self.seen.day_first != self.seen.month_first).then_some(self.seen.day_first);
    }

    /// The civil timestamp at the start of `text`, and how many bytes it takes with its fraction and zone.
    #[inline]
    pub fn read(&mut self, text: &[u8]) -> Option<(Nanos, usize)> {
        let head: &[u8; CIVIL_BYTES] = text.first_chunk()?;
        if *head != self.text {
            self.local = self.local_seconds(head)?;
            self.text = *head;
        }
        let local = self.local;
        let (nanos, used) = self.rest(local, text, CIVIL_BYTES)?;
        nanos.map(|nanos| (nanos, used))
    }

    /// The bytes of a civil timestamp at the start of `text` that is no moment: a day or hour that there is not, or that clocks skip.
    fn impossible(&mut self, text: &[u8]) -> Option<usize> {
        let head: &[u8; CIVIL_BYTES] = text.first_chunk()?;
        let shaped = head.iter().zip(b"0000-00-00 00:00:00").all(|(byte, like)| match like {
            b'0' => byte.is_ascii_digit(),
            b'-' => matches!(byte, b'-' | b'/'),
            b' ' => matches!(byte, b' ' | b'T' | b't'),
            _ => byte == like,
        });
        if !shaped {
            return None;
        }
        let (_, used) = self.rest(0, text, CIVIL_BYTES)?;
        self.seen.impossible = true;
        Some(used)
    }

    /// The civil timestamp that `text` is, with nothing behind it but white space.
    pub fn read_whole(&mut self, text: &[u8]) -> Option<Nanos> {
        let text = text.trim_ascii();
        self.read(text).filter(|(_, used)| *used == text.len()).map(|(nanos, _)| nanos)
    }

    /// Adds fraction, half of the day and zone, which stand at `used`, to local seconds. No time where the zone's clocks skip them.
    #[inline]
    fn rest(&mut self, mut local: i64, text: &[u8], mut used: usize) -> Option<(Option<Nanos>, usize)> {
        // Neither fraction nor zone, at once.
        if let [b' ', next, ..] = text[used..]
            && !next.is_ascii_alphabetic()
            && !matches!(next, b'+' | b'-')
        {
            self.seen.stamped = true;
            return Some((self.offset_at(local).and_then(|offset| (local - offset).checked_mul(SECOND)), used));
        }
        let mut fraction = 0;
        match text.get(used) {
            Some(b'.' | b',') => {
                if let Some((nanos, digits)) = read_fraction(&text[used + 1..]) {
                    (fraction, used) = (nanos, used + 1 + digits);
                }
            }
            // Some write the milliseconds behind a colon.
            Some(b':') => {
                if let Some((nanos, digits @ (3 | 6))) = read_fraction(&text[used + 1..]) {
                    (fraction, used) = (nanos, used + 1 + digits);
                }
            }
            Some(b) if b.is_ascii_digit() => return None,
            _ => {}
        }
        if let [b' ', half @ (b'A' | b'P'), b'M', ..] = text[used..]
            && ends_word(&text[used..], 3)
        {
            let hour = local.rem_euclid(86_400) / 3_600;
            local += match (half, hour) {
                (_, 0 | 13..) => return None,
                (b'A', 12) => -43_200,
                (b'P', 1..=11) => 43_200,
                _ => 0,
            };
            used += 3;
        }
        let offset = if let Some((seconds, bytes)) = read_zone(&text[used..]) {
            used += bytes;
            Some(seconds)
        } else if let Some((seconds, bytes)) = self.named_zone(local, &text[used..]) {
            used += bytes;
            seconds
        } else {
            self.offset_at(local)
        };
        self.seen.stamped = true;
        Some((offset.and_then(|offset| (local - offset).checked_mul(SECOND)?.checked_add(fraction)), used))
    }

    /// The offset of the zone whose IANA name stands behind a blank, `Europe/Berlin`, and the bytes that it takes.
    #[inline]
    fn named_zone(&mut self, local: i64, text: &[u8]) -> Option<(Option<i64>, usize)> {
        let [b' ', a, b, ..] = *text else { return None };
        if !a.is_ascii_uppercase() || !b.is_ascii_lowercase() {
            return None;
        }
        let name = &text[1..];
        let length = name.iter().take(LONGEST_ZONE_BYTES).take_while(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(b)).count();
        let name = &name[..length];
        if !AREAS.iter().any(|area| name.starts_with(area)) {
            return None;
        }
        if *self.named.0 != *name {
            self.named = (Box::from(name), str::from_utf8(name).ok().and_then(|name| TimeZone::get(name).ok()));
        }
        self.named.1.as_ref().map(|zone| (offset(zone, local), length + 1))
    }

    /// Whether the zone of the file has this abbreviation at a moment.
    pub(crate) fn has_abbreviation(&self, abbreviation: &[u8], moment: Nanos) -> bool {
        let moment = Timestamp::from_nanosecond(i128::from(moment));
        moment.is_ok_and(|moment| self.zone.to_offset_info(moment).abbreviation().as_bytes() == abbreviation)
    }

    fn local_seconds(&mut self, text: &[u8; CIVIL_BYTES]) -> Option<i64> {
        let [y1, y2, y3, y4, dash @ (b'-' | b'/'), m1, m2, dash2, d1, d2, b'T' | b't' | b' ', h1, h2, b':', n1, n2, b':', s1, s2] = *text else {
            return None;
        };
        // An hour may be padded with a blank.
        let h1 = if h1 == b' ' { b'0' } else { h1 };
        let (hour, minute, second) = (two(h1, h2)?, two(n1, n2)?, two(s1, s2)?);
        if dash != dash2 {
            return None;
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        if text[..10] != self.date {
            self.day = day_number(two(y1, y2)? * 100 + two(y3, y4)?, two(m1, m2)?, two(d1, d2)?)?;
            self.date.copy_from_slice(&text[..10]);
        }
        Some(self.day * 86_400 + hour * 3_600 + minute * 60 + second)
    }

    /// Seconds that local time is ahead of UTC; none where clocks skip it. In the hour that comes twice the first one is meant.
    fn offset_at(&mut self, local: i64) -> Option<i64> {
        let stretch = local.div_euclid(OFFSET_SPAN_SECONDS);
        if stretch != self.stretch {
            self.stretch = stretch;
            self.offset = offset(&self.zone, local);
        }
        self.offset
    }
}

/// Seconds that a local time is ahead of UTC in a zone; none where its clocks skip it.
fn offset(zone: &TimeZone, local: i64) -> Option<i64> {
    let at = Timestamp::from_second(local).ok().map(|moment| TimeZone::UTC.to_datetime(moment))?;
    match zone.to_ambiguous_timestamp(at).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => Some(i64::from(offset.seconds())),
        AmbiguousOffset::Gap { .. } => None,
    }
}

/// An epoch number in seconds, milli-, micro- or nanoseconds, told apart by size: 1973 at the earliest, with or without decimals.
pub fn epoch(text: &[u8]) -> Option<Nanos> {
    let text = str::from_utf8(text).ok()?;
    if text.len() > 40 {
        return None;
    }
    if text.contains(['e', 'E']) {
        let value: f64 = text.parse().ok()?;
        return epoch(format!("{value:.6}").as_bytes());
    }
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(decimals) {
        return None;
    }
    let unit: i64 = match whole.trim_start_matches('0').len() {
        9..=11 => SECOND,
        12..=14 => 1_000_000,
        15..=17 => 1_000,
        18..=19 => 1,
        _ => return None,
    };
    let fraction = read_fraction(decimals.as_bytes()).map_or(0, |(f, _)| f);
    whole.parse::<i64>().ok()?.checked_mul(unit)?.checked_add(fraction / (SECOND / unit))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

/// Days since 1970-01-01 of a date that exists, in years that [`Nanos`] can express.
fn day_number(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1678..=2261).contains(&year) || !(1..=longest).contains(&day) {
        return None;
    }
    // Years that begin in March put the leap day last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    Some(365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468)
}

/// Nanoseconds of the digits behind a decimal mark, and how many digits there are. Digits beyond nine are read over.
fn read_fraction(text: &[u8]) -> Option<(i64, usize)> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let value = text[..digits].iter().chain(std::iter::repeat(&b'0')).take(9).fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some((value, digits))
}

/// The zone behind a time, as seconds ahead of UTC, and how many bytes it takes. One blank may stand before it.
fn read_zone(text: &[u8]) -> Option<(i64, usize)> {
    let blank = usize::from(text.first() == Some(&b' '));
    let zone = &text[blank..];
    match zone.first()? {
        b'Z' | b'z' if ends_word(zone, 1) => Some((0, blank + 1)),
        b'A'..=b'Z' => named_offset(zone).map(|(seconds, used)| (seconds, blank + used)),
        b'+' | b'-' => {
            // PostgreSQL writes ` -03` and goes on behind a blank; other text may begin with a number. What it goes on with is a bracket or a severity.
            let alone = matches!(zone.get(3..), Some([b' ', b'[' | b'A'..=b'Z', ..] | [b'[' | b']' | b')', ..]));
            read_offset(zone, blank == 1 && !alone).map(|(seconds, used)| (seconds, blank + used))
        }
        _ => None,
    }
}

/// A zone by its abbreviation, where that means one offset all over the world or nearly so; CST, IST and BST do not.
fn named_offset(text: &[u8]) -> Option<(i64, usize)> {
    let length = text.iter().take(6).take_while(|b| b.is_ascii_uppercase()).count();
    if !(3..=4).contains(&length) || !ends_word(text, length) {
        return None;
    }
    let hours = match &text[..length] {
        b"UTC" | b"GMT" | b"WET" => 0,
        b"CET" | b"WEST" => 1,
        b"CEST" | b"EET" => 2,
        b"EEST" | b"MSK" => 3,
        b"HKT" | b"SGT" => 8,
        b"JST" | b"KST" => 9,
        b"AEST" => 10,
        b"AEDT" => 11,
        b"NZST" => 12,
        b"NZDT" => 13,
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" | b"AKDT" => -8,
        b"AKST" => -9,
        b"HST" => -10,
        _ => return None,
    };
    Some((hours * 3_600, length))
}

fn ends_word(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'+' | b'-'))
}

/// `+08:00`, `+0800` or, unless `minutes_needed`, `+08`.
fn read_offset(text: &[u8], minutes_needed: bool) -> Option<(i64, usize)> {
    let sign = match text.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = two(*text.get(1)?, *text.get(2)?)?;
    let at = 3 + usize::from(text.get(3) == Some(&b':'));
    let minutes = text.get(at).zip(text.get(at + 1)).and_then(|(a, b)| two(*a, *b));
    let (minutes, used) = match minutes {
        Some(minutes) => (minutes, at + 2),
        None if minutes_needed || at == 4 => return None,
        None => (0, 3),
    };
    let known = hours <= 18 && minutes < 60 && text.get(used).is_none_or(|b| !b.is_ascii_alphanumeric());
    known.then_some((sign * (hours * 3_600 + minutes * 60), used))
}

#[cfg(test)]
mod tests;
