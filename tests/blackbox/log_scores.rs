//! How well formats are read and messages grouped, by the scorers and samples beside the project. They are no part of it: where they are
//! absent, these tests are skipped.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{sandbox, skip::skip};

/// What stands beside the project; none where it does not.
fn beside(path: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.join("shared").join(path);
    found.exists().then_some(found)
}

/// The last line that a scorer prints about opsmedic.
fn last_line(scorer: &Path, before: &[&str], data: &Path, command: &[&str]) -> String {
    let output =
        Command::new("python3").arg(scorer).args(before).arg(data).arg(sandbox::BINARY).args(command).stdin(Stdio::null()).output().expect("python3 runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    text.lines().last().unwrap_or_default().to_owned()
}

/// Grouping accuracy, its F1, template accuracy, its F1: means over all sets.
fn grouping(options: &[&str]) -> Option<[f64; 4]> {
    let (scorer, data) = (beside("tools/loghub_score.py")?, beside("data/loghub")?);
    let line = last_line(&scorer, options, &data, &["logs", "templates", "--assign"]);
    let numbers: Vec<f64> = line.split_whitespace().skip(1).map(|n| n.parse().expect("a number")).collect();
    Some(numbers.try_into().expect("four numbers"))
}

#[test]
fn messages_are_grouped_as_people_group_them() {
    let Some(content) = grouping(&["--content"]) else { skip!("../shared has no tools/loghub_score.py with data/loghub") };
    for (score, least) in content.into_iter().zip([0.95, 0.93, 0.70, 0.60]) {
        assert!(score >= least, "{content:?}");
    }
    let shuffled = grouping(&["--content", "--shuffle"]).expect("it is there");
    assert!((0..4).all(|at| (shuffled[at] - content[at]).abs() < 0.01), "{content:?}, shuffled {shuffled:?}");
    let raw = grouping(&[]).expect("it is there");
    assert!(raw[0] > content[0] - 0.03, "{content:?}, of raw lines {raw:?}");
}

#[test]
fn the_formats_of_the_samples_are_read() {
    let (Some(scorer), Some(data)) = (beside("tools/format_score.py"), beside("data/formats")) else {
        skip!("../shared has no tools/format_score.py with data/formats")
    };
    let line = last_line(&scorer, &[], &data, &["logs", "records"]);
    assert!(line.contains("(100.0 %)"), "{line}");
}
