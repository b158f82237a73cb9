//! Timestamps in other shapes than the civil one: named months, two-digit years, no year, no separators.
//!
//! A shape that is a timestamp but leaves its year or the order of day and month open is read with no time rather than a guessed one.

use jiff::{fmt::strtime::BrokenDownTime, tz::AmbiguousOffset};

use super::{CIVIL_BYTES, Nanos, SECOND, TimeReader, day_number, epoch, two};

/// A timestamp that was recognised: its time, unless it leaves it open, and the bytes that it takes.
pub(crate) type Stamp = (Option<Nanos>, usize);

/// What stands before 2^62 seconds in a TAI64 label of the year 1970.
const TAI64_EPOCH: i64 = (1 << 62) + 10;

/// Two-digit years below this one are of this century.
const PIVOT_YEAR: i64 = 70;

/// A date and the bytes that it takes.
struct Date {
    year: i64,
    month: i64,
    day: i64,
    used: usize,
}

impl TimeReader {
    /// A timestamp of any shape at the start of `text`, bare epochs aside.
    pub(crate) fn any(&mut self, text: &[u8]) -> Option<Stamp> {
        let first = *text.first()?;
        if first.is_ascii_alphabetic() {
            return if text.get(3)? == &b' ' && month(text.get(4..7)?).is_some() { self.ctime(text) } else { self.month_day(text) };
        }
        if !first.is_ascii_digit() && first != b' ' {
            return None;
        }
        match (*text.get(2)?, *text.get(4)?) {
            (b'0'..=b'9', b'-' | b'/') => {
                let read = self.read(text).map(|(nanos, used)| (Some(nanos), used));
                read.or_else(|| self.dotted_time(text)).or_else(|| Some((None, self.impossible(text)?)))
            }
            (b'0'..=b'9', b'.') => self.numbers(text, year_first),
            (b'0'..=b'9', b'0'..=b'9') => self.compact(text),
            (b'/' | b'-' | b'.' | b' ', b'A'..=b'Z' | b'a'..=b'z') => self.day_month(text),
            (b'/', _) if text.get(8) == Some(&b' ') => self.numbers(text, short_year),
            (b'/' | b'.' | b'-', _) => self.ambiguous(text),
            (b'A'..=b'Z', _) => self.day_month(text),
            _ => None,
        }
    }

    /// A timestamp of any shape, epochs too, that `text` is as a whole.
    pub(crate) fn any_whole(&mut self, text: &[u8]) -> Option<Stamp> {
        let text = text.trim_ascii();
        let stamp = self.any(text).filter(|(_, used)| *used == text.len());
        stamp.or_else(|| epoch(text).map(|nanos| (Some(nanos), text.len())))
    }

    /// `26/Jan/2026:10:30:45 +0100`, `26-Jan-2026 10:30:45.123`, `26 Jan 2026 10:30:45.123`, and `26 Jan 10:30:45.123` without a year.
    pub(crate) fn day_month(&mut self, text: &[u8]) -> Option<Stamp> {
        let (day, mut at) = short_number(text)?;
        let separator = *text.get(at)?;
        let month = month(text.get(at + 1..at + 4)?)?;
        at += 4;
        if text.get(at) != Some(&separator) || !b"/- .".contains(&separator) {
            return None;
        }
        match number(text, at + 1, 4) {
            Some(year) => self.dated(Date { year, month, day, used: at + 5 }, text),
            None => self.yearless(month, day, text, at + 1),
        }
    }

    /// `Mon Jan 26 10:30:45.123456 2026`, the zone's name or microseconds behind a colon allowed.
    pub(crate) fn ctime(&mut self, text: &[u8]) -> Option<Stamp> {
        if !text.get(..3)?.iter().all(u8::is_ascii_alphabetic) {
            return None;
        }
        let month = month(text.get(4..7)?)?;
        let (day, used) = short_number(text.get(8..)?)?;
        let clock = 8 + used + 1;
        let (seconds, used) = clock_seconds(text, clock)?;
        let (_, mut after) = self.rest(seconds, text, clock + used)?;
        if number(text, after + 1, 4).is_none() {
            // A zone whose name says too little to be read.
            let word = text.get(after + 1..)?.iter().take(5).take_while(|b| b.is_ascii_uppercase()).count();
            after += if (3..5).contains(&word) { word + 1 } else { 0 };
        }
        let Some(year) = number(text, after + 1, 4).filter(|_| text[after] == b' ') else {
            return self.yearless(month, day, text, clock);
        };
        // The zone's offset depends on the day: the clock is read anew on that day.
        let nanos = self.on_day(day_number(year, month, day)?, seconds, text, clock + used);
        Some((nanos, after + 5))
    }

