//! Counts over time of one group of messages, small enough to have one for each of 10,000 groups.
//!
//! Goes up the same ladder of widths as the [`timeline`](super::timeline), with the same most buckets from first to last. A group's
//! records are among those of the timeline, so an automatic pulse is never coarser than the timeline of its report and its buckets divide
//! the report's: [`Pulse::series`] lines up exactly. A group that was seen in one bucket only holds nothing on the heap.
//!
//! **Invariant:** the result depends on which times were added, and on nothing else, as with the timeline.

use super::{
    time::{Nanos, SECOND},
    timeline::{MOST_AUTOMATIC, finest, wider},
};

/// Counts per bucket from the first to the last.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    /// The bucket being filled, so that a record like the one before it costs a comparison and an increment.
    from: Nanos,
    until: Nanos,
    current: u64,
    /// Seconds.
    width: i64,
    fixed: bool,
    /// Index of the bucket that `counts[0]` counts.
    first: i64,
    /// At most [`MOST_AUTOMATIC`], the first and the last not 0.
    counts: Vec<u64>,
}

impl Pulse {
    /// Of a report whose timeline has buckets of `fixed` seconds, or automatic ones.
    pub(crate) fn new(fixed: Option<i64>) -> Self {
        Self { from: 0, until: 0, current: 0, width: finest(fixed), fixed: fixed.is_some(), first: 0, counts: Vec::new() }
    }

    /// Counts one record.
    pub(crate) fn add(&mut self, time: Nanos) {
        if !(self.from..self.until).contains(&time) {
            self.turn_to(time);
        }
        self.current += 1;
    }

    fn turn_to(&mut self, time: Nanos) {
        self.flush();
        let width = self.width.saturating_mul(SECOND);
        self.from = time.div_euclid(width).saturating_mul(width);
        self.until = self.from.saturating_add(width);
    }

    fn flush(&mut self) {
        if self.current > 0 {
            let (at, count) = (self.from.div_euclid(self.width * SECOND), std::mem::take(&mut self.current));
            self.put(at, count);
        }
        (self.from, self.until) = (0, 0);
    }

    /// Adds to the bucket with this index at the present width, after which the width may be another.
    fn put(&mut self, mut at: i64, count: u64) {
        loop {
            let (first, last) = if self.counts.is_empty() { (at, at) } else { (self.first.min(at), self.last().max(at)) };
            if last - first < MOST_AUTOMATIC {
                break;
            }
            at = (at * self.width).div_euclid(wider(self.width, self.fixed));
            self.coarsen();
        }
        if self.counts.is_empty() {
            self.first = at;
        }
        if at < self.first {
            let missing = usize::try_from(self.first - at).unwrap_or_default();
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = at;
        }
        let index = usize::try_from(at - self.first).unwrap_or_default();
        if index >= self.counts.len() {
            self.counts.reserve_exact(index + 1 - self.counts.len());
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] += count;
    }

    fn last(&self) -> i64 {
        self.first + i64::try_from(self.counts.len()).unwrap_or(MOST_AUTOMATIC) - 1
    }

    /// Nothing of `current` may be waiting.
    fn coarsen(&mut self) {
        let wider = wider(self.width, self.fixed);
        let coarse = |at: i64| (at * self.width).div_euclid(wider);
        let first = coarse(self.first);
        let mut counts = vec![0; usize::try_from(coarse(self.last()) - first + 1).unwrap_or(1)];
        for (at, count) in (self.first..).zip(&self.counts) {
            counts[usize::try_from(coarse(at) - first).unwrap_or_default()] += count;
        }
        (self.counts, self.first, self.width) = (counts, first, wider);
    }

    /// Adds the counts of another part of the input, counted with the same setting.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.flush();
        other.flush();
        while self.width < other.width {
            self.coarsen_or_widen();
        }
        while other.width < self.width {
            other.coarsen_or_widen();
        }
        for (at, count) in (other.first..).zip(other.counts) {
            if count > 0 {
                // What was added before may have made the buckets wider.
                self.put((at * other.width).div_euclid(self.width), count);
            }
        }
    }

    fn coarsen_or_widen(&mut self) {
        if self.counts.is_empty() {
            self.width = wider(self.width, self.fixed);
        } else {
            self.coarsen();
        }
    }

    /// The counts of the report's buckets of `width` seconds that begin at `starts` (seconds since 1970, ascending, not overlapping; all
    /// buckets of a stretch, or only those with records). All are there if each record lies in one of the buckets.
    ///
    /// Where buckets of a width that was asked for are finer than the pulse's, the counts are spread evenly over them.
    pub(crate) fn series(&self, width: i64, starts: &[i64]) -> Vec<u64> {
        let mut whole = self.clone();
        whole.flush();
        let mut series = vec![0; starts.len()];
        for (at, count) in (whole.first..).zip(&whole.counts).filter(|(_, count)| **count > 0) {
            let (from, until) = (at * whole.width, (at + 1) * whole.width);
            // From the bucket that holds the beginning, or the first behind it, to the last that begins within.
            let begin = starts.partition_point(|start| start + width <= from);
            let end = starts.partition_point(|start| *start < until);
            let among = u64::try_from(end.saturating_sub(begin)).unwrap_or_default();
            for (nth, bucket) in (0_u64..).zip(series.iter_mut().take(end).skip(begin)) {
                *bucket += share(*count, nth + 1, among) - share(*count, nth, among);
            }
        }
        series
    }
}

