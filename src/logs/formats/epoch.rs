//! Lines with an epoch number among their first columns: `1769423445.123 text`, and the logs of clusters, which put an alert's tag or
//! a number and a node around it.

use super::{
    Context, Format, Record,
    shared::{
        fields,
        text::{digits, number, word},
    },
};
use crate::logs::{
    level::Level,
    time::{self, Nanos},
};

/// Epoch first.
pub(super) struct Epoch;

/// Columns before the epoch.
const COLUMNS_BEFORE_EPOCH: usize = 4;

/// Columns between the second date and a level.
const COLUMNS_BEFORE_LEVEL: usize = 4;

/// Earlier numbers, in seconds, are no times: 2000-01-01.
const EARLIEST: Nanos = 946_684_800 * time::SECOND;

/// An epoch of ten, thirteen, sixteen or nineteen digits, decimals allowed.
fn epoch(column: &[u8]) -> Option<Nanos> {
    let (whole, rest) = digits(column);
    let shaped = matches!(whole.len(), 10 | 13 | 16 | 19) && (rest.is_empty() || rest[0] == b'.');
    if shaped { time::epoch(column).filter(|time| *time >= EARLIEST) } else { None }
}

impl Format for Epoch {
    fn name(&self) -> &'static str {
        "epoch"
    }

    fn summary(&self) -> &'static str {
        "lines with an epoch number among their first columns, such as the logs of clusters"
    }

    fn example(&self) -> &'static str {
        "- 1769423445 2026.01.26 node7 Jan 26 10:30:45 node7/node7 crond(pam_unix)[2915]: session closed"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_alphanumeric() || matches!(first, b'-' | b'[')
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        if let Some(inner) = line.strip_prefix(b"[") {
            let (stamp, rest) = super::shared::text::split(&inner[..inner.len().min(24)], b']').map(|(s, _)| (s, &inner[s.len() + 1..]))?;
            let time = epoch(stamp.trim_ascii())?;
            context.times.seen.stamped = true;
            let fields = fields::read(rest, false);
            return Some(Record::of(Some(time), fields.level, fields.logger, fields.message));
        }
        let mut rest = line;
        for columns in 0..=COLUMNS_BEFORE_EPOCH {
            let (column, after) = word(rest);
            if let Some(time) = epoch(column) {
                context.times.seen.stamped = true;
                return match columns {
                    0 => {
                        let fields = fields::read(after, false);
                        Some(Record::of(Some(time), fields.level, fields.logger, fields.message))
                    }
                    // A tag, the epoch and the date again.
                    1 => tagged(time, after, context),
                    // A number, a node, what of it, in which state, since when, and a flag.
                    _ => {
                        let (flag, message) = word(after);
                        let (first, behind) = word(line);
                        let (_, component) = word(behind);
                        let shaped = columns == COLUMNS_BEFORE_EPOCH && number(first).is_some() && flag.len() <= 2 && number(flag).is_some();
                        shaped.then(|| Record::of(Some(time), None, Some(word(component).0), message))
                    }
                };
            }
            if column.is_empty() || column.ends_with(b":") {
                return None;
            }
            rest = after;
        }
        None
    }
}

/// What is behind a tag and an epoch: a date, a node, then either a syslog line or columns with a level among them.
fn tagged<'l>(time: Nanos, rest: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
    let (date, rest) = word(rest);
    let [_, _, _, _, b'.', _, _, b'.', _, _] = *date else { return None };
    let (node, rest) = word(rest);
    if let Some((_, used)) = context.times.month_day(rest) {
        let inner = super::syslog::body(rest[used..].trim_ascii_start())?;
        context.times.seen.yearless = false;
        return Some(Record { time: Some(time), level: inner.level, ..inner });
    }
    let (stamp, mut rest) = word(rest);
    context.times.any(stamp)?;
    let mut logger = node;
    for _ in 0..COLUMNS_BEFORE_LEVEL {
        let (column, after) = word(rest);
        if let Some(level) = Level::of_word(column) {
            return Some(Record::of(Some(time), Some(level), Some(logger), after));
        }
        if column.is_empty() || !column.is_ascii() {
            break;
        }
        (logger, rest) = (column, after);
    }
    let (_, message) = word(rest);
    Some(Record::of(Some(time), None, Some(node), if message.is_empty() { rest } else { message }))
}
