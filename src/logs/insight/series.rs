//! What the views on a series of counts share: its dense form, and how far a count is from the expected one.

use crate::logs::timeline::Counts;

/// A dense series is not longer: its buckets are joined in pairs until they fit. An automatic timeline has at most 80.
const MOST_DENSE: i64 = 2_048;

/// Buckets without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dense {
    /// Seconds.
    pub(crate) width: i64,
    /// When the first one begins, in seconds since 1970.
    pub(crate) start: i64,
    pub(crate) counts: Vec<Counts>,
}

impl Dense {
    /// Of buckets of `width` seconds, by their start and in order; those that are absent are empty.
    pub(crate) fn new(mut width: i64, buckets: &[(i64, Counts)]) -> Self {
        let (Some((first, _)), Some((last, _))) = (buckets.first(), buckets.last()) else {
            return Self { width, start: 0, counts: Vec::new() };
        };
        while last.div_euclid(width) - first.div_euclid(width) >= MOST_DENSE {
            width *= 2;
        }
        let index = |start: i64| usize::try_from(start.div_euclid(width) - first.div_euclid(width)).unwrap_or_default();
        let mut counts = vec![Counts::default(); index(*last) + 1];
        for (start, count) in buckets {
            counts[index(*start)].add(*count);
        }
        Self { width, start: first.div_euclid(width) * width, counts }
    }

    /// When the bucket begins, in seconds since 1970.
    pub(crate) fn time(&self, bucket: usize) -> i64 {
        self.start + self.width * i64::try_from(bucket).unwrap_or(MOST_DENSE)
    }

    /// Errors by bucket.
    pub(crate) fn errors(&self) -> Vec<u64> {
        self.counts.iter().map(|c| c.errors).collect()
    }
}

/// Anscombe's transform: of a Poisson count it has about the standard deviation 1, whatever the mean. (F. J. Anscombe, Biometrika 35,
/// 1948.)
pub(crate) fn steady(count: u64) -> f64 {
    2.0 * (count as f64 + 0.375).sqrt()
}

/// The value below which the share `percent` of the values lies; the lower of two. 0 of nothing.
pub(crate) fn quantile(values: &[u64], percent: usize) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

/// How much wider the deviations from the expected scatter than those of independent events would: at least 1.
///
/// 1.4826 makes the median of absolute deviations a standard deviation.
pub(crate) fn scatter(deviations: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = deviations.iter().map(|d| d.abs()).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    sizes.get(sizes.len() / 2).map_or(1.0, |median| (median * 1.4826).max(1.0))
}

/// To one decimal.
pub(crate) fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
pub(crate) mod noise {
    //! A small deterministic generator for the tests.

    /// SplitMix64.
    pub(crate) struct Noise(pub(crate) u64);

    impl Noise {
        pub(crate) fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        }

        /// From 0 to below 1.
        pub(crate) fn unit(&mut self) -> f64 {
            (self.next() >> 11) as f64 / (1_u64 << 53) as f64
        }

        pub(crate) fn below(&mut self, bound: u64) -> u64 {
            self.next() % bound
        }

        /// Knuth's, in portions so that no exponential underflows.
        pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
            let (mut rest, mut count) = (mean, 0);
            while rest > 0.0 {
                let portion = rest.min(20.0);
                rest -= portion;
                let (limit, mut product) = ((-portion).exp(), self.unit());
                while product > limit {
                    count += 1;
                    product *= self.unit();
                }
            }
            count
        }

        /// Events in clumps of about 4: the variance is about 5 times the mean.
        pub(crate) fn clumped(&mut self, mean: f64) -> u64 {
            (0..self.poisson(mean / 4.0)).map(|_| self.poisson(4.0)).sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_buckets_are_empty_and_too_many_are_joined() {
        let count = |total| Counts { total, errors: total, warnings: 0 };
        let dense = Dense::new(60, &[(-60, count(1)), (120, count(2))]);
        assert_eq!((dense.start, dense.errors()), (-60, vec![1, 0, 0, 2]));
        let far = Dense::new(1, &[(3, count(1)), (100_003, count(2))]);
        assert!(far.counts.len() <= 2_048 && far.errors().iter().sum::<u64>() == 3 && far.time(0) <= 3);
        assert_eq!(far.counts.last().map(|c| c.errors), Some(2));
        assert!(Dense::new(60, &[]).counts.is_empty());
    }

    #[test]
    fn quantiles_and_scatter() {
        assert_eq!((quantile(&[], 50), quantile(&[3, 1], 50), quantile(&[4, 1, 3, 2, 5], 25)), (0, 1, 2));
        assert_eq!((scatter(&[]), scatter(&[0.1, -0.2, 0.0])), (1.0, 1.0));
        assert!(scatter(&[4.0, -4.0, 4.0]) > 5.9);
    }
}
