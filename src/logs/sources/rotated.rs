//! Which files are one log that was rotated, and their order. Looks at names alone.
//!
//! The files of a set differ in their rotation only: a number (`app.log.1`, `app.1.log`), a date with or without a time
//! (`app.log-20261120`, `app-2026-11-20.log`, `app.log.2026-11-20-10`) or both, and in what they were packed with (`.gz`).

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Endings of packed files.
const PACKED: &[&str] = &[".gz", ".zst", ".bz2", ".xz"];

/// When a file was written, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    /// Year, month, day, hour, minute, second, Unix time, and a number that counts up within that, as logback's does.
    Dated([u64; 8]),
    /// So many rotations ago.
    Numbered(Reverse<u64>),
    /// The bare name, and packed.
    Packed,
    /// The bare name: the one that is being written.
    Current,
}

/// `app.log-20261120`, `app-2026-11-20.1.log`, `app.log.2026-11-20-10`, `app.log-20261120-1795168800`. A number after a dot is none of the time.
static DATED: LazyLock<Regex> = LazyLock::new(|| {
    let time = r"(?:[-_T]?([01]\d|2[0-3])(?:[-_:]?([0-5]\d)(?:[-_:]?([0-5]\d))?)?)?";
    let date = format!(r"((?:19|20|21)\d\d)([-_.]?)(0[1-9]|1[0-2])(?:[-_.]?(0[1-9]|[12]\d|3[01]){time})?");
    Regex::new(&format!(r"^(.+?)[-._]{date}(?:-(\d{{9,11}}))?(?:[-._](\d{{1,3}}))?(\.[A-Za-z]\w*)?$")).expect("it is constant")
});

/// `app.log.1`, `app.1.log`. More than three digits are a port or the like.
static NUMBERED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(.+)\.(\d{1,3})(\.[A-Za-z]\w*)?$").expect("it is constant"));

/// The end of an address or a version, whose last number is no rotation.
static MORE_NUMBERS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?:^|[-._])\d+$").expect("it is constant"));

/// The sets that paths form, as indexes into them: each with its oldest file first, which is dates ascending, then numbers descending,
/// then the bare name. A file that belongs to no other is a set of one. Sets come in the order of their first file.
pub(crate) fn sets(names: &[String]) -> Vec<Vec<usize>> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut sets: Vec<Vec<(Age, usize)>> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let (base, age) = parse(name);
        let place = *places.entry(base).or_insert(sets.len());
        if place == sets.len() {
            sets.push(Vec::new());
        }
        sets[place].push((age, index));
    }
    let in_order = |mut set: Vec<(Age, usize)>| {
        set.sort_unstable();
        set.into_iter().map(|(_, index)| index).collect()
    };
    sets.into_iter().map(in_order).collect()
}

/// The name without its rotation, folder and all, and what that says.
fn parse(path: &str) -> (String, Age) {
    let (folder, whole) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
    let unpacked = PACKED.iter().find_map(|ending| whole.strip_suffix(ending)).filter(|name| !name.is_empty());
    let name = unpacked.unwrap_or(whole);
    let rotated = dated(name).or_else(|| numbered(name));
    let bare = if unpacked.is_some() { Age::Packed } else { Age::Current };
    let (base, age) = rotated.unwrap_or_else(|| (name.to_owned(), bare));
    (format!("{folder}{base}"), age)
}

fn dated(name: &str) -> Option<(String, Age)> {
    let found = DATED.captures(name)?;
    let [year, month, day, hour, minute, second, unix, number] = [2, 4, 5, 6, 7, 8, 9, 10].map(|group| number_of(&found, group));
    // Six digits in a row are no year and month.
    if found.get(5).is_none() && found[3].is_empty() {
        return None;
    }
    Some((base_of(&found, 11), Age::Dated([year, month, day, hour, minute, second, unix, number])))
}

fn numbered(name: &str) -> Option<(String, Age)> {
    let found = NUMBERED.captures(name)?;
    let is_rotation = !MORE_NUMBERS.is_match(&found[1]);
    is_rotation.then(|| (base_of(&found, 3), Age::Numbered(Reverse(number_of(&found, 2)))))
}

fn base_of(found: &Captures<'_>, ending: usize) -> String {
    format!("{}{}", &found[1], found.get(ending).map_or("", |ending| ending.as_str()))
}

