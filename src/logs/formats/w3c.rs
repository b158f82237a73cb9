//! W3C extended logs (IIS and others): a table whose columns a `#Fields:` line names. Times are UTC, the level is the status'.
//!
//! The names are those of the first header in the file's beginning; a file without one is not of this format.

use super::{Context, Format, Record, shared::text::status};
use crate::logs::{
    level::Level,
    time::{Nanos, SECOND},
};

/// W3C extended.
pub(super) struct W3c;

/// More columns than anybody logs.
const MOST_COLUMNS: usize = 64;

/// Where the columns are that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table {
    date: usize,
    time: usize,
    method: Option<usize>,
    stem: Option<usize>,
    status: Option<usize>,
    columns: usize,
}

/// The columns that a `#Fields:` line names; none for other lines and for tables without date and time.
pub(super) fn table(line: &[u8]) -> Option<Table> {
    let names: Vec<&[u8]> = blanks(line.strip_prefix(b"#Fields:")?).take(MOST_COLUMNS).collect();
    let place = |name: &[u8]| names.iter().position(|column| *column == name);
    Some(Table {
        date: place(b"date")?,
        time: place(b"time")?,
        method: place(b"cs-method"),
        stem: place(b"cs-uri-stem").or_else(|| place(b"cs-uri")),
        status: place(b"sc-status"),
        columns: names.len(),
    })
}

fn blanks(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty())
}

/// The time of a date and a time column, both in UTC.
fn moment(date: &[u8], clock: &[u8], context: &mut Context) -> Option<Nanos> {
    let mut text = [b' '; 20];
    text[..10].copy_from_slice(date.get(..10)?);
    text[11..19].copy_from_slice(clock.get(..8)?);
    text[19] = b'Z';
    let time = context.times.read_whole(&text)?;
    let fraction = clock.get(8..).and_then(|rest| rest.strip_prefix(b".")).unwrap_or_default();
    let millis = super::shared::text::number(fraction).filter(|_| fraction.len() == 3).unwrap_or(0);
    Some(time + i64::from(millis) * (SECOND / 1_000))
}

impl Format for W3c {
    fn name(&self) -> &'static str {
        "w3c"
    }

    fn summary(&self) -> &'static str {
        "W3C extended logs (IIS): columns named by a #Fields line, times in UTC, the level that of the status"
    }

    fn example(&self) -> &'static str {
        "#Fields: date time cs-method cs-uri-stem sc-status\n2026-01-26 10:30:45 GET /cart 502"
    }

    fn begins_with(&self, first: u8) -> bool {
        !matches!(first, b'#' | b'{')
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let table = context.table?;
        let mut columns = [(0, 0); MOST_COLUMNS];
        let mut count = 0;
        let mut from = 0;
        for column in line.split(|b| matches!(b, b' ' | b'\t')) {
            if !column.is_empty() {
                *columns.get_mut(count)? = (from, from + column.len());
                count += 1;
            }
            from += column.len() + 1;
        }
        if count != table.columns {
            return None;
        }
        let text = |column: usize| &line[columns[column].0..columns[column].1];
        let time = moment(text(table.date), text(table.time), context)?;
        let code = table.status.and_then(|at| status(text(at)));
        let message = match (table.method, table.stem) {
            (Some(method), Some(stem)) if method < stem => &line[columns[method].0..columns[stem].1],
            _ => line,
        };
        Some(Record::of(Some(time), code.and_then(Level::of_status), None, message))
    }
}
