#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::OpenOptions;
use std::io::{Seek as _, Write};

use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

mod samples;

/// 20,000 lines, 240,000 bytes.
fn sample() -> Vec<u8> {
    (0..20_000).flat_map(|i| format!("line {} of {}\n", i % 7, i % 5).into_bytes()).collect()
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn input(bytes: &[u8]) -> Input {
    Input::new(file_of(bytes), Some(bytes.len() as u64)).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// All that a stream gives, in reads of this size, and why it ended otherwise than at its end.
fn drain(stream: &mut Stream, size: usize) -> (Vec<u8>, Option<io::Error>) {
    let (mut all, mut part) = (Vec::new(), vec![0; size]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => return (all, None),
            Ok(read) => all.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (all, Some(error)),
        }
    }
}

fn read(bytes: &[u8]) -> (Vec<u8>, Option<io::Error>) {
    drain(&mut input(bytes).stream().unwrap(), 70_000)
}

#[track_caller]
fn whole(bytes: &[u8]) -> Vec<u8> {
    let (all, error) = read(bytes);
    assert!(error.is_none(), "{error:?}");
    all
}

/// Each compression of the sample, with its name.
fn packed() -> Vec<(&'static str, Vec<u8>)> {
    let plain = sample();
    vec![
        ("gzip", gzip(&plain)),
        ("bzip2", bzip2(&plain)),
        ("zstd", zstd(&plain)),
        ("zstd", samples::ZSTD.to_vec()),
        ("xz", samples::XZ.to_vec()),
        ("xz", samples::XZ_BLOCKS.to_vec()),
    ]
}

#[test]
fn every_compression_is_told_by_its_bytes_and_gives_the_text() {
    let plain = sample();
    for (name, bytes) in packed() {
        let input = input(&bytes);
        assert_eq!((input.kind().name().as_str(), input.is_seekable(), input.bytes()), (name, false, Some(bytes.len() as u64)));
        assert_eq!(input.read_at(&mut [0; 4], 0).unwrap_err().kind(), ErrorKind::Unsupported);
        for size in [1 << 20, 4_099] {
            let mut stream = input.stream().unwrap();
            let (all, error) = drain(&mut stream, size);
            assert!(all == plain && error.is_none(), "{name} in reads of {size}: {} bytes, {error:?}", all.len());
            assert_eq!(stream.consumed(), bytes.len() as u64, "{name}");
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
        }
    }
    assert_eq!(whole(samples::XZ_SHA), b"checked\n");
}

#[test]
fn plain_bytes_are_read_anywhere_as_far_as_they_went_when_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::fs::write(&path, "0123456789").unwrap();
    let mut file = File::open(&path).unwrap();
    file.seek(io::SeekFrom::Start(7)).unwrap();
    let input = Input::new(file, Some(10)).unwrap();
    assert_eq!((input.kind().name().as_str(), input.is_seekable()), ("plain", true));
    let at = |offset| {
        let mut buffer = [0; 4];
        let read = input.read_at(&mut buffer, offset).unwrap();
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    };
    let all = || drain(&mut input.stream().unwrap(), 3).0;
    assert_eq!((at(0).as_str(), at(8).as_str(), at(10).as_str(), at(u64::MAX).as_str()), ("0123", "89", "", ""));
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"appended").unwrap();
    assert_eq!((at(8).as_str(), all().as_slice()), ("89", b"0123456789".as_slice()));
    OpenOptions::new().write(true).open(&path).unwrap().set_len(5).unwrap();
    assert_eq!((at(4).as_str(), at(6).as_str(), all().as_slice()), ("4", "", b"01234".as_slice()));
}

#[test]
fn a_packed_file_that_grows_or_shrinks_is_read_as_far_as_it_went() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let noise: Vec<u8> = (0..400_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let bytes = gzip(&noise);
    std::fs::write(&path, &bytes).unwrap();
    let input = Input::new(File::open(&path).unwrap(), Some(bytes.len() as u64)).unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(&bytes).unwrap();
    assert!(drain(&mut input.stream().unwrap(), 1 << 16).0 == noise);
    let mut stream = input.stream().unwrap();
    let mut part = vec![0; 100_000];
    stream.read_exact(&mut part).unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(200_000).unwrap();
    let (rest, error) = drain(&mut stream, 1 << 16);
    assert!(noise.starts_with(&[part, rest].concat()));
    assert!(error.unwrap().to_string().starts_with("the gzip data ends in the middle, after "));
}

