//! Errors that stand out for a while, and a log that goes silent.
//!
//! Each bucket is held against the median of the [`WINDOW`] buckets around it, which neither a short burst nor a lasting step moves: a
//! step is for [`steps`](super::steps) to find. The distance is measured on Anscombe's scale, where independent events scatter by 1, and
//! in units of how much this log scatters, if that is more.
//!
//! Thresholds: [`STANDS_OUT`] = 4.5 has a chance of 3.4 in a million (one-sided normal) per bucket, below 1 in 3,000 for a timeline of
//! 80; besides, the count must be [`LEAST_TIMES`] the typical one, so that a change that only the large numbers make certain is no news.
//! On this scale 8 errors are the fewest that stand out from none.
//!
//! Does not find bursts that come again and again ([`MOST_SPIKES`]): they are how this log is.

use super::series::{Dense, quantile, scatter, steady, tenths};

/// Buckets that say what is typical: so a burst of up to 7 of them is one.
const WINDOW: usize = 15;

/// See the head of this module.
const STANDS_OUT: f64 = 4.5;

/// A neighbour of a bucket that stands out belongs to it from here: 1 in 740 by chance.
const BELONGS: f64 = 3.0;

/// Of the typical count.
const LEAST_TIMES: u64 = 2;

/// More bursts than this are compared with each other, and only those that stand out among them are left.
const MOST_SPIKES: usize = 5;

/// Records that were to be expected in the time without any. Independent records are absent that long once in e^30.
const LEAST_MISSED: f64 = 30.0;

/// A silence is as many times as long as any other one, because records are not independent: nights, batches.
const TIMES_OTHER_SILENCE: usize = 5;

/// Buckets with records that are needed to know what is usual.
const LEAST_ACTIVE: usize = 8;

/// Errors that stand out for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spike {
    /// When its first bucket begins and its last one ends, in seconds since 1970.
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// When its highest bucket begins, in seconds since 1970.
    pub(crate) peak_at: i64,
    /// Errors in that bucket.
    pub(crate) peak: u64,
    /// Errors in all of it.
    pub(crate) errors: u64,
    /// Errors in a bucket about that time.
    pub(crate) typical: u64,
    /// `peak` to `typical`, with one decimal; to 1 where none is typical.
    pub(crate) times_typical: f64,
    /// It reaches the end of the timeline: it may not be over.
    pub(crate) still_on: bool,
}

/// Buckets from the first to the last, both within.
type Run = (usize, usize);

/// What is typical about each bucket: the median of the [`WINDOW`] around it, which at the ends is shifted rather than cut.
fn typical(counts: &[u64]) -> Vec<u64> {
    let size = WINDOW.min(counts.len());
    let around = |at: usize| {
        let from = at.saturating_sub(size / 2).min(counts.len() - size);
        quantile(&counts[from..from + size], 50)
    };
    (0..counts.len()).map(around).collect()
}

/// The buckets that stand out, in runs, and what is typical about each bucket.
pub(super) fn runs(counts: &[u64]) -> (Vec<Run>, Vec<u64>) {
    let typical = typical(counts);
    let distances: Vec<f64> = counts.iter().zip(&typical).map(|(count, usual)| steady(*count) - steady(*usual)).collect();
    let scatter = scatter(&distances);
    let beyond = |at: usize, limit: f64| distances[at] >= limit * scatter && counts[at] >= typical[at].saturating_mul(LEAST_TIMES);
    let mut runs: Vec<Run> = Vec::new();
    for at in (0..counts.len()).filter(|at| beyond(*at, STANDS_OUT)) {
        if runs.last().is_some_and(|(_, last)| *last >= at) {
            continue;
        }
        let free = runs.last().map_or(0, |(_, last)| last + 1);
        let first = (free..at).rev().take_while(|before| beyond(*before, BELONGS)).last().unwrap_or(at);
        let last = (at + 1..counts.len()).take_while(|behind| beyond(*behind, BELONGS)).last().unwrap_or(at);
        match runs.last_mut() {
            Some(before) if before.1 + 1 == first => before.1 = last,
            _ => runs.push((first, last)),
        }
    }
    (runs, typical)
}

