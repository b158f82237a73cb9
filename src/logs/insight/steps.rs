//! Lasting steps in the rate of errors.
//!
//! The series is split where two Poisson rates explain it best against one, then the best of the parts again (binary segmentation,
//! A. J. Scott and M. Knott, Biometrics 30, 1974); then steps that do not hold are taken back, the weakest first. Bursts are levelled
//! before, and the first and the last bucket, which may be cut, say nothing.
//!
//! A step holds if all of this is so:
//! - the likelihood ratio is at least [`LEAST_GAIN`] times how much more than independent events the log scatters. The largest ratio of
//!   all places to split passes 12.2 once in 100 series of one rate (D. W. K. Andrews, Econometrica 61, 1993); 18 is about once in 1,500;
//! - the rate at least doubles or halves ([`LEAST_TIMES`]);
//! - it lasts: hardly any of what follows looks as before ([`MOST_STRAY_PERCENT`]), for at least [`LEAST_BUCKETS`] buckets (half of a short timeline);
//! - it is sudden: most of the change happens at once ([`SUDDEN`]); a slow rise is none;
//! - none in the same direction is a whole number of days away: that is the day's rhythm.
//!
//! Cannot tell the rhythm of a single day from steps that stay.

use super::{
    series::{Dense, tenths},
    spikes,
};

/// See the head of this module.
const LEAST_GAIN: f64 = 18.0;
const LEAST_TIMES: f64 = 2.0;
const LEAST_BUCKETS: usize = 8;
/// In a short timeline half of it, and never fewer than this.
const SHORTEST: usize = 5;
const MOST_STRAY_PERCENT: usize = 20;
const SUDDEN: f64 = 0.6;

/// What happens at once happens between this many buckets before and behind.
const AT_ONCE: usize = 3;

/// Errors among which chance is small enough to judge by: the deviation is about a sixth.
const ENOUGH_ERRORS: f64 = 30.0;

/// Errors of a block by which to tell the two levels apart.
const BLOCK_ERRORS: f64 = 12.0;

/// Steps that are tried, so that up and down of what is no lasting step can be seen as such.
const MOST_TRIED: usize = 16;

/// Steps that are reported: the strongest.
const MOST_STEPS: usize = 5;

/// Buckets of these seconds and more have no day's rhythm.
const DAY: i64 = 86_400;

/// The same hour of another day, give or take.
const SAME_HOUR: i64 = 2 * 3_600;

/// A rate of errors that changed and stayed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    /// When the first bucket with the new rate begins, in seconds since 1970.
    pub(crate) at: i64,
    /// Errors a minute, with one decimal, three where it is small.
    pub(crate) before_per_minute: f64,
    pub(crate) after_per_minute: f64,
    /// To more errors.
    pub(crate) up: bool,
    /// How sure: the logarithm of the likelihood ratio, times 2, over the scatter.
    pub(crate) strength: f64,
}

/// The steps, in the order of time.
pub(crate) fn steps(dense: &Dense) -> Vec<Step> {
    let whole = Levels::new(dense);
    let mut cuts = whole.tried();
    whole.take_back(&mut cuts);
    let rhythm = whole.rhythm(dense, &cuts);
    if rhythm.iter().any(|again| *again) {
        let mut again = rhythm.iter();
        cuts.retain(|_| !again.next().copied().unwrap_or(false));
        whole.take_back(&mut cuts);
    }
    while cuts.len() > MOST_STEPS {
        let weakest = (0..cuts.len()).min_by(|a, b| whole.gain_at(&cuts, *a).total_cmp(&whole.gain_at(&cuts, *b))).unwrap_or(0);
        cuts.remove(weakest);
    }
    let per_minute = |mean: f64| round(mean * 60.0 / dense.width as f64);
    let step = |nth: usize| {
        let (before, after) = whole.means(&cuts, nth);
        Step {
            at: dense.time(cuts[nth] + whole.offset),
            before_per_minute: per_minute(before),
            after_per_minute: per_minute(after),
            up: after > before,
            strength: tenths(whole.gain_at(&cuts, nth)),
        }
    };
    (0..cuts.len()).map(step).collect()
}

