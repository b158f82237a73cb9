//! java.util.logging in its own dress, two lines a record: `Jan 26, 2026 10:30:45 AM com.acme.App main`, and `SEVERE: text` below.
//!
//! The first line is the record; its level and message are taken from the line behind it when that is added.

use super::{Context, Format, Record, shared::text::word};
use crate::logs::level::Level;

/// java.util.logging.
pub(super) struct Jul;

impl Format for Jul {
    fn name(&self) -> &'static str {
        "jul"
    }

    fn summary(&self) -> &'static str {
        "java.util.logging (Tomcat): Mon dd, yyyy time AM class method, level and text in the line below"
    }

    fn example(&self) -> &'static str {
        "Jan 26, 2026 10:30:45 AM com.acme.App main"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_uppercase()
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let (time, used) = context.times.month_day(line)?;
        let names = line[used..].trim_ascii();
        let (class, method) = word(names);
        let is_name = |name: &[u8]| !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || b"._$<>-".contains(b));
        let halved = matches!(line[..used], [.., b'A' | b'P', b'M']);
        if !halved || !is_name(class) || !is_name(method) {
            return None;
        }
        Some(Record { level_behind: true, ..Record::of(time, None, Some(class), names) })
    }
}

/// Level and message of the line below a record's first.
pub(crate) fn second_line(text: &[u8]) -> Option<(Level, &[u8])> {
    let letters = text.iter().take(8).take_while(|b| b.is_ascii_uppercase()).count();
    let (name, rest) = text.split_at(letters);
    let level = Level::of_word(name).or((name == b"CONFIG").then_some(Level::Debug))?;
    Some((level, rest.strip_prefix(b":")?.trim_ascii()))
}