#[test]
fn members_frames_and_streams_follow_each_other() {
    let plain = sample();
    for (name, bytes) in packed() {
        let empty = match name {
            "gzip" => gzip(b""),
            "bzip2" => bzip2(b""),
            "zstd" => zstd(b""),
            _ => b"\0\0\0\0".to_vec(),
        };
        assert!(whole(&[&bytes[..], &empty, &bytes].concat()) == plain.repeat(2), "{name}");
    }
    let skippable = b"\x5a\x2a\x4d\x18\x05\0\0\0other";
    for bytes in [[skippable, samples::ZSTD].concat(), [samples::ZSTD, skippable].concat()] {
        assert_eq!(input(&bytes).kind().compression, Compression::Zstd);
        assert!(whole(&bytes) == plain);
    }
    // Thousands of empty ones: a read comes back in between, and the text is reached.
    let many = [gzip(b"").repeat(5_000), gzip(b"at last")].concat();
    assert_eq!(input(&many).stream().unwrap().read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(whole(&many), b"at last");
}

#[test]
fn what_follows_and_is_none_is_ignored_or_damage_as_the_formats_own_tool_has_it() {
    let plain = sample();
    for (name, bytes) in packed() {
        let (all, error) = read(&[&bytes[..], b"garbage"].concat());
        assert!(all == plain, "{name}");
        match name {
            "gzip" | "bzip2" => assert!(error.is_none(), "{name}: {error:?}"),
            _ => assert_eq!(error.unwrap().to_string(), format!("the {name} data is damaged after 240000 decoded bytes")),
        }
    }
}

#[test]
fn what_is_cut_off_gives_what_there_was_and_says_so() {
    let plain = sample();
    for (name, bytes) in packed() {
        for cut in [bytes.len() - 1, bytes.len() * 3 / 4, bytes.len() / 2, 20] {
            let mut stream = input(&bytes[..cut]).stream().unwrap();
            let (all, error) = drain(&mut stream, 1 << 16);
            let error = error.unwrap();
            assert!(plain.starts_with(&all), "{name} cut at {cut}");
            assert_eq!(error.to_string(), format!("the {name} data ends in the middle, after {} decoded bytes", all.len()));
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            assert_eq!(stream.read(&mut [0; 8]).unwrap_err().to_string(), error.to_string(), "and again");
        }
    }
    // All but the trailer, and nearly all of what can be had.
    for bytes in [gzip(&plain), samples::ZSTD.to_vec(), samples::XZ.to_vec(), bzip2(&plain)] {
        assert!(read(&bytes[..bytes.len() - 1]).0.len() > plain.len() - 1_024);
    }
    let half = |bytes: &[u8]| read(&bytes[..bytes.len() / 2]).0.len();
    assert!(half(&gzip(&plain)) > 50_000 && half(samples::XZ_BLOCKS) > 90_000);
    let frames = zstd(&plain);
    assert!(half(&[&frames[..], &frames].concat()) > plain.len() / 2);
}

#[test]
fn what_is_damaged_says_so() {
    let plain = sample();
    for (name, bytes) in packed() {
        let mut bad = bytes.clone();
        let at = bad.len() / 2;
        bad[at..at + 4].iter_mut().for_each(|byte| *byte ^= 0x5a);
        let (all, error) = read(&bad);
        let text = error.expect(name).to_string();
        assert!(text.starts_with(&format!("the {name} data ")) && text.ends_with(&format!(" after {} decoded bytes", all.len())), "{text}");
    }
    // The checksum is looked at, too. Of zstd 1.5 and gzip the last bytes belong to it; of bzip2 nearly.
    for (name, mut bytes, at) in [("gzip", gzip(&plain), 8), ("zstd", samples::ZSTD.to_vec(), 1), ("bzip2", bzip2(&plain), 3)] {
        let at = bytes.len() - at;
        bytes[at] ^= 0x10;
        let (all, error) = read(&bytes);
        assert!(all == plain, "{name}");
        assert_eq!(error.unwrap().to_string(), format!("the {name} data is damaged after 240000 decoded bytes"));
    }
}

#[test]
fn what_needs_too_much_memory_is_refused_with_what_it_needs() {
    let told = |bytes: &[u8]| {
        let (all, error) = read(bytes);
        assert!(all.is_empty());
        error.unwrap().to_string()
    };
    assert_eq!(told(samples::XZ_LARGE), "decompressing the xz data needs a window of 64 MiB; the limit is 32 MiB");
    assert_eq!(told(samples::ZSTD_LARGE), "decompressing the zstd data needs a window of 128 MiB; the limit is 32 MiB");
    // A frame in one segment, whose window is its content.
    let segment = [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0], &(33_u32 << 20).to_le_bytes()[..], &[1, 0, 0]].concat();
    assert_eq!(told(&segment), "decompressing the zstd data needs a window of 33 MiB; the limit is 32 MiB");
    let dictionary = [0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x58, 7, 1, 0, 0];
    assert_eq!(told(&dictionary), "decompressing the zstd data needs the dictionary that it was compressed with");
    let later = [samples::XZ, samples::XZ_LARGE].concat();
    assert!(read(&later).1.unwrap().to_string().contains("64 MiB"));
}