    /// `Jan 26 10:30:45` without a year, `Jan 26 2026 10:30:45` and `Jan 26, 2026 10:30:45 PM`.
    pub(crate) fn month_day(&mut self, text: &[u8]) -> Option<Stamp> {
        let month = month(text.get(..3)?)?;
        if text.get(3) != Some(&b' ') {
            return None;
        }
        let (day, used) = short_number(&text[4..])?;
        let mut at = 4 + used;
        at += usize::from(text.get(at) == Some(&b','));
        if text.get(at) != Some(&b' ') {
            return None;
        }
        at += 1;
        match number(text, at, 4) {
            Some(year) => self.dated(Date { year, month, day, used: at + 4 }, text),
            None => self.yearless(month, day, text, at),
        }
    }

    /// `0126 10:30:45.123456`, as klog writes it, and `20260126 10:30:45.123456`.
    pub(crate) fn klog(&mut self, text: &[u8]) -> Option<Stamp> {
        if let Some(year) = number(text, 0, 4).filter(|_| text.get(8) == Some(&b' ')) {
            let (month, day) = (number(text, 4, 2)?, number(text, 6, 2)?);
            return self.dated(Date { year, month, day, used: 8 }, text);
        }
        let (month, day) = (number(text, 0, 2)?, number(text, 2, 2)?);
        if text.get(4) != Some(&b' ') { None } else { self.yearless(month, day, text, 5) }
    }

    /// `01-26 10:30:45.123`, as logcat writes it.
    pub(crate) fn month_dash_day(&mut self, text: &[u8]) -> Option<Stamp> {
        let (month, day) = (number(text, 0, 2)?, number(text, 3, 2)?);
        if text.get(2) != Some(&b'-') || text.get(5) != Some(&b' ') { None } else { self.yearless(month, day, text, 6) }
    }

    /// The 24 hexadecimal digits of a TAI64N label.
    pub(crate) fn tai64n(&mut self, text: &[u8]) -> Option<Stamp> {
        let digits = text.get(..24).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        let hex = |part: &[u8]| i64::from_str_radix(str::from_utf8(part).ok()?, 16).ok();
        let (seconds, nanos) = (hex(&digits[..16])?.checked_sub(TAI64_EPOCH)?, hex(&digits[16..])?);
        self.seen.stamped = true;
        Some((Some(seconds.checked_mul(SECOND)?.checked_add(nanos)?), 24))
    }

    /// `26/01/2026 10:30:45` or `01/26/2026 10:30:45`, and `[01.26 10:30:45]` without a year: which is which only where a number or the file says.
    fn ambiguous(&mut self, text: &[u8]) -> Option<Stamp> {
        let (a, b) = (number(text, 0, 2)?, number(text, 3, 2)?);
        if !(1..=31).contains(&a) || !(1..=31).contains(&b) || (a > 12 && b > 12) {
            return None;
        }
        let (year, clock) = match text.get(5)? {
            dash if *dash == text[2] => (Some(number(text, 6, 4)?), 10),
            b' ' if text[2] == b'.' => (None, 5),
            _ => return None,
        };
        let clock = clock + usize::from(text.get(clock) == Some(&b','));
        if !matches!(text.get(clock)?, b' ' | b'T') {
            return None;
        }
        clock_seconds(text, clock + 1)?;
        self.seen.day_first |= a > 12;
        self.seen.month_first |= b > 12;
        let day_first = if a > 12 || b > 12 { Some(a > 12) } else { self.day_first };
        // Unsettled, the third of April stands for both; only the bytes that it takes are of use.
        let (day, month) = if day_first.unwrap_or(true) { (a, b) } else { (b, a) };
        let (nanos, used) = match year {
            Some(year) => self.dated(Date { year, month, day, used: clock }, text)?,
            None => self.yearless(month, day, text, clock + 1)?,
        };
        Some((nanos.filter(|_| day_first.is_some()), used))
    }

