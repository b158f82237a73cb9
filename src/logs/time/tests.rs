#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn read(zone_name: &str, text: &str) -> Option<(String, usize)> {
    TimeReader::new(zone(zone_name).unwrap()).read(text.as_bytes()).map(|(nanos, used)| (show(nanos), used))
}

#[test]
fn civil_timestamps_with_fraction_and_zone() {
    for (text, want, used) in [
        ("2026-01-26 10:30:45 [ERROR] x", "2026-01-26T10:30:45Z", 19),
        ("2026-01-26T10:30:45.5Z x", "2026-01-26T10:30:45.5Z", 22),
        ("2026-01-26 10:30:45,123 - x", "2026-01-26T10:30:45.123Z", 23),
        ("2026-01-26 10:30:45.123456789+08:00", "2026-01-26T02:30:45.123456789Z", 35),
        ("2026-01-26 10:30:45.1234567891234Z", "2026-01-26T10:30:45.123456789Z", 34),
        ("2026-01-26 10:30:45 -0500 x", "2026-01-26T15:30:45Z", 25),
        ("2026-01-26 10:30:45-05", "2026-01-26T15:30:45Z", 22),
        ("2026-01-26 10:30:45 -05 x", "2026-01-26T10:30:45Z", 19),
        ("2026-01-26 10:30:45 UTC [1]", "2026-01-26T10:30:45Z", 23),
        ("2024-02-29 23:59:60", "2024-03-01T00:00:00Z", 19),
        ("2026-01-26 10:30:45, then", "2026-01-26T10:30:45Z", 19),
    ] {
        assert_eq!(read("UTC", text), Some((want.to_owned(), used)), "{text}");
    }
}

#[test]
fn what_is_no_timestamp_is_none() {
    for text in [
        "",
        "2026-01-26",
        "2026-13-26 10:30:45",
        "2026-02-29 10:30:45",
        "2026-01-26 24:30:45",
        "2026-01-26 10:60:45",
        "2026-01-26 10:30:455",
        "2026/01/26 10:30:45",
        "9999-12-31 00:00:00",
        "20x6-01-26 10:30:45",
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        "\0\0\0\0\0\0\0\0\0\0 10:30:45",
    ] {
        assert_eq!(read("UTC", text), None, "{text}");
    }
}

#[test]
fn times_without_a_zone_are_the_sources() {
    assert_eq!(read("Asia/Shanghai", "2026-01-26 10:30:45").unwrap().0, "2026-01-26T02:30:45Z");
    assert_eq!(read("+08:00", "2026-01-26 10:30:45").unwrap().0, "2026-01-26T02:30:45Z");
    assert_eq!(read("Asia/Shanghai", "2026-01-26 10:30:45Z").unwrap().0, "2026-01-26T10:30:45Z");
    let mut reader = TimeReader::new(zone("Europe/Berlin").unwrap());
    let mut at = |text: &str| show(reader.read(text.as_bytes()).unwrap().0);
    assert_eq!(at("2026-03-29 01:59:59"), "2026-03-29T00:59:59Z");
    assert_eq!(at("2026-03-29 03:00:00"), "2026-03-29T01:00:00Z");
    assert_eq!(at("2026-10-25 02:30:00"), "2026-10-25T00:30:00Z", "the first of the two");
    assert_eq!(at("2026-10-25 03:00:00"), "2026-10-25T02:00:00Z");
    assert!(zone("Mars/Olympus").is_err());
}

#[test]
fn epochs_are_told_apart_by_size() {
    for (text, want) in [
        ("1700000000", Some("2023-11-14T22:13:20Z")),
        ("1700000000.123456", Some("2023-11-14T22:13:20.123456Z")),
        ("1700000000123", Some("2023-11-14T22:13:20.123Z")),
        ("1700000000123.5", Some("2023-11-14T22:13:20.1235Z")),
        ("1700000000123456", Some("2023-11-14T22:13:20.123456Z")),
        ("1700000000123456789", Some("2023-11-14T22:13:20.123456789Z")),
        ("1.7000000001e9", Some("2023-11-14T22:13:20.1Z")),
        ("12345", None),
        ("-1700000000", None),
        ("", None),
        ("17000000000000000000", None),
        ("NaN", None),
    ] {
        assert_eq!(epoch(text.as_bytes()).map(show).as_deref(), want, "{text}");
    }
}

proptest! {
    #[test]
    fn reads_what_jiff_prints(seconds in -9_000_000_000_i64..9_000_000_000, nanos in 0..1_000_000_000_i32) {
        let moment = Timestamp::new(seconds, nanos).unwrap();
        let read = TimeReader::new(TimeZone::UTC).read_whole(moment.to_string().as_bytes());
        prop_assert_eq!(read.map(show), Some(moment.to_string()));
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60), head in any::<bool>()) {
        let text = if head { [&b"2026-01-26 10:30:45"[..], &bytes].concat() } else { bytes };
        let _ = TimeReader::new(TimeZone::UTC).read(&text);
        let _ = epoch(&text);
    }
}
