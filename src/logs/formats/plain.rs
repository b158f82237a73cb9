//! Lines without structure. Never invents a timestamp or a level.

use std::borrow::Cow;

use super::{Context, Format, Record};

/// Any line.
pub(super) struct Plain;

impl Format for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn summary(&self) -> &'static str {
        "lines without structure: the whole line is the message, with neither time nor level"
    }

    fn example(&self) -> &'static str {
        "segfault in worker 3"
    }

    fn parse<'l>(&self, line: &'l [u8], _context: &mut Context) -> Option<Record<'l>> {
        Some(Record { message: Cow::Borrowed(line), ..Record::default() })
    }
}
