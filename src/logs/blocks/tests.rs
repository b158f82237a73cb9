#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Cursor;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::logs::{fold::Folder, years::Years};

struct Memory(Cursor<Vec<u8>>);

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Bytes for Memory {
    fn consumed(&self) -> u64 {
        self.0.position()
    }
}

const HEAD: &[u8] = b"2026-11-20 10:00:00 [ERROR] a: ";

fn feed(input: &[u8]) -> Feed<'static> {
    // Always the standard format, so that what is generated decides where records begin.
    let reader = LineReader::detect(&[HEAD, b"\n"].concat().repeat(9), TimeZone::UTC);
    Feed::new(Box::new(Memory(Cursor::new(input.to_vec()))), 0, reader)
}

/// Offset, line and text of each record, and the lines that were cut.
type Records = (Vec<(u64, u64, Vec<u8>)>, u64);

fn records(input: &[u8], block_bytes: usize) -> Records {
    let cancel = CancellationToken::new();
    let limits = Limits { block_bytes, cancel: &cancel, deadline: None };
    let mut feed = feed(input);
    let mut reader = feed.reader.clone();
    let (mut block, mut folder, mut out, mut line) = (Block::default(), Folder::default(), Vec::new(), 0);
    while feed.next(&mut block, &limits).unwrap() {
        line += block.skipped_lines;
        let lost = folder.block(&block, &mut reader, &Years::default(), |folded| {
            let text = [&*folded.record.message, b"|", folded.more].concat();
            out.push((block.offset + folded.start as u64, line + folded.line, text));
        });
        line += lost.lines;
    }
    assert_eq!((feed.consumed(), feed.ended), (input.len() as u64, Some(Ended::Finished)));
    out.iter().for_each(|(offset, ..)| assert!(input.is_empty() || (*offset as usize) < input.len()));
    (out, feed.cut_lines)
}

#[test]
fn a_line_beyond_the_limit_is_cut_whatever_the_block() {
    let long = [HEAD, &vec![b'x'; MAX_LINE_BYTES + 1]].concat();
    let exact = [HEAD, &vec![b'y'; MAX_LINE_BYTES - HEAD.len()]].concat();
    let input = [HEAD, b"a\n", &long, b"\nmore of it\n", HEAD, b"b\r\n", &exact, b"\n\n", HEAD, b"c\n", &long, &long, &long, b"\n", HEAD, b"last"].concat();
    let want = records(&input, MAX_LINE_BYTES);
    assert_eq!(want.1, 2);
    let lengths: Vec<usize> = want.0.iter().map(|(_, _, text)| text.len() - 1).collect();
    let full = MAX_LINE_BYTES - HEAD.len();
    assert_eq!(lengths, [1, full, 1, full, 1, full, 4]);
    assert_eq!(want.0.iter().map(|(_, line, _)| *line).collect::<Vec<_>>(), [0, 1, 3, 4, 6, 7, 8]);
    for block in [4_096, 65_537, MAX_LINE_BYTES - 1] {
        assert!(records(&input, block) == want, "block of {block}");
    }
}

#[test]
fn a_record_beyond_the_limit_keeps_its_beginning_whatever_the_block() {
    let frames = b"\tat com.acme.Svc.run(Svc.java:1)\n".repeat(80_000);
    let input = [HEAD, b"boom\n", &frames, HEAD, b"next\n"].concat();
    let want = records(&input, BLOCK_BYTES);
    assert_eq!(want.0.len(), 2);
    assert!(want.0[0].2.len() <= MAX_RECORD_BYTES && want.0[0].2.len() > MAX_RECORD_BYTES - 200);
    assert_eq!((want.0[1].0, want.0[1].1), ((HEAD.len() + 5 + frames.len()) as u64, 80_001));
    for block in [9_999, MAX_LINE_BYTES] {
        assert!(records(&input, block) == want, "block of {block}");
    }
}

#[test]
fn stops_when_told() {
    let cancel = CancellationToken::new();
    let limits = Limits { block_bytes: 40, cancel: &cancel, deadline: None };
    let input = [HEAD, b"1\n"].concat().repeat(9);
    let (mut feed, mut block) = (feed(&input), Block::default());
    assert!(feed.next(&mut block, &limits).unwrap());
    cancel.cancel();
    assert!(!feed.next(&mut block, &limits).unwrap() && feed.ended == Some(Ended::Cancelled));
    let past = Limits { block_bytes: 2, cancel: &CancellationToken::new(), deadline: Some(Instant::now()) };
    let mut late = self::feed(&input);
    assert!(!late.next(&mut block, &past).unwrap() && late.ended == Some(Ended::Deadline));
}

/// Gives some bytes, then fails.
struct Failing(Memory);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("gone")),
            read => Ok(read),
        }
    }
}

impl Bytes for Failing {
    fn consumed(&self) -> u64 {
        self.0.consumed()
    }
}

#[test]
fn what_came_before_a_fault_is_handed_out() {
    let input = [HEAD, b"1\n", HEAD, b"2\n torn"].concat();
    let reader = feed(&input).reader;
    let mut feed = Feed::new(Box::new(Failing(Memory(Cursor::new(input)))), 0, reader);
    let cancel = CancellationToken::new();
    let limits = Limits { block_bytes: 4_096, cancel: &cancel, deadline: None };
    let (mut block, mut got, mut errors) = (Block::default(), Vec::new(), 0);
    loop {
        match feed.next(&mut block, &limits) {
            Ok(true) => got.extend_from_slice(block.bytes()),
            Ok(false) => break,
            Err(_) => errors += 1,
        }
    }
    assert_eq!((errors, got), (1, [HEAD, b"1\n", HEAD, b"2\n"].concat()));
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let noise = proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(0), Just(b' '), any::<u8>()], 0..30);
    (proptest::bool::weighted(0.6), noise).prop_map(|(head, noise)| if head { [b"\n", HEAD, &noise].concat() } else { noise })
}

proptest! {
    #[test]
    fn any_block_size_gives_the_same_records(pieces in proptest::collection::vec(piece(), 0..20), block in 1..80_usize) {
        let input = pieces.concat();
        prop_assert_eq!(records(&input, block), records(&input, BLOCK_BYTES));
    }
}
