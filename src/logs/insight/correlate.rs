//! Groups of messages that rise together, and which of two rose first.
//!
//! Says what coincides and in which order, not what causes what.
//!
//! A group rises where it exceeds its share of all records by more than chance; a group that is steady, or that goes with the traffic,
//! never rises. Two groups are a pair when
//! - what they rise by has a cosine of at least [`LEAST_STRENGTH`]: most of the one is where most of the other is;
//! - their rises begin so close to each other that, of all pairs that could be told, fewer than [`MOST_BY_CHANCE`] would by chance. The
//!   chance counts how near the beginnings are in the whole time, and how alike the lengths; one rise alone at the same minute of many is
//!   evidence among few groups and none among many.
//!
//! Each group is linked to one that began before it, so that ten groups of one trouble give nine links rather than 45.

use super::series::{quantile, steady};
use crate::logs::time::{Nanos, SECOND};

/// The largest groups are looked at, not more.
const MOST_GROUPS: usize = 50;

/// Links that are told.
const MOST_LINKS: usize = 10;

/// The cosine of two rises from which they are one.
const LEAST_STRENGTH: f64 = 0.6;

/// Pairs by chance in all of a report.
const MOST_BY_CHANCE: f64 = 0.2;

/// As for a burst of errors, see [`spikes`](super::spikes); a little more because the quarter is lower than the median.
const RISES: f64 = 5.0;

/// Of strengths that differ by less, the earlier group leads.
const AS_STRONG: f64 = 0.1;

/// One group of messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Activity<'a> {
    /// The first one of all that was read.
    pub(crate) first: Nanos,
    pub(crate) count: u64,
    /// Counts in the buckets that all groups share.
    pub(crate) series: &'a [u64],
}

/// Two groups that rise together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Link {
    /// Index of the group that rises first, and of the other one.
    pub(crate) earlier: usize,
    pub(crate) later: usize,
    /// From the beginning of the one rise to that of the other; 0: not to be told apart.
    pub(crate) lead: Nanos,
    /// `lead` is from first message to first message. Otherwise it is from bucket to bucket.
    pub(crate) exact: bool,
    /// How alike, to 1, with two decimals.
    pub(crate) strength: f64,
}

/// The time that the series share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale<'a> {
    /// When the first bucket begins.
    pub(crate) start: Nanos,
    /// Width of a bucket.
    pub(crate) width: Nanos,
    /// All records by bucket, of whatever group.
    pub(crate) totals: &'a [u64],
}

/// The links, the strongest first, at most ten.
pub(crate) fn links(scale: Scale<'_>, groups: &[Activity<'_>]) -> Vec<Link> {
    let mut largest: Vec<usize> = (0..groups.len()).collect();
    largest.sort_by_key(|at| (std::cmp::Reverse(groups[*at].count), *at));
    largest.truncate(MOST_GROUPS);
    let risen: Vec<Rise> = largest.into_iter().filter_map(|group| Rise::new(scale, group, &groups[group])).collect();
    let chances = MOST_BY_CHANCE / (risen.len() * risen.len().saturating_sub(1) / 2).max(1) as f64;
    let mut pairs: Vec<Link> = Vec::new();
    for (at, a) in risen.iter().enumerate() {
        pairs.extend(risen[at + 1..].iter().filter_map(|b| pair(scale, a, b, chances)));
    }
    let mut links: Vec<Link> = risen.iter().filter_map(|rise| leader(&risen, &pairs, rise.group)).collect();
    links.sort_by(|a, b| b.strength.total_cmp(&a.strength).then((a.lead, a.earlier, a.later).cmp(&(b.lead, b.earlier, b.later))));
    links.truncate(MOST_LINKS);
    links
}

/// The link to what rose before this group: the earliest among those that are about as alike as the most alike.
fn leader(risen: &[Rise], pairs: &[Link], group: usize) -> Option<Link> {
    let mine = || pairs.iter().filter(|pair| pair.later == group);
    let strongest = mine().map(|pair| pair.strength).max_by(f64::total_cmp)?;
    let began = |group: usize| risen.iter().find(|rise| rise.group == group).map(|rise| rise.began);
    mine().filter(|pair| pair.strength > strongest - AS_STRONG).min_by_key(|pair| (began(pair.earlier), pair.earlier)).copied()
}

