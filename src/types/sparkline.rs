//! Small pictures of counts in one line of text.

/// Counts as a row of bars, the tallest for the largest.
pub fn sparkline(counts: impl Iterator<Item = u64>) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let counts: Vec<u64> = counts.collect();
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar =
        |count: u64| if count == 0 { ' ' } else { BARS[usize::try_from((u128::from(count) * 8).div_ceil(u128::from(most))).unwrap_or(8).clamp(1, 8) - 1] };
    counts.into_iter().map(bar).collect()
}

/// A series of counts in at most this many columns: neighbours added, so that the picture keeps all of them.
pub fn squeezed(counts: &[u64], most: usize) -> Vec<u64> {
    let together = counts.len().div_ceil(most.max(1)).max(1);
    counts.chunks(together).map(|part| part.iter().sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_scale_to_the_largest_and_what_is_there_is_seen() {
        assert_eq!(sparkline([0, 1, 4, 8].into_iter()), " ▁▄█");
        assert_eq!(sparkline([1, 1_000_000].into_iter()), "▁█");
        assert_eq!(sparkline([u64::MAX, 0].into_iter()), "█ ");
        assert_eq!(sparkline([0, 0].into_iter()), "  ");
    }

    #[test]
    fn a_squeezed_series_keeps_its_sum() {
        assert_eq!(squeezed(&[1, 2, 3, 4, 5], 2), [6, 9]);
        assert_eq!(squeezed(&[1, 2, 3], 3), [1, 2, 3]);
        assert_eq!((squeezed(&[], 5), squeezed(&[7, 7], 0)), (vec![], vec![14]));
    }
}
