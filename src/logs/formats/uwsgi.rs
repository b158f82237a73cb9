//! uWSGI's request log: `[pid: 7|app: 0|req: 1/1] 192.0.2.7 () {38 vars in 696 bytes} [Mon Jan 26 10:30:45 2026] GET / => generated ...`.

use super::{
    Context, Format, Record,
    shared::text::{group, status},
};
use crate::logs::level::Level;

/// uWSGI.
pub(super) struct Uwsgi;

impl Format for Uwsgi {
    fn name(&self) -> &'static str {
        "uwsgi"
    }

    fn summary(&self) -> &'static str {
        "uWSGI requests: the level is that of the status"
    }

    fn example(&self) -> &'static str {
        "[pid: 7|app: 0|req: 1/1] 192.0.2.7 () {38 vars in 696 bytes} [Mon Jan 26 10:30:45 2026] GET /cart => generated 47 bytes in 129 msecs (HTTP/1.1 502) 2 headers in 78 bytes (1 switches on core 0)"
    }

    fn begins_with(&self, first: u8) -> bool {
        first == b'['
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        line.strip_prefix(b"[pid: ")?;
        let (_, rest) = group(line)?;
        let open = memchr::memmem::find(rest, b"} [")?;
        let stamp = &rest[open + 3..];
        let (time, used) = context.times.ctime(stamp)?;
        let message = stamp[used..].strip_prefix(b"] ")?;
        let code = memchr::memmem::find(message, b" (HTTP/").and_then(|at| message.get(at + 11..)).and_then(status);
        Some(Record::of(time, code.and_then(Level::of_status), None, message))
    }
}