/// Where a group rises.
struct Rise {
    group: usize,
    /// By bucket, how far above its share; 0 where it does not rise.
    heights: Vec<f64>,
    /// First and last bucket of each time that it rises.
    runs: Vec<(usize, usize)>,
    /// When the first of them begins, and whether that is the moment of its first message rather than the beginning of a bucket.
    began: Nanos,
    exact: bool,
}

impl Rise {
    /// None for a group that does not rise.
    fn new(scale: Scale<'_>, group: usize, activity: &Activity<'_>) -> Option<Self> {
        let expected = expected(activity.series, scale.totals);
        let heights: Vec<f64> = activity
            .series
            .iter()
            .zip(expected)
            .map(|(count, expected)| {
                let height = steady(*count) - steady(expected);
                if height >= RISES && *count >= 2 * expected { height } else { 0.0 }
            })
            .collect();
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for at in (0..heights.len()).filter(|at| heights[*at] > 0.0) {
            match runs.last_mut() {
                Some(run) if run.1 + 1 == at => run.1 = at,
                _ => runs.push((at, at)),
            }
        }
        let begin = runs.first()?.0;
        let bucket = |at: usize| scale.start.saturating_add(scale.width.saturating_mul(i64::try_from(at).unwrap_or(i64::MAX)));
        // A rise may begin with fewer than stand out, in the bucket before.
        let near = bucket(begin.saturating_sub(1))..bucket(begin + 1);
        let exact = near.contains(&activity.first) && activity.series[..begin.saturating_sub(1)].iter().all(|count| *count == 0);
        let began = if exact { activity.first } else { bucket(begin) };
        Some(Self { group, heights, runs, began, exact })
    }
}

/// What would be expected of the group in each bucket if it had always the share of the records that it has at its quieter times.
fn expected(series: &[u64], totals: &[u64]) -> Vec<u64> {
    let total = |at: usize| totals.get(at).copied().unwrap_or_default();
    // In millionths, whole numbers that sort.
    let shares: Vec<u64> = (0..series.len()).filter(|at| total(*at) > 0).map(|at| series[at].saturating_mul(1_000_000) / total(at)).collect();
    let share = quantile(&shares, 25);
    let plain = quantile(series, 25);
    (0..series.len())
        .map(|at| {
            let by_share = u64::try_from(u128::from(share) * u128::from(total(at)) / 1_000_000).unwrap_or(u64::MAX);
            // Traffic that falls is no rise.
            by_share.max(plain)
        })
        .collect()
}

fn pair(scale: Scale<'_>, a: &Rise, b: &Rise, chances: f64) -> Option<Link> {
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (x, y) in a.heights.iter().zip(&b.heights) {
        (both, of_a, of_b) = (both + x * y, of_a + x * x, of_b + y * y);
    }
    let strength = both / (of_a * of_b).sqrt();
    if strength < LEAST_STRENGTH || by_chance(scale, a, b) > chances {
        return None;
    }
    let exact = a.exact && b.exact;
    let (earlier, later) = if (a.began, a.group) <= (b.began, b.group) { (a, b) } else { (b, a) };
    let lead = if exact || a.runs[0].0 != b.runs[0].0 { later.began.saturating_sub(earlier.began) } else { 0 };
    Some(Link { earlier: earlier.group, later: later.group, lead, exact, strength: (strength * 100.0).round() / 100.0 })
}

/// How likely two unrelated groups that rise as often as these would rise as near to each other.
fn by_chance(scale: Scale<'_>, a: &Rise, b: &Rise) -> f64 {
    let (few, many) = if a.runs.len() <= b.runs.len() { (a, b) } else { (b, a) };
    let buckets = a.heights.len() as f64;
    let mut chance = 1.0;
    for (nth, run) in few.runs.iter().enumerate() {
        let Some(other) = many.runs.iter().min_by_key(|other| other.0.abs_diff(run.0)) else { continue };
        let mut near = (2 * other.0.abs_diff(run.0) + 1) as f64 / buckets;
        if nth == 0 && few.exact && many.exact {
            let lead = (few.began.abs_diff(many.began)).saturating_add(SECOND.unsigned_abs());
            near = near.min(2.0 * lead as f64 / (scale.width as f64 * buckets));
        }
        let (one, two) = (run.1 - run.0 + 1, other.1 - other.0 + 1);
        let alike = (2 * one.abs_diff(two) + 1) as f64 / one.max(two) as f64;
        chance *= (near * many.runs.len() as f64).min(1.0) * alike.min(1.0);
    }
    chance
}

#[cfg(test)]
mod tests;
