//! What a window reads, and that it counts as if all had been read.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::super::{Access, Anchor, Request};
use super::tests::{Log, analyse_with, logs, utc};
use crate::logs::blocks::BLOCK_BYTES;

const START: &str = "2026-11-20T00:00:00Z";

/// A small generator, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn at(second: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn line(second: i64, dice: &mut Dice) -> String {
    let (level, text) = [("ERROR", "deadlock detected"), ("INFO", "connection reset by peer"), ("WARNING", "slow query")][dice.roll(3) as usize];
    format!("{} [{level}] db: {text} on {} {}\n", at(second).strftime("%Y-%m-%d %H:%M:%S"), dice.roll(1 << 30), "x".repeat(dice.roll(60) as usize))
}

/// A line every three seconds, each late by up to `jitter` seconds.
fn text(lines: i64, jitter: u64) -> String {
    let mut dice = Dice(7);
    (0..lines).fold(String::new(), |mut text, n| {
        let late = if jitter > 0 { dice.roll(jitter) } else { 0 };
        text.push_str(&line(n * 3 - late as i64 + 20, &mut dice));
        text
    })
}

/// What a window must hold, and how many bytes its lines take.
fn naive(text: &str, from: i64, to: i64) -> (u64, u64, u64) {
    let (from, to) = (at(from).strftime("%Y-%m-%d %H:%M:%S").to_string(), at(to).strftime("%Y-%m-%d %H:%M:%S").to_string());
    let inside = || text.lines().filter(|line| line[..19] >= *from && line[..19] <= *to);
    let errors = inside().filter(|line| line.contains("[ERROR]")).count() as u64;
    (inside().count() as u64, errors, inside().map(|line| line.len() as u64 + 1).sum())
}

fn window(log: &Log, from: i64, to: i64) -> Request {
    Request { from: Some(at(from).to_string()), to: Some(at(to).to_string()), ..log.request() }
}

#[test]
fn a_window_of_a_sorted_file_reads_little_and_counts_the_same() {
    let lines = 60_000;
    for jitter in [0, 8] {
        let text = text(lines, jitter);
        let log = Log::new(&text);
        assert!(text.len() > 4 << 20);
        for (from, to) in [(-100, 50), (0, 0), (90_000, 90_900), (179_000, 190_000), (300_000, 400_000), (-500, -400), (60_001, 120_002)] {
            let report = analyse_with(&logs(utc(), BLOCK_BYTES), window(&log, from, to)).unwrap();
            let (count, errors, bytes) = naive(&text, from, to);
            assert_eq!((report.records_in_window, report.error_count), (count, errors), "{from} {to} {jitter}");
            assert!(report.files[0].bytes <= bytes + (1 << 20), "{from} {to}: {} for {bytes}", report.files[0].bytes);
            let span = report.span.unwrap();
            assert!(span.first.as_str() <= "2026-11-20T00:00:20Z" && span.last.as_str() >= "2026-11-22T02:00:00Z", "{span:?}");
        }
    }
}

#[test]
fn an_unsorted_file_is_noticed_and_read_whole() {
    let text = text(60_000, 0);
    let half = text[..text.len() / 2].rfind('\n').unwrap() + 1;
    let swapped = [&text[half..], &text[..half]].concat();
    let log = Log::new(&swapped);
    let report = analyse_with(&logs(utc(), BLOCK_BYTES), window(&log, 90_000, 99_000)).unwrap();
    assert_eq!((report.records_in_window, report.files[0].bytes), (naive(&text, 90_000, 99_000).0, text.len() as u64));
}

#[test]
fn disorder_in_what_a_window_reads_makes_it_read_all() {
    let mut text = text(60_000, 0);
    // A line of the middle of the window that a thread wrote very late, at the end of it.
    let late = text.lines().nth(33_000).unwrap().to_owned();
    let at_end = text.match_indices('\n').nth(35_000).unwrap().0 + 1;
    text.insert_str(at_end, &(late + "\n"));
    let log = Log::new(&text);
    let report = analyse_with(&logs(utc(), BLOCK_BYTES), window(&log, 90_000, 105_200)).unwrap();
    assert_eq!((report.records_in_window, report.files[0].bytes), (naive(&text, 90_000, 105_200).0, text.len() as u64));
}

#[test]
fn the_answer_is_the_same_with_any_number_of_threads() {
    let mut text = text(30_000, 900);
    (0..500).for_each(|n| writeln!(text, "2026-11-20 10:00:00 [ERROR] m{}: user {n:x}q failed", n % 9).unwrap());
    let (one, two) = (Log::new(&text), Log::new(text.to_lowercase()));
    let paths = vec![one.path(), two.path()];
    let answer = |threads, block_bytes| {
        let request = Request { threads: Some(threads), anchor: Anchor::End, since: Some("12h".into()), ..Request::new(paths.clone(), Access::Anyone) };
        serde_json::to_string(&analyse_with(&logs(utc(), block_bytes), request).unwrap()).unwrap()
    };
    let want = answer(1, BLOCK_BYTES);
    for (threads, block_bytes) in [(2, BLOCK_BYTES), (8, BLOCK_BYTES), (2, 1_000), (8, 70_000), (1, 333)] {
        assert_eq!(answer(threads, block_bytes), want, "{threads} threads, blocks of {block_bytes}");
    }
}

