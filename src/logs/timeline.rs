//! Counts over time in buckets of equal width, in bounded memory.
//!
//! Buckets begin at multiples of their width since 1970 in UTC, so that parts counted apart can be added. When they grow too many, they
//! coarsen; the counts stay exact.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    error::LogsError,
    time::{Nanos, SECOND},
};
use crate::types::time::{parse_duration, show_duration};

/// Widths in seconds that an automatic timeline goes through: 1 and 5 and 15 minutes, 1 and 6 hours, 1 day; then it doubles.
const WIDTHS: [i64; 6] = [60, 300, 900, 3_600, 21_600, 86_400];

/// More buckets are never held.
const MOST_HELD: usize = 4_096;

/// Buckets from the first to the last of an automatic timeline.
const MOST_AUTOMATIC: i64 = 80;

/// Buckets with records of a timeline whose width was asked for.
const MOST_FIXED: usize = 1_000;

/// What one bucket counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) total: u64,
    pub(crate) errors: u64,
    pub(crate) warnings: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.total += other.total;
        self.errors += other.errors;
        self.warnings += other.warnings;
    }
}

/// Reads a bucket width such as `5m` or `1h`, in whole seconds from 1 s to 366 days.
///
/// # Errors
/// [`LogsError::BadBucket`] with the accepted forms.
pub(crate) fn parse_width(text: &str) -> Result<i64, LogsError> {
    let width = parse_duration(text).map_err(|problem| LogsError::BadBucket(format!("bucket: {problem}")))?;
    if width.subsec_nanos() != 0 || !(1..=31_622_400).contains(&width.as_secs()) {
        let shown = show_duration(width);
        return Err(LogsError::BadBucket(format!("bucket: {shown} is out of range: write whole seconds from 1s to 366d, such as 5m or 1h")));
    }
    Ok(i64::try_from(width.as_secs()).expect("at most 366 days"))
}

/// Counts per bucket.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    /// Seconds.
    width: i64,
    fixed: bool,
    counts: BTreeMap<i64, Counts>,
    /// The bucket being filled: neighbours mostly fall into the same.
    current: Counts,
    from: Nanos,
    until: Nanos,
}

impl Timeline {
    /// With buckets of `fixed` seconds, or of the finest fitting width.
    pub(crate) fn new(fixed: Option<i64>) -> Self {
        Self { width: fixed.unwrap_or(WIDTHS[0]), fixed: fixed.is_some(), counts: BTreeMap::new(), current: Counts::default(), from: 0, until: 0 }
    }

    /// Counts one record.
    pub(crate) fn add(&mut self, time: Nanos, error: bool, warning: bool) {
        if !(self.from..self.until).contains(&time) {
            self.turn_to(time);
        }
        self.current.total += 1;
        self.current.errors += u64::from(error);
        self.current.warnings += u64::from(warning);
    }

    fn turn_to(&mut self, time: Nanos) {
        self.flush();
        if self.counts.len() >= MOST_HELD {
            self.coarsen();
        }
        let width = self.width.saturating_mul(SECOND);
        self.from = time.div_euclid(width).saturating_mul(width);
        self.until = self.from.saturating_add(width);
    }

    fn flush(&mut self) {
        if self.current.total > 0 {
            self.counts.entry(self.from.div_euclid(self.width * SECOND)).or_default().add(std::mem::take(&mut self.current));
        }
        (self.from, self.until) = (0, 0);
    }

    fn wider(&self) -> i64 {
        let next = if self.fixed { None } else { WIDTHS.into_iter().find(|w| *w > self.width) };
        next.unwrap_or(self.width * 2)
    }

    fn coarsen(&mut self) {
        let wider = self.wider();
        let mut counts: BTreeMap<i64, Counts> = BTreeMap::new();
        for (bucket, count) in &self.counts {
            counts.entry((bucket * self.width).div_euclid(wider)).or_default().add(*count);
        }
        (self.counts, self.width) = (counts, wider);
    }

    /// Adds the counts of another part of the input, counted with the same setting.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.flush();
        other.flush();
        while self.width < other.width {
            self.coarsen();
        }
        while other.width < self.width {
            other.coarsen();
        }
        for (bucket, count) in other.counts {
            self.counts.entry(bucket).or_default().add(count);
        }
        while self.counts.len() > MOST_HELD {
            self.coarsen();
        }
    }

    /// The width, and the buckets that hold records: their start in seconds since 1970 and counts.
    pub(crate) fn finish(mut self) -> (Duration, Vec<(i64, Counts)>) {
        self.flush();
        while self.too_many() {
            self.coarsen();
        }
        let width = self.width;
        (Duration::from_secs(width.unsigned_abs()), self.counts.into_iter().map(|(bucket, count)| (bucket * width, count)).collect())
    }

    fn too_many(&self) -> bool {
        if self.fixed {
            return self.counts.len() > MOST_FIXED;
        }
        let (first, last) = (self.counts.first_key_value(), self.counts.last_key_value());
        first.zip(last).is_some_and(|((first, _), (last, _))| last - first >= MOST_AUTOMATIC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(fixed: Option<i64>, seconds: impl IntoIterator<Item = i64>) -> Timeline {
        let mut timeline = Timeline::new(fixed);
        seconds.into_iter().for_each(|s| timeline.add(s * SECOND, s % 2 == 0, s % 3 == 0));
        timeline
    }

    #[test]
    fn automatic_width_is_the_finest_that_gives_at_most_eighty() {
        for (span, width) in [(0, 60), (79 * 60, 60), (80 * 60, 300), (79 * 3_600, 3_600), (80 * 3_600, 21_600), (400 * 86_400, 691_200)] {
            let (got, buckets) = timeline(None, [0, span]).finish();
            assert_eq!(got.as_secs(), width, "{span}");
            assert_eq!(buckets.iter().map(|b| b.1.total).sum::<u64>(), 2);
        }
    }

    #[test]
    fn counts_survive_coarsening_and_the_memory_is_bounded() {
        let mut spread = timeline(None, (0..20_000).map(|n| n * 3_601 - 5_000_000));
        assert!(spread.counts.len() <= MOST_HELD);
        spread.flush();
        let (_, buckets) = spread.finish();
        assert_eq!(buckets.iter().map(|b| b.1.total).sum::<u64>(), 20_000);
        assert_eq!(buckets.iter().map(|b| b.1.errors).sum::<u64>(), 10_000);
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let times: Vec<i64> = (0..9_000).map(|n| n * 977 % 700_001).collect();
        for fixed in [None, Some(3_600), Some(7)] {
            let whole = timeline(fixed, times.iter().copied()).finish();
            let mut parts = timeline(fixed, times[..1_000].iter().copied());
            parts.merge(timeline(fixed, times[1_000..].iter().copied()));
            assert_eq!(parts.finish(), whole);
        }
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let mut timeline = Timeline::new(None);
        for time in [i64::MIN, i64::MAX, 0, -1] {
            timeline.add(time, false, false);
        }
        assert_eq!(timeline.finish().1.iter().map(|b| b.1.total).sum::<u64>(), 4);
    }

    #[test]
    fn widths_read_as_written() {
        assert_eq!(parse_width("1h"), Ok(3_600));
        for wrong in ["0s", "1.5s", "400d", "wide"] {
            assert!(matches!(parse_width(wrong), Err(LogsError::BadBucket(_))), "{wrong}");
        }
    }
}