/// The most memory that this process ever had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_bomb_costs_only_time() {
    let mut encoder = flate2::write::GzEncoder::new(tempfile::tempfile().unwrap(), flate2::Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..1_024 {
        encoder.write_all(&zeros).unwrap();
    }
    let file = encoder.finish().unwrap();
    let bytes = file.metadata().unwrap().len();
    assert!(bytes < 16 << 20);
    let before = peak_kib();
    let mut stream = Input::new(file, Some(bytes)).unwrap().stream().unwrap();
    let mut out = vec![1; 8 << 20];
    let mut total = 0;
    while total < 64 << 20 {
        let read = stream.read(&mut out).unwrap();
        assert!(read > 0 && read <= 1 << 20 && out[..read].iter().all(|byte| *byte == 0), "{read} at once");
        total += read;
    }
    assert!(stream.consumed() < bytes / 8);
    // Other tests run meanwhile; all of what was decoded would be seen.
    assert!(peak_kib() - before < 48 << 10, "{} KiB more", peak_kib() - before);
}

#[test]
fn utf_16_is_told_by_its_mark_or_its_pattern_and_becomes_utf_8() {
    let text = format!("2026-11-20 10:00:00 [ERROR] 数据库: 连接超时 🦀 é\r\n{}", "一 line that goes on and on\n".repeat(4_000));
    let le = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let be = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let marked = format!("\u{feff}{text}");
    for (name, bytes) in [("utf-16le", le(&text)), ("utf-16be", be(&text)), ("utf-16le", le(&marked)), ("utf-16be", be(&marked))] {
        let plain = input(&bytes);
        assert_eq!((plain.kind().name().as_str(), plain.is_seekable()), (name, false));
        assert!(whole(&bytes) == text.as_bytes(), "{name}");
        let packed = gzip(&bytes);
        assert_eq!(input(&packed).kind().name(), format!("gzip of {name}"));
        assert!(whole(&packed) == text.as_bytes(), "{name} in gzip");
        assert!(drain(&mut plain.stream().unwrap(), 1).0 == text.as_bytes(), "{name} byte by byte");
    }
    // Lone surrogates in all places, and half a unit at the end.
    let units = [0xfeff, 0xd800, 0x61, 0xdc00, 0xd83e, 0xd83e, 0xdd80, 0x62, 0xd83e_u16];
    let mut bytes: Vec<u8> = units.into_iter().flat_map(u16::to_le_bytes).collect();
    assert_eq!(String::from_utf8(whole(&bytes)).unwrap(), "\u{fffd}a\u{fffd}\u{fffd}🦀b\u{fffd}");
    bytes.push(0x63);
    assert_eq!(String::from_utf8(whole(&bytes)).unwrap(), "\u{fffd}a\u{fffd}\u{fffd}🦀b\u{fffd}\u{fffd}");
    assert_eq!(whole(&le("\u{feff}")), b"");
}

