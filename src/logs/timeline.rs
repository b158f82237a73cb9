//! Counts over time in buckets of equal width, in bounded memory.
//!
//! Buckets begin at multiples of their width since 1970 in UTC, so that parts counted apart can be added. When they grow too many, they
//! coarsen; the counts stay exact.
//!
//! **Invariant:** the result depends on which times were added, and on nothing else: not on their order, not on how they were cut into
//! parts, not on when buckets coarsened. Each width divides the next, so a coarse bucket is a sum of fine ones; and no width is left that
//! would still do at the end, because times that are too many for a width stay too many however many more come.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    error::LogsError,
    time::{Nanos, SECOND},
};
use crate::types::time::{parse_duration, show_duration};

/// Widths in seconds that an automatic timeline goes through: 1, 5 and 15 seconds, 1, 5 and 15 minutes, 1 and 6 hours, 1 day; then it
/// doubles. Each divides the next.
const WIDTHS: [i64; 9] = [1, 5, 15, 60, 300, 900, 3_600, 21_600, 86_400];

/// More buckets of a width that was asked for are not held: more than twice what is shown, so that coarsening once never goes too far.
const MOST_HELD: usize = 4_096;

/// Buckets from the first to the last of an automatic timeline.
pub(crate) const MOST_AUTOMATIC: i64 = 80;

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
    pub(crate) fn add(&mut self, other: Self) {
        self.total += other.total;
        self.errors += other.errors;
        self.warnings += other.warnings;
    }
}

/// The width that buckets take when `width` (the finest when none is given) gives too many: the next of the ladder, or twice as wide.
pub(crate) fn wider(width: i64, fixed: bool) -> i64 {
    let next = if fixed { None } else { WIDTHS.into_iter().find(|w| *w > width) };
    next.unwrap_or(width * 2)
}

/// The finest width in seconds: the one that was asked for, or the lowest step of the ladder.
pub(crate) fn finest(fixed: Option<i64>) -> i64 {
    fixed.unwrap_or(WIDTHS[0])
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
        Self { width: finest(fixed), fixed: fixed.is_some(), counts: BTreeMap::new(), current: Counts::default(), from: 0, until: 0 }
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
        self.bound();
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

    /// Coarsens while there is more than may be held. Must not go further than [`finish`](Self::finish) would.
    fn bound(&mut self) {
        while if self.fixed { self.counts.len() >= MOST_HELD } else { self.too_many() } {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        let wider = wider(self.width, self.fixed);
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
        self.bound();
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
    use proptest::prelude::*;

    use super::*;

    fn timeline(fixed: Option<i64>, seconds: impl IntoIterator<Item = i64>) -> Timeline {
        let mut timeline = Timeline::new(fixed);
        seconds.into_iter().for_each(|s| timeline.add(s * SECOND, s % 2 == 0, s % 3 == 0));
        timeline
    }

    #[test]
    fn automatic_width_is_the_finest_that_gives_at_most_eighty() {
        for (span, width) in [
            (0, 1),
            (79, 1),
            (80, 5),
            (79 * 5, 5),
            (80 * 5, 15),
            (79 * 15, 15),
            (79 * 60, 60),
            (80 * 60, 300),
            (79 * 3_600, 3_600),
            (80 * 3_600, 21_600),
            (400 * 86_400, 691_200),
        ] {
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
    fn each_width_divides_the_next() {
        let mut width = finest(None);
        while width < 100 * 86_400 {
            let next = wider(width, false);
            assert!(next > width && next % width == 0, "{width} {next}");
            width = next;
        }
    }

    /// Clusters far apart and close together, so that every step of the ladder is the right one now and then.
    fn times() -> impl Strategy<Value = Vec<i64>> {
        let spread = prop_oneof![Just(3_i64), Just(90), Just(2_000), Just(100_000), Just(9_000_000)];
        (spread, -5_000_000_000_i64..5_000_000_000, proptest::collection::vec(0..1_000_000_i64, 0..300))
            .prop_map(|(spread, base, at)| at.into_iter().map(|n| (base + n * spread / 1_000_000) * SECOND + n).collect())
    }

    fn width() -> impl Strategy<Value = Option<i64>> {
        prop_oneof![3 => Just(None), 1 => (1..100_i64).prop_map(Some)]
    }

    fn counted(fixed: Option<i64>, times: &[i64]) -> Timeline {
        let mut timeline = Timeline::new(fixed);
        times.iter().for_each(|t| timeline.add(*t, t % 2 == 0, t % 3 == 0));
        timeline
    }

    /// The definition: the finest width that fits all times, chosen with all of them known.
    fn by_definition(fixed: Option<i64>, times: &[i64]) -> (i64, Vec<(i64, u64)>) {
        let mut width = finest(fixed);
        loop {
            let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
            times.iter().for_each(|t| *counts.entry(t.div_euclid(width * SECOND)).or_default() += 1);
            let span = counts.keys().next_back().zip(counts.keys().next()).map_or(0, |(last, first)| last - first);
            if if fixed.is_some() { counts.len() <= MOST_FIXED } else { span < MOST_AUTOMATIC } {
                return (width, counts.into_iter().map(|(at, n)| (at * width, n)).collect());
            }
            width = wider(width, fixed.is_some());
        }
    }

    proptest! {
        #[test]
        fn the_result_depends_on_the_times_alone(
            fixed in width(), times in times(), order in any::<u64>(), cuts in proptest::collection::vec(0..300_usize, 0..4),
        ) {
            let want = by_definition(fixed, &times);
            let mut shuffled = times;
            let key = |t: &i64| (t.unsigned_abs() ^ order).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            shuffled.sort_by_key(key);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(shuffled.len())).chain([0, shuffled.len()]).collect();
            cuts.sort_unstable();
            let mut whole = Timeline::new(fixed);
            for pair in cuts.windows(2) {
                whole.merge(counted(fixed, &shuffled[pair[0]..pair[1]]));
            }
            let (width, buckets) = whole.finish();
            let got = (i64::try_from(width.as_secs()).expect("small"), buckets.into_iter().map(|(at, c)| (at, c.total)).collect::<Vec<_>>());
            prop_assert_eq!(got, want);
        }
    }

    #[test]
    fn a_width_that_was_asked_for_holds_to_the_definition_beyond_what_is_held() {
        let times: Vec<i64> = (0..30_000).map(|n| n * 7_919 % 30_011 * 11 * SECOND).collect();
        let (width, buckets) = counted(Some(3), &times).finish();
        let got = (i64::try_from(width.as_secs()).expect("small"), buckets.into_iter().map(|(at, c)| (at, c.total)).collect::<Vec<_>>());
        assert_eq!(got, by_definition(Some(3), &times));
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
