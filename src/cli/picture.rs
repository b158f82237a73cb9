//! A timeline as text: records and errors as rows of bars over a common axis, with marks for what stands out.

use crate::types::sparkline::sparkline;

/// Columns of a terminal that are used.
const WIDTH: usize = 80;

/// Before the bars of each row.
const LABEL: usize = 10;

/// Bars in a row: what is left between the label and two bounds.
const MOST_COLUMNS: usize = WIDTH - LABEL - 2;

/// Buckets of a timeline that are absent are drawn as empty, up to so many columns' worth.
const MOST_BUCKETS: i64 = 1 << 20;

/// One bucket of the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    /// Seconds since 1970.
    pub(super) start: i64,
    pub(super) records: u64,
    pub(super) errors: u64,
}

/// A timeline with its marks, all times in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picture<'a> {
    /// Of a bucket.
    pub(super) width: i64,
    /// In order; absent ones are empty.
    pub(super) buckets: &'a [Column],
    /// Beginning and end of each burst.
    pub(super) spikes: &'a [(i64, i64)],
    /// Lasting changes.
    pub(super) steps: &'a [i64],
}

impl Picture<'_> {
    /// The lines, at most 80 columns wide; none of no buckets.
    ///
    /// Under the bars `^` is a burst and `|` a lasting change, which wins where both are; below is the time of the first and the last
    /// column.
    pub(super) fn lines(&self) -> Vec<String> {
        let (Some(first), Some(last)) = (self.buckets.first(), self.buckets.last()) else { return Vec::new() };
        let width = self.width.max(1);
        let span = (last.start.saturating_sub(first.start) / width).clamp(0, MOST_BUCKETS) + 1;
        let a_column = width.saturating_mul((span - 1) / MOST_COLUMNS as i64 + 1);
        let at = |time: i64| usize::try_from(time.saturating_sub(first.start) / a_column).unwrap_or(0).min(MOST_COLUMNS - 1);
        let columns = at(last.start) + 1;
        let (mut records, mut errors, mut marks) = (vec![0; columns], vec![0; columns], vec![' '; columns]);
        for bucket in self.buckets {
            records[at(bucket.start)] += bucket.records;
            errors[at(bucket.start)] += bucket.errors;
        }
        for (from, to) in self.spikes {
            let last = at(to.saturating_sub(1).max(*from));
            marks.iter_mut().take(last + 1).skip(at(*from)).for_each(|mark| *mark = '^');
        }
        for step in self.steps {
            if let Some(mark) = marks.get_mut(at(*step)) {
                *mark = '|';
            }
        }
        let row = |label: &str, bars: String| format!("{label:<LABEL$}|{bars}|");
        let mut lines = vec![row("records", sparkline(records.into_iter())), row("errors", sparkline(errors.into_iter()))];
        if !self.spikes.is_empty() || !self.steps.is_empty() {
            let marks: String = marks.into_iter().collect();
            lines.push(format!("{:LABEL$} {}", "", marks.trim_end()));
        }
        lines.push(axis(first.start, first.start.saturating_add(a_column.saturating_mul(i64::try_from(columns).unwrap_or(1) - 1)), columns));
        lines
    }
}

/// The first time under the first column and the last one under the last; one behind the other where they do not fit.
fn axis(first: i64, last: i64, columns: usize) -> String {
    let (from, to) = (moment(first), moment(last));
    if first == last {
        return format!("{:LABEL$} {from}", "");
    }
    let between = columns.saturating_sub(from.len() + to.len());
    if between == 0 { format!("{:LABEL$} {from} .. {to}", "") } else { format!("{:LABEL$} {from}{:between$}{to}", "", "") }
}

/// RFC 3339, UTC.
fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|t| t.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_769_421_600;

    fn columns(errors: &[u64]) -> Vec<Column> {
        (0..).zip(errors).map(|(at, errors)| Column { start: AT + at * 60, records: 10, errors: *errors }).collect()
    }

    #[test]
    fn bars_marks_and_axis_stand_above_each_other() {
        let mut errors = [0; 50];
        errors[10..12].copy_from_slice(&[4, 8]);
        errors[30..].fill(1);
        let buckets = columns(&errors);
        let picture = Picture { width: 60, buckets: &buckets, spikes: &[(AT + 600, AT + 720)], steps: &[AT + 1_800] };
        assert_eq!(
            picture.lines(),
            [
                format!("records   |{}|", "█".repeat(50)),
                format!("errors    |{}▄█{}{}|", " ".repeat(10), " ".repeat(18), "▁".repeat(20)),
                format!("           {}^^{}|", " ".repeat(10), " ".repeat(18)),
                format!("           2026-01-26T10:00:00Z{}2026-01-26T10:49:00Z", " ".repeat(10)),
            ]
        );
    }

    #[test]
    fn gaps_are_drawn_and_without_marks_there_is_no_row_for_them() {
        let buckets = [Column { start: AT, records: 1, errors: 1 }, Column { start: AT + 180, records: 1, errors: 0 }];
        let picture = Picture { width: 60, buckets: &buckets, spikes: &[], steps: &[] };
        assert_eq!(picture.lines(), ["records   |█  █|", "errors    |█   |", "           2026-01-26T10:00:00Z .. 2026-01-26T10:03:00Z"]);
        let one = Picture { buckets: &buckets[..1], ..picture };
        assert_eq!(one.lines(), ["records   |█|", "errors    |█|", "           2026-01-26T10:00:00Z"]);
        assert!(Picture { buckets: &[], ..picture }.lines().is_empty());
    }

    #[test]
    fn no_line_is_longer_than_eighty_columns_and_marks_stay_within() {
        for count in [1, 67, 68, 69, 80, 500, 3_000] {
            let buckets = columns(&vec![1; count]);
            let end = buckets.last().expect("some").start;
            let picture = Picture { width: 60, buckets: &buckets, spikes: &[(end, end + 60), (AT - 9_999, AT)], steps: &[end, i64::MAX, i64::MIN] };
            for line in picture.lines() {
                assert!(line.chars().count() <= 80, "{count}: {line}");
            }
        }
    }

    #[test]
    fn times_at_the_ends_of_time_do_not_overflow() {
        let buckets = [i64::MIN, 0, i64::MAX].map(|start| Column { start, records: 1, errors: 0 });
        assert!(!Picture { width: 1, buckets: &buckets, spikes: &[], steps: &[] }.lines().is_empty());
    }
}
