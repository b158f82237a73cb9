//! Lines with a TAI64N label, as multilog and s6 write them: `@4000000069773d5f075bcd15 text`.

use super::{Context, Format, Record, shared::fields};

/// TAI64N.
pub(super) struct Tai64n;

impl Format for Tai64n {
    fn name(&self) -> &'static str {
        "tai64n"
    }

    fn summary(&self) -> &'static str {
        "multilog and s6-log: a TAI64N label and a text"
    }

    fn example(&self) -> &'static str {
        "@4000000069773d5f075bcd15 tcpserver: status: 1/40"
    }

    fn begins_with(&self, first: u8) -> bool {
        first == b'@'
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let (time, used) = context.times.tai64n(line.strip_prefix(b"@")?)?;
        let rest = &line[used + 1..];
        if rest.first().is_some_and(|b| *b != b' ') {
            return None;
        }
        let fields = fields::read(rest, false);
        Some(Record::of(time, fields.level, fields.logger, fields.message))
    }
}
