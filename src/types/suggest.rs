//! "Did you mean": the nearest known name to a mistyped one.

/// The known name nearest to `given`, if it is near enough to be a slip (edit distance at most a third of its length).
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given: Vec<char> = given.chars().take(64).flat_map(char::to_lowercase).collect();
    known.into_iter().map(|name| (distance(&given, name), name)).filter(|(d, name)| *d <= name.len().div_ceil(3)).min().map(|(_, name)| name)
}

/// Levenshtein distance, one row at a time.
fn distance(given: &[char], name: &str) -> usize {
    let mut row: Vec<usize> = (0..=given.len()).collect();
    for (i, wanted) in name.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, have) in given.iter().enumerate() {
            let replace = diagonal + usize::from(*have != wanted);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[given.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_finds_none() {
        let known = ["service_down", "high_latency"];
        assert_eq!(nearest("servce_down", known), Some("service_down"));
        assert_eq!(nearest("HIGH_latency", known), Some("high_latency"));
        assert_eq!(nearest("zebra", known), None);
    }
}