    /// `260126 103045`, `260126 10:30:45`, `20260126-10:30:45:123` and `20260126T103045Z`.
    fn compact(&mut self, text: &[u8]) -> Option<Stamp> {
        let digits = text.iter().take(9).take_while(|b| b.is_ascii_digit()).count();
        let (year, at) = match digits {
            6 => (century(number(text, 0, 2)?), 2),
            8 => (number(text, 0, 4)?, 4),
            _ => return None,
        };
        let date = Date { year, month: number(text, at, 2)?, day: number(text, at + 2, 2)?, used: at + 4 };
        let at = digits + 1;
        match (*text.get(digits)?, clock_seconds(text, at)) {
            (b' ' | b'T', _) | (b'-', Some(_)) => self.dated(date, text),
            (b'-', None) => {
                let (seconds, used) = loose_clock(text, at)?;
                let day = day_number(date.year, date.month, date.day)?;
                self.rest(day * 86_400 + seconds, text, at + used)
            }
            _ => None,
        }
    }

    /// `2026-01-26-10.30.45.123456`.
    fn dotted_time(&mut self, text: &[u8]) -> Option<Stamp> {
        let [b'-', h1, h2, b'.', n1, n2, b'.', s1, s2] = *text.get(10..CIVIL_BYTES)? else { return None };
        let civil = [&text[..10], b" ", &[h1, h2], b":", &[n1, n2], b":", &[s1, s2]].concat();
        let local = self.local_seconds(civil.first_chunk()?)?;
        self.rest(local, text, CIVIL_BYTES)
    }

    fn numbers(&mut self, text: &[u8], date: fn(&[u8]) -> Option<Date>) -> Option<Stamp> {
        self.dated(date(text)?, text)
    }

    /// A date with its year, and the time behind it and one separator (or two blanks, where the hour is padded).
    fn dated(&mut self, date: Date, text: &[u8]) -> Option<Stamp> {
        let at = date.used + 1;
        if !matches!(text.get(date.used)?, b' ' | b':' | b'-' | b'T' | b',') {
            return None;
        }
        let (seconds, used) = clock_seconds(text, at).or_else(|| bare_clock(text, at))?;
        let day = day_number(date.year, date.month, date.day)?;
        self.rest(day * 86_400 + seconds, text, at + used)
    }

    /// A date without a year: of the years around the moment that is near, the one that brings it closest.
    fn yearless(&mut self, month: i64, day: i64, text: &[u8], clock: usize) -> Option<Stamp> {
        // A leap year has all days that there are.
        day_number(2_000, month, day)?;
        let (seconds, used) = clock_seconds(text, clock)?;
        let (_, end) = self.rest(seconds, text, clock + used)?;
        self.seen.yearless = true;
        let Some((near, this)) = self.near else { return Some((None, end)) };
        let years = if (month, day) == (2, 29) { this - 4..=this + 4 } else { this - 1..=this + 1 };
        let mut best: Option<Nanos> = None;
        for year in years {
            let Some(number) = day_number(year, month, day) else { continue };
            let Some(nanos) = self.on_day(number, seconds, text, clock + used) else { continue };
            if best.is_none_or(|best| nanos.abs_diff(near) < best.abs_diff(near)) {
                best = Some(nanos);
            }
        }
        Some((best, end))
    }

    /// A time in a format of strftime's kind. Without a year, as other times without one.
    pub(crate) fn formatted(&mut self, format: &str, text: &[u8]) -> Option<Nanos> {
        let mut parts = BrokenDownTime::parse(format, text.trim_ascii()).ok()?;
        self.seen.stamped = true;
        if parts.timestamp().is_some() || parts.year().is_some() {
            return self.moment(&parts);
        }
        self.seen.yearless = true;
        let (near, this) = self.near?;
        let mut best: Option<Nanos> = None;
        for year in this - 1..=this + 1 {
            parts.set_year(i16::try_from(year).ok()).ok()?;
            if let Some(nanos) = self.moment(&parts)
                && best.is_none_or(|best| nanos.abs_diff(near) < best.abs_diff(near))
            {
                best = Some(nanos);
            }
        }
        best
    }