#[test]
fn too_many_different_messages_still_add_up_in_any_order() {
    let word = |n: u64| -> String { (0..6).map(|at| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> (at * 5)) as u8 % 26)).collect() };
    let lines: Vec<String> = (0..40_000).map(|n| format!("2026-11-20 10:00:00 [ERROR] db: {} {} {}\n", word(n), word(n + 77), word(n * n + 5))).collect();
    let report = |lines: Vec<String>, threads| {
        let log = Log::new(lines.concat());
        let mut report = analyse_with(&logs(utc(), 100_000), Request { threads: Some(threads), ..log.request() }).unwrap();
        report.files.clear();
        report.top_errors.iter_mut().for_each(|group| (group.untrusted_file, group.line, group.offset) = (String::new(), None, 0));
        report
    };
    let forward = report(lines.clone(), 1);
    assert_eq!(forward.error_count, forward.other_errors + forward.top_errors.iter().map(|group| group.count).sum::<u64>());
    assert_eq!(report(lines.clone(), 3), forward);
    let backward = report(lines.into_iter().rev().collect(), 2);
    assert_eq!((backward.error_groups, backward.ungrouped_errors), (forward.error_groups, forward.ungrouped_errors));
    assert!(forward.ungrouped_errors > 0);
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_packed_file_is_left_out_only_where_its_set_proves_it() {
    let text = text(20_000, 0);
    let newest_first: String = text.lines().rev().fold(String::new(), |all, line| all + line + "\n");
    let (from, to) = (30_000, 31_000);
    for (text, written) in [(&newest_first, None), (&text, Some(1))] {
        let log = Log::new(gzip(text));
        if let Some(seconds) = written {
            let file = std::fs::File::options().write(true).open(log.path()).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
        }
        let report = analyse_with(&logs(utc(), BLOCK_BYTES), window(&log, from, to)).unwrap();
        assert_eq!(report.records_in_window, naive(text, from, to).0);
    }
    // Three files that follow each other: only the middle one holds the window.
    let third = text.len() / 3;
    let ends: Vec<usize> = [third, 2 * third].map(|at| text[..at].rfind('\n').unwrap() + 1).into();
    let log = Log::new(&text[ends[1]..]);
    std::fs::write(format!("{}.1.gz", log.path()), gzip(&text[ends[0]..ends[1]])).unwrap();
    std::fs::write(format!("{}.2.gz", log.path()), gzip(&text[..ends[0]])).unwrap();
    let request = Request { paths: vec![format!("{}*", log.path())], ..window(&log, from, to) };
    let report = analyse_with(&logs(utc(), BLOCK_BYTES), request).unwrap();
    assert_eq!(report.records_in_window, naive(&text, from, to).0);
    assert_eq!(report.files.iter().map(|file| file.bytes > 0).collect::<Vec<_>>(), [false, true, false], "{:?}", report.files);
}

#[test]
fn steady_errors_are_not_called_new_for_want_of_a_look_back() {
    let mut text = text(60_000, 0);
    // Every six hours, since long before the window.
    for hour in (3..50).step_by(6) {
        let line = format!("{} [ERROR] mail: queue stuck again\n", at(hour * 3_600 + 20).strftime("%Y-%m-%d %H:%M:%S"));
        let place = text.find(&at(hour * 3_600 + 20).strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or(text.len());
        text.insert_str(place, &line);
    }
    let burst = "2026-11-22 01:30:20 [ERROR] disk: volume went away\n".repeat(900);
    let place = text.find("2026-11-22 01:30:20").unwrap();
    text.insert_str(place, &burst);
    let log = Log::new(&text);
    let report = analyse_with(&logs(utc(), BLOCK_BYTES), window(&log, 151_000, 190_000)).unwrap();
    let new = |part: &str| report.top_errors.iter().find(|group| group.untrusted_template.contains(part)).unwrap().new;
    assert_eq!((new("went away"), new("stuck"), new("deadlock")), (Some(true), None, Some(false)), "{:?}", report.baseline);
}

#[test]
fn a_jump_back_at_the_edge_of_a_block_is_seen() {
    let mut text = text(60_000, 0);
    let late = text.lines().nth(33_000).unwrap().to_owned() + "\n";
    let at_end = text.match_indices('\n').nth(35_000).unwrap().0 + 1;
    text.insert_str(at_end, &late);
    let log = Log::new(&text);
    // Blocks of a line or two: nearly each jump lies between blocks.
    let report = analyse_with(&logs(utc(), 90), window(&log, 90_000, 105_200)).unwrap();
    assert_eq!((report.records_in_window, report.files[0].bytes), (naive(&text, 90_000, 105_200).0, text.len() as u64));
}
