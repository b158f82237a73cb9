//! Lines with the time of day and no date, as logback and Serilog write them unless told otherwise: `10:30:45.123 [main] ERROR a.b.C - text`.
//!
//! A time of day is no moment, so there is no time; a line without a level is not of this format.

use super::{
    Context, Format, Record,
    shared::{fields, text::group},
};

/// Time of day only.
pub(super) struct Clock;

/// The bytes of `10:30:45`, and of decimals behind it.
fn clock(text: &[u8]) -> Option<usize> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *text.first_chunk()? else { return None };
    if ![h1, h2, m1, m2, s1, s2].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let decimals = text[8..].strip_prefix(b".").or_else(|| text[8..].strip_prefix(b",")).map(|rest| rest.iter().take_while(|b| b.is_ascii_digit()).count());
    Some(8 + decimals.filter(|digits| *digits > 0).map_or(0, |digits| digits + 1))
}

impl Format for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn summary(&self) -> &'static str {
        "lines with the time of day and a level (logback, Serilog): no date, so no time"
    }

    fn example(&self) -> &'static str {
        "10:30:45.123 [main] ERROR com.acme.Db - Connection refused"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_digit() || first == b'['
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let fields = if line.first() == Some(&b'[') {
            let (inner, after) = group(line)?;
            let behind = &inner[clock(inner)?..];
            match behind {
                [] => fields::read(after, false),
                // `[10:30:45 ERR] text`
                [b' ', word @ ..] => fields::Fields { level: crate::logs::level::Level::of_word(word.trim_ascii()), logger: None, message: after.trim_ascii() },
                _ => return None,
            }
        } else {
            let behind = &line[clock(line)?..];
            if !matches!(behind.first()?, b' ' | b'\t') {
                return None;
            }
            fields::read(behind, false)
        };
        fields.level?;
        context.times.seen.stamped = true;
        Some(Record::of(None, fields.level, fields.logger, fields.message))
    }
}