fn number_of(found: &Captures<'_>, group: usize) -> u64 {
    found.get(group).and_then(|digits| digits.as_str().parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(names: &[&str]) -> Vec<Vec<String>> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        sets(&names).into_iter().map(|set| set.into_iter().map(|at| names[at].clone()).collect()).collect()
    }

    /// Files as they are listed, and the sets that they are: files by spaces, sets by bars.
    const PAIRS: &[(&str, &str)] = &[
        ("", ""),
        ("app.log app.log.1 app.log.2.gz app.log.10.gz", "app.log.10.gz app.log.2.gz app.log.1 app.log"),
        ("app.log app.log-20261120 app.log-20261119.gz", "app.log-20261119.gz app.log-20261120 app.log"),
        ("app.log app-2026-11-20.log app-2026-11-09.log", "app-2026-11-09.log app-2026-11-20.log app.log"),
        ("app.1.log app.2.log app.log", "app.2.log app.1.log app.log"),
        ("app.log.2026-11-20-10 app.log.2026-11-20-09 app.log", "app.log.2026-11-20-09 app.log.2026-11-20-10 app.log"),
        ("catalina.2026-11-20.log catalina.2025-12-31.log catalina.out", "catalina.2025-12-31.log catalina.2026-11-20.log|catalina.out"),
        // Within a day the numbers of logback count up.
        (
            "a-2026-11-20.10.log.gz a-2026-11-20.2.log.gz a-2026-11-20.30.log a-2026-11-19.40.log.gz a.log",
            "a-2026-11-19.40.log.gz a-2026-11-20.2.log.gz a-2026-11-20.10.log.gz a-2026-11-20.30.log a.log",
        ),
        ("a.log-20261120-1795168800.gz a.log-20261120-1795165200.gz", "a.log-20261120-1795165200.gz a.log-20261120-1795168800.gz"),
        ("a.log-2026112010 a.log-2026112009 a.log-20261120T083000", "a.log-20261120T083000 a.log-2026112009 a.log-2026112010"),
        ("a_2026-11.log a_2026-10.log", "a_2026-10.log a_2026-11.log"),
        ("syslog syslog.1 syslog.2.xz messages messages-20261115.zst", "syslog.2.xz syslog.1 syslog|messages-20261115.zst messages"),
        ("a.log.0 a.log.1 a.log.001.bz2", "a.log.1 a.log.001.bz2 a.log.0"),
        ("a.log a.log.gz", "a.log.gz a.log"),
        // Sets do not reach over folders, and come in the order of their first file.
        ("/v/b/x.log.1 /v/a/x.log /v/b/x.log /v/a/x.log.1", "/v/b/x.log.1 /v/b/x.log|/v/a/x.log.1 /v/a/x.log"),
        ("/v/2026-11-20/x.log /v/2026-11-21/x.log", "/v/2026-11-20/x.log|/v/2026-11-21/x.log"),
        // No rotations: ports, addresses, versions, identities, impossible dates, and names that are nothing else.
        ("s.8080.log s.8081.log s.log", "s.8080.log|s.8081.log|s.log"),
        ("h-10.0.0.1.log h-10.0.0.2.log", "h-10.0.0.1.log|h-10.0.0.2.log"),
        ("lib-1.2.3 lib-1.2.4", "lib-1.2.3|lib-1.2.4"),
        ("job-202611.log job-202612.log", "job-202611.log|job-202612.log"),
        ("a-20261320.log a-20261340.log", "a-20261320.log|a-20261340.log"),
        ("worker1.log worker2.log", "worker1.log|worker2.log"),
        ("2026-11-20.log 2026-11-21.log", "2026-11-20.log|2026-11-21.log"),
        (".gz .1 1", ".gz|.1|1"),
    ];

    #[test]
    fn sets_are_found_and_ordered() {
        for (files, want) in PAIRS {
            let files: Vec<&str> = files.split_whitespace().collect();
            let want: Vec<Vec<&str>> = want.split('|').map(|set| set.split_whitespace().collect()).filter(|set: &Vec<&str>| !set.is_empty()).collect();
            assert_eq!(named(&files), want, "{files:?}");
        }
    }

    proptest! {
        #[test]
        fn every_file_is_in_one_set(names in proptest::collection::vec(r"[a-b./]{0,3}(-?20261[12][0-3][0-9])?\.?[0-9]{0,3}(\.log)?(\.gz)?|.{0,12}", 0..30)) {
            let sets = sets(&names);
            let mut all: Vec<usize> = sets.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..names.len()).collect::<Vec<_>>());
            prop_assert!(sets.iter().all(|set| !set.is_empty()));
        }
    }
}