/// `nth / among` of `count`, rounded down.
fn share(count: u64, nth: u64, among: u64) -> u64 {
    u64::try_from(u128::from(count) * u128::from(nth) / u128::from(among.max(1))).unwrap_or(count)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::logs::timeline::Timeline;

    fn pulse(fixed: Option<i64>, times: &[Nanos]) -> Pulse {
        let mut pulse = Pulse::new(fixed);
        times.iter().for_each(|t| pulse.add(*t));
        pulse
    }

    fn state(mut pulse: Pulse) -> (i64, i64, Vec<u64>) {
        pulse.flush();
        (pulse.width, pulse.first, pulse.counts)
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<Pulse>() <= 72);
        let one = pulse(None, &[5 * SECOND, 5 * SECOND + 1]);
        assert_eq!((one.current, one.counts.capacity()), (2, 0), "nothing on the heap for one bucket");
        let wide = pulse(None, &(0..100_000).map(|n| n * 7_001 * SECOND).collect::<Vec<_>>());
        assert!(wide.counts.capacity() * size_of::<u64>() <= 1_024, "{}", wide.counts.capacity());
    }

    #[test]
    fn a_series_lines_up_with_the_buckets_of_the_report() {
        let seen = pulse(None, &[61 * SECOND, 62 * SECOND, 200 * SECOND]);
        assert_eq!(seen.series(60, &[0, 60, 120, 180, 240]), [0, 2, 0, 1, 0]);
        assert_eq!(seen.series(60, &[60, 180]), [2, 1], "only buckets with records");
        assert_eq!(seen.series(3_600, &[0]), [3]);
        assert_eq!(pulse(None, &[]).series(60, &[0, 60]), [0, 0]);
    }

    #[test]
    fn what_is_coarser_than_the_report_is_spread_evenly() {
        // Buckets of 4 s: the span of 300 s is too long for 1 s and for 2 s.
        let times: Vec<Nanos> = [0, 0, 0, 0, 0, 300].map(|s| s * SECOND).into();
        let seen = pulse(Some(1), &times);
        let starts: Vec<i64> = (0..304).collect();
        let series = seen.series(1, &starts);
        assert_eq!(series.iter().sum::<u64>(), 6);
        assert_eq!(series[..5], [1, 1, 1, 2, 0]);
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let seen = pulse(None, &[i64::MIN, i64::MAX, 0, -1]);
        assert_eq!(state(seen).2.iter().sum::<u64>(), 4);
    }

    fn times() -> impl Strategy<Value = Vec<Nanos>> {
        let spread = prop_oneof![Just(3_i64), Just(90), Just(2_000), Just(100_000), Just(9_000_000)];
        (spread, -5_000_000_000_i64..5_000_000_000, proptest::collection::vec(0..1_000_000_i64, 1..200))
            .prop_map(|(spread, base, at)| at.into_iter().map(|n| (base + n * spread / 1_000_000) * SECOND + n).collect())
    }

    proptest! {
        #[test]
        fn the_result_depends_on_the_times_alone(times in times(), fixed in proptest::option::of(1..100_i64), order in any::<u64>(), cut in 0..200_usize) {
            let whole = state(pulse(fixed, &times));
            let mut shuffled = times;
            shuffled.sort_by_key(|t| (t.unsigned_abs() ^ order).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let (before, behind) = shuffled.split_at(cut.min(shuffled.len()));
            let mut parts = pulse(fixed, before);
            parts.merge(pulse(fixed, behind));
            prop_assert_eq!(state(parts), whole);
        }

        #[test]
        fn a_pulse_of_some_records_is_exact_in_the_timeline_of_all(times in times(), kept in 1..5_usize) {
            let mut timeline = Timeline::new(None);
            times.iter().for_each(|t| timeline.add(*t, false, false));
            let (width, buckets) = timeline.finish();
            let width = i64::try_from(width.as_secs()).expect("small");
            let mine: Vec<Nanos> = times.iter().copied().step_by(kept).collect();
            let mut want: BTreeMap<i64, u64> = buckets.iter().map(|(at, _)| (*at, 0)).collect();
            for time in &mine {
                *want.get_mut(&(time.div_euclid(width * SECOND) * width)).expect("the timeline has it") += 1;
            }
            let starts: Vec<i64> = want.keys().copied().collect();
            prop_assert_eq!(pulse(None, &mine).series(width, &starts), want.into_values().collect::<Vec<_>>());
        }
    }
}