/// Whether there is more in the last third of a series than before: at least twice as much, as sure as with a step, and in bursts only
/// if they are no single ones.
pub(crate) fn rising(series: &[u64]) -> bool {
    let levels = Levels::of(series.to_vec());
    let (end, cut) = (levels.counts.len(), levels.counts.len() * 2 / 3);
    end >= SHORTEST && levels.gain(0, cut, end) >= LEAST_GAIN && levels.mean(cut, end) >= LEAST_TIMES * levels.mean(0, cut)
}

fn round(rate: f64) -> f64 {
    if rate < 1.0 { (rate * 1_000.0).round() / 1_000.0 } else { tenths(rate) }
}

/// Errors by bucket with the bursts levelled.
struct Levels {
    counts: Vec<u64>,
    /// Errors before each bucket.
    sums: Vec<u64>,
    /// Buckets left out at the beginning.
    offset: usize,
    /// Of neighbours, compared with independent events; at least 1.
    scatter: f64,
}

impl Levels {
    fn new(dense: &Dense) -> Self {
        Self::of(dense.errors())
    }

    fn of(mut counts: Vec<u64>) -> Self {
        let (runs, typical) = spikes::runs(&counts);
        for at in runs.into_iter().flat_map(|(first, last)| first..=last) {
            counts[at] = typical[at];
        }
        let offset = usize::from(counts.len() >= 2);
        counts.truncate(counts.len().saturating_sub(offset));
        counts.drain(..offset);
        let mut sums = vec![0];
        sums.extend(counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }));
        Self { scatter: scatter(&counts), counts, sums, offset }
    }

    fn mean(&self, from: usize, to: usize) -> f64 {
        (self.sums[to] - self.sums[from]) as f64 / (to - from).max(1) as f64
    }

    /// Twice the logarithm of how much likelier two rates are than one, over the scatter.
    fn gain(&self, from: usize, cut: usize, to: usize) -> f64 {
        let all = self.mean(from, to);
        let part = |from: usize, to: usize| {
            let sum = (self.sums[to] - self.sums[from]) as f64;
            if sum > 0.0 { sum * (self.mean(from, to) / all).ln() } else { 0.0 }
        };
        2.0 * (part(from, cut) + part(cut, to)) / self.scatter
    }

    /// The best place to split a part, and its gain.
    fn best(&self, from: usize, to: usize) -> Option<(f64, usize)> {
        let least = LEAST_BUCKETS.min(self.counts.len() / 2).max(SHORTEST);
        let places = from + least..(to + 1).saturating_sub(least);
        places.map(|cut| (self.gain(from, cut, to), cut)).max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
    }

    /// Splits as often as it gains enough, the best first.
    fn tried(&self) -> Vec<usize> {
        let mut cuts: Vec<usize> = Vec::new();
        while cuts.len() < MOST_TRIED {
            let ends: Vec<usize> = [0].into_iter().chain(cuts.iter().copied()).chain([self.counts.len()]).collect();
            let best = ends.windows(2).filter_map(|part| self.best(part[0], part[1])).max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            let Some((_, cut)) = best.filter(|(gain, _)| *gain >= LEAST_GAIN) else { break };
            cuts.push(cut);
            cuts.sort_unstable();
        }
        cuts
    }

    /// The part before and the part behind a cut.
    fn parts(&self, cuts: &[usize], nth: usize) -> (usize, usize, usize) {
        let from = nth.checked_sub(1).map_or(0, |before| cuts[before]);
        (from, cuts[nth], cuts.get(nth + 1).copied().unwrap_or(self.counts.len()))
    }

    fn gain_at(&self, cuts: &[usize], nth: usize) -> f64 {
        let (from, cut, to) = self.parts(cuts, nth);
        self.gain(from, cut, to)
    }

    fn means(&self, cuts: &[usize], nth: usize) -> (f64, f64) {
        let (from, cut, to) = self.parts(cuts, nth);
        (self.mean(from, cut), self.mean(cut, to))
    }

    /// Takes back what does not hold, the weakest first, until all do.
    fn take_back(&self, cuts: &mut Vec<usize>) {
        loop {
            let weak = (0..cuts.len()).filter(|nth| !self.holds(cuts, *nth));
            let Some(weakest) = weak.min_by(|a, b| self.gain_at(cuts, *a).total_cmp(&self.gain_at(cuts, *b))) else { return };
            cuts.remove(weakest);
        }
    }

    fn holds(&self, cuts: &[usize], nth: usize) -> bool {
        let (from, cut, to) = self.parts(cuts, nth);
        let (before, after) = (self.mean(from, cut), self.mean(cut, to));
        let (low, high) = (before.min(after), before.max(after));
        self.gain(from, cut, to) >= LEAST_GAIN
            && high >= LEAST_TIMES * low
            && self.lasts(from, cut, before, after)
            && self.lasts(cut, to, after, before)
            && self.is_sudden(from, cut, to, high - low)
    }

    /// Whether the part keeps to its own level rather than to the other one, in blocks that are long enough to tell.
    fn lasts(&self, from: usize, to: usize, own: f64, other: f64) -> bool {
        let size = ((BLOCK_ERRORS / own.max(other)).ceil() as usize).clamp(1, to - from);
        let blocks = (to - from) / size;
        let middle = f64::midpoint(own, other);
        let strays = (0..blocks).filter(|nth| {
            let mean = self.mean(from + nth * size, from + (nth + 1) * size);
            if own > other { mean < middle } else { mean > middle }
        });
        strays.count() * 100 <= blocks * MOST_STRAY_PERCENT
    }

    fn is_sudden(&self, from: usize, cut: usize, to: usize, change: f64) -> bool {
        let (before, after) = (self.mean(cut.saturating_sub(AT_ONCE).max(from), cut), self.mean(cut, (cut + AT_ONCE).min(to)));
        let at_once = (after - before).abs();
        before.max(after) * (AT_ONCE as f64) < ENOUGH_ERRORS || at_once >= SUDDEN * change
    }

    /// Which of the cuts are there again, in the same direction, at about the same hour of another day.
    fn rhythm(&self, dense: &Dense, cuts: &[usize]) -> Vec<bool> {
        let up = |nth: usize| {
            let (before, after) = self.means(cuts, nth);
            after > before
        };
        let again = |a: usize, b: usize| {
            let apart = (dense.time(cuts[a]) - dense.time(cuts[b])).abs();
            let days = (apart + DAY / 2) / DAY;
            days > 0 && (apart - days * DAY).abs() <= SAME_HOUR.max(dense.width) && up(a) == up(b)
        };
        (0..cuts.len()).map(|a| dense.width < DAY / 2 && (0..cuts.len()).any(|b| a != b && again(a, b))).collect()
    }
}

/// How much more neighbours differ than independent events would: their squared differences to their sums, without the greatest tenth,
/// which bursts and the steps themselves make.
fn scatter(counts: &[u64]) -> f64 {
    let mut pairs: Vec<(f64, f64)> = counts
        .windows(2)
        .map(|pair| {
            let (a, b) = (pair[0] as f64, pair[1] as f64);
            ((a - b) * (a - b), a + b)
        })
        .collect();
    pairs.sort_unstable_by(|a, b| (b.0 / b.1.max(1.0)).total_cmp(&(a.0 / a.1.max(1.0))));
    let rest = &pairs[pairs.len() / 10..];
    let (squares, sums) = rest.iter().fold((0.0, 0.0), |all, pair| (all.0 + pair.0, all.1 + pair.1));
    // Without its greatest tenth the mean of squares of a normal variable is 0.62 of the whole.
    if sums > 0.0 { (squares / sums / 0.62).max(1.0) } else { 1.0 }
}

#[cfg(test)]
mod tests;