    fn moment(&self, parts: &BrokenDownTime) -> Option<Nanos> {
        let zoned = parts.to_timestamp().ok();
        let moment = zoned.or_else(|| match self.zone.to_ambiguous_timestamp(parts.to_datetime().ok()?) {
            skipped if matches!(skipped.offset(), AmbiguousOffset::Gap { .. }) => None,
            moment => moment.compatible().ok(),
        });
        moment.and_then(|moment| i64::try_from(moment.as_nanosecond()).ok())
    }

    fn on_day(&mut self, day: i64, seconds: i64, text: &[u8], rest: usize) -> Option<Nanos> {
        self.rest(day * 86_400 + seconds, text, rest)?.0
    }
}

fn year_first(text: &[u8]) -> Option<Date> {
    let dot = *text.get(4)?;
    let same = text.get(7) == Some(&dot);
    same.then_some(Date { year: number(text, 0, 4)?, month: number(text, 5, 2)?, day: number(text, 8, 2)?, used: 10 })
}

fn short_year(text: &[u8]) -> Option<Date> {
    let same = text.get(5) == text.get(2);
    same.then_some(Date { year: century(number(text, 0, 2)?), month: number(text, 3, 2)?, day: number(text, 6, 2)?, used: 8 })
}

fn century(year: i64) -> i64 {
    year + if year < PIVOT_YEAR { 2_000 } else { 1_900 }
}

/// The month of an English name's first three letters, in any case.
pub(crate) fn month(name: &[u8]) -> Option<i64> {
    let [a, b, c] = *name else { return None };
    Some(match [a | 0x20, b | 0x20, c | 0x20] {
        [b'j', b'a', b'n'] => 1,
        [b'f', b'e', b'b'] => 2,
        [b'm', b'a', b'r'] => 3,
        [b'a', b'p', b'r'] => 4,
        [b'm', b'a', b'y'] => 5,
        [b'j', b'u', b'n'] => 6,
        [b'j', b'u', b'l'] => 7,
        [b'a', b'u', b'g'] => 8,
        [b's', b'e', b'p'] => 9,
        [b'o', b'c', b't'] => 10,
        [b'n', b'o', b'v'] => 11,
        [b'd', b'e', b'c'] => 12,
        _ => return None,
    })
}

/// The number that the `digits` bytes at `at` write.
fn number(text: &[u8], at: usize, digits: usize) -> Option<i64> {
    let text = text.get(at..at + digits)?;
    text.iter().try_fold(0, |value, b| b.is_ascii_digit().then(|| value * 10 + i64::from(b - b'0')))
}

/// A number of one or two digits, which a blank may pad, and the bytes that it takes.
fn short_number(text: &[u8]) -> Option<(i64, usize)> {
    match *text.first_chunk()? {
        [b' ', b] if b.is_ascii_digit() => Some((i64::from(b - b'0'), 2)),
        [a, b] if a.is_ascii_digit() && b.is_ascii_digit() => two(a, b).map(|value| (value, 2)),
        [a, _] if a.is_ascii_digit() => Some((i64::from(a - b'0'), 1)),
        _ => None,
    }
}

/// Seconds of a day from `H:MM:SS` or `HH:MM:SS`, and the bytes that it takes.
fn clock_seconds(text: &[u8], at: usize) -> Option<(i64, usize)> {
    let (hour, used) = short_number(text.get(at..)?)?;
    let [b':', n1, n2, b':', s1, s2] = *text.get(at + used..)?.first_chunk()? else { return None };
    day_seconds(hour, two(n1, n2)?, two(s1, s2)?).map(|seconds| (seconds, used + 6))
}

/// Seconds of a day from `H:M:S`, nothing padded.
fn loose_clock(text: &[u8], at: usize) -> Option<(i64, usize)> {
    let (hour, a) = short_number(text.get(at..)?)?;
    let (minute, b) = short_number(text.get(at + a..)?.strip_prefix(b":")?)?;
    let (second, c) = short_number(text.get(at + a + b + 1..)?.strip_prefix(b":")?)?;
    day_seconds(hour, minute, second).map(|seconds| (seconds, a + b + c + 2))
}

/// Seconds of a day from `HHMMSS`.
fn bare_clock(text: &[u8], at: usize) -> Option<(i64, usize)> {
    day_seconds(number(text, at, 2)?, number(text, at + 2, 2)?, number(text, at + 4, 2)?).map(|seconds| (seconds, 6))
}

fn day_seconds(hour: i64, minute: i64, second: i64) -> Option<i64> {
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3_600 + minute * 60 + second)
}
