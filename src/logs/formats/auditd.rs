//! The audit daemon of Linux: `type=SYSCALL msg=audit(1769423445.123:42): arch=c000003e ...`. It tells no level.

use super::{Context, Format, Record, shared::text::split};
use crate::logs::time;

/// auditd.
pub(super) struct Auditd;

impl Format for Auditd {
    fn name(&self) -> &'static str {
        "auditd"
    }

    fn summary(&self) -> &'static str {
        "Linux audit: type=KIND msg=audit(epoch:serial): fields"
    }

    fn example(&self) -> &'static str {
        "type=LOGIN msg=audit(1769423445.123:42): pid=7 uid=0 res=1"
    }

    fn begins_with(&self, first: u8) -> bool {
        matches!(first, b't' | b'n')
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let start = if line.starts_with(b"node=") { split(line, b' ')?.1 } else { line };
        let (kind, rest) = split(start.strip_prefix(b"type=")?, b' ')?;
        let stamp = rest.strip_prefix(b"msg=audit(")?;
        let (epoch, _) = split(stamp, b':')?;
        let (_, message) = split(stamp, b')')?;
        let time = time::epoch(epoch)?;
        context.times.seen.stamped = true;
        let message = message.strip_prefix(b":").unwrap_or(message).trim_ascii();
        Some(Record::of(Some(time), None, Some(kind), message))
    }
}