fn peak(counts: &[u64], (first, last): Run) -> usize {
    // Of equal ones the first.
    (first..=last).rev().max_by_key(|at| counts[*at]).unwrap_or(first)
}

/// The bursts of errors, in the order of time.
pub(crate) fn spikes(dense: &Dense) -> Vec<Spike> {
    let counts = dense.errors();
    let (mut runs, typical) = runs(&counts);
    if runs.len() > MOST_SPIKES {
        let peaks: Vec<u64> = runs.iter().map(|run| counts[peak(&counts, *run)]).collect();
        let usual = quantile(&peaks, 50);
        let distances: Vec<f64> = peaks.iter().map(|peak| steady(*peak) - steady(usual)).collect();
        let scatter = scatter(&distances);
        let mut stands_out = peaks.iter().zip(&distances).map(|(peak, far)| *far >= STANDS_OUT * scatter && *peak >= usual.saturating_mul(LEAST_TIMES));
        runs.retain(|_| stands_out.next().unwrap_or(false));
    }
    let spike = |run: Run| {
        let at = peak(&counts, run);
        Spike {
            start: dense.time(run.0),
            end: dense.time(run.1 + 1),
            peak_at: dense.time(at),
            peak: counts[at],
            errors: counts[run.0..=run.1].iter().sum(),
            typical: typical[at],
            times_typical: tenths(counts[at] as f64 / typical[at].max(1) as f64),
            still_on: run.1 + 1 == counts.len(),
        }
    };
    runs.into_iter().map(spike).collect()
}

/// A time without records, long compared with all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Silence {
    /// When the last bucket with records before it ends, in seconds since 1970.
    pub(crate) from: i64,
    /// When the first bucket with records behind it begins; none: there are no records any more.
    pub(crate) to: Option<i64>,
    /// The longest other time without records, in seconds, to the width of a bucket.
    pub(crate) longest_other: i64,
}

/// Where the log goes silent. `until` (seconds since 1970) is the time up to which there could have been records, such as the end of
/// the window; without it a log that ends has no silence at its end.
///
/// A silence that is over is one only if none like it is anywhere in the timeline; nights of several days are none.
pub(crate) fn silence(dense: &Dense, until: Option<i64>) -> Option<Silence> {
    let active: Vec<usize> = (0..dense.counts.len()).filter(|at| dense.counts[*at].total > 0).collect();
    let end = dense.time(dense.counts.len());
    let missing = until.map_or(0, |until| until.saturating_sub(end).max(0) / dense.width);
    let open = usize::try_from(missing).unwrap_or(usize::MAX);
    if active.len() < LEAST_ACTIVE {
        return None;
    }
    let mut gaps: Vec<(usize, usize, usize)> = active.windows(2).map(|pair| (pair[1] - pair[0] - 1, pair[0], pair[1])).collect();
    gaps.push((open, dense.counts.len() - 1, dense.counts.len()));
    let (length, before, behind) = *gaps.iter().rev().max_by_key(|gap| gap.0)?;
    let other = gaps.iter().filter(|gap| gap.1 != before).map(|gap| gap.0).max().unwrap_or_default();
    let records: u64 = dense.counts.iter().map(|c| c.total).sum();
    // By the median, so that one storm does not let expect more than there usually is.
    let all: Vec<u64> = active.iter().map(|at| dense.counts[*at].total).collect();
    let buckets = dense.counts.len() - if behind < dense.counts.len() { length } else { 0 };
    let usual = (records as f64 / buckets as f64).min(quantile(&all, 50) as f64);
    let silent = length >= other.max(1).saturating_mul(TIMES_OTHER_SILENCE) && usual * length as f64 >= LEAST_MISSED;
    silent.then(|| Silence {
        from: dense.time(before + 1),
        to: (behind < dense.counts.len()).then(|| dense.time(behind)),
        longest_other: dense.width * i64::try_from(other).unwrap_or(i64::MAX / dense.width),
    })
}

#[cfg(test)]
mod tests;