#[test]
fn what_only_resembles_another_kind_is_plain() {
    let hole = [&[0; 3_000][..], b"text after a hole\n"].concat();
    let nuls = b"a\0b c d e f g h i j k l m n o p q r s t\0u v w x y z\n".repeat(20);
    let utf_32 = "\u{feff}2026 in four bytes each".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect::<Vec<u8>>();
    let marked = "\u{feff}text".as_bytes();
    for bytes in [&b"BZh1 is how this log begins\n"[..], b"\x1f", b"(", b"", b"a\0b\0", &hole, &nuls, &utf_32, marked] {
        let input = input(bytes);
        assert!(input.is_seekable(), "{:?}", &bytes[..bytes.len().min(20)]);
        assert!(whole(bytes) == bytes);
    }
}

#[test]
fn a_file_of_unknown_length_is_read_until_nothing_comes() {
    let input = Input::new(File::open("/proc/self/status").unwrap(), None).unwrap();
    let all = drain(&mut input.stream().unwrap(), 100).0;
    assert!(String::from_utf8(all).unwrap().contains("VmRSS"));
}

#[test]
fn streams_of_one_input_read_side_by_side() {
    let plain = sample();
    for (name, bytes) in packed() {
        let input = input(&bytes);
        std::thread::scope(|scope| {
            let input = &input;
            let threads: Vec<_> = (0..4).map(|i| scope.spawn(move || drain(&mut input.stream().unwrap(), 1_000 + i).0)).collect();
            assert!(threads.into_iter().all(|thread| thread.join().unwrap() == plain), "{name}");
        });
    }
}

/// Something that begins as one of the formats, mutated.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let starts = [
        &b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..],
        b"\x28\xb5\x2f\xfd",
        b"\x50\x2a\x4d\x18",
        b"BZh9\x31\x41\x59\x26\x53\x59",
        b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46\x02\0\x21\x01",
        b"\xff\xfe",
        b"\xfe\xff",
        b"",
    ];
    let random = (proptest::sample::select(starts.to_vec()), proptest::collection::vec(any::<u8>(), 0..300)).prop_map(|(start, rest)| [start, &rest].concat());
    let changes = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8);
    let changed = (proptest::sample::select(packed()), changes).prop_map(|((_, mut bytes), changes)| {
        changes.into_iter().for_each(|(at, byte)| *at.get_mut(&mut bytes) = byte);
        bytes
    });
    prop_oneof![random, changed]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_panics_and_everything_ends(bytes in hostile(), size in 1..5_000_usize) {
        let input = input(&bytes);
        let (all, error) = drain(&mut input.stream().unwrap(), size);
        let (again, as_before) = drain(&mut input.stream().unwrap(), 1 << 20);
        if input.is_seekable() {
            prop_assert!(error.is_none() && all == bytes);
        }
        if error.is_none() && as_before.is_none() {
            prop_assert!(all == again);
        }
        if let (Some(error), Some(as_before)) = (error, as_before) {
            prop_assert_eq!(error.kind(), as_before.kind());
            prop_assert!(all.starts_with(&again) || again.starts_with(&all));
        }
    }

    #[test]
    fn what_goes_in_comes_out(text in proptest::collection::vec(any::<u8>(), 0..5_000), size in 1..2_000_usize) {
        for bytes in [gzip(&text), bzip2(&text), zstd(&text)] {
            let (all, error) = drain(&mut input(&bytes).stream().unwrap(), size);
            // Random bytes may look like UTF-16 only by their mark.
            if !text.starts_with(&[0xff, 0xfe]) && !text.starts_with(&[0xfe, 0xff]) {
                prop_assert!(all == text && error.is_none());
            }
        }
    }

    #[test]
    fn utf_16_is_read_as_the_standard_library_does(units in proptest::collection::vec(prop_oneof![any::<u16>(), 0xd700..0xe000_u16, 0x20..0x7f_u16], 0..300), size in 1..50_usize) {
        let marked: Vec<u8> = std::iter::once(0xfeff).chain(units.iter().copied()).flat_map(u16::to_be_bytes).collect();
        let (all, error) = drain(&mut input(&marked).stream().unwrap(), size);
        prop_assert!(error.is_none());
        prop_assert_eq!(String::from_utf8(all).unwrap(), String::from_utf16_lossy(&units));
    }
}
