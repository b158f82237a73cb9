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
        ("2026-01-26 10:30:45 -05 [1]", "2026-01-26T15:30:45Z", 23),
        ("2026-01-26 10:30:45 -05 LOG", "2026-01-26T15:30:45Z", 23),
        ("2026-01-26 10:30:45 Asia/Shanghai x", "2026-01-26T02:30:45Z", 33),
        ("2026-01-26 10:30:45 Asia/Nowhere x", "2026-01-26T10:30:45Z", 19),
        ("2026-01-26 10:30:45 UTC [1]", "2026-01-26T10:30:45Z", 23),
        ("2024-02-29 23:59:60", "2024-03-01T00:00:00Z", 19),
        ("2026-01-26 10:30:45, then", "2026-01-26T10:30:45Z", 19),
        ("2026/01/26 10:30:45", "2026-01-26T10:30:45Z", 19),
        ("2026-01-26  9:30:45 x", "2026-01-26T09:30:45Z", 19),
        ("2026-01-26 10:30:45:123 +0100", "2026-01-26T09:30:45.123Z", 29),
        ("2026-01-26 10:30:45 CEST [1]", "2026-01-26T08:30:45Z", 24),
        ("2026-01-26 10:30:45 IST [1]", "2026-01-26T10:30:45Z", 19),
        ("2026-01-26 12:30:45 AM x", "2026-01-26T00:30:45Z", 22),
        ("2026-01-26 01:30:45 PM UTC", "2026-01-26T13:30:45Z", 26),
        ("2026-01-26 10:30:45 ERROR x", "2026-01-26T10:30:45Z", 19),
    ] {
        assert_eq!(read("UTC", text), Some((want.to_owned(), used)), "{text}");
    }
}

fn shaped(near: Option<&str>, text: &str) -> Option<(Option<String>, usize)> {
    let mut reader = TimeReader::new(TimeZone::UTC);
    reader.set_near(near.map(|near| nanos(near.parse().unwrap())));
    reader.any(text.as_bytes()).map(|(nanos, used)| (nanos.map(show), used))
}

#[test]
fn timestamps_in_other_shapes() {
    for (text, want, used) in [
        ("26/Jan/2026:10:30:45 +0100] x", "2026-01-26T09:30:45Z", 26),
        ("26/Jan/2026 10:30:45] x", "2026-01-26T10:30:45Z", 20),
        ("26-Jan-2026 10:30:45.123 INFO", "2026-01-26T10:30:45.123Z", 24),
        ("6 Jan 2026 10:30:45.123 *", "2026-01-06T10:30:45.123Z", 23),
        ("Mon Jan 26 10:30:45 2026", "2026-01-26T10:30:45Z", 24),
        ("Mon Jan  6 10:30:45.123456 2026] x", "2026-01-06T10:30:45.123456Z", 31),
        ("Mon Jan 26 10:30:45 CET 2026 x", "2026-01-26T09:30:45Z", 28),
        ("Mon Jan 26 10:30:45 XYZ 2026 x", "2026-01-26T10:30:45Z", 28),
        ("Jan 26, 2026 10:30:45 PM x", "2026-01-26T22:30:45Z", 24),
        ("Jan 26 2026 10:30:45 x", "2026-01-26T10:30:45Z", 20),
        ("26/01/26 10:30:45 INFO", "2026-01-26T10:30:45Z", 17),
        ("99/01/26 10:30:45 INFO", "1999-01-26T10:30:45Z", 17),
        ("260126 103045 148 INFO", "2026-01-26T10:30:45Z", 13),
        ("260126  9:30:45 x", "2026-01-26T09:30:45Z", 15),
        ("20260126-10:30:45:123|x", "2026-01-26T10:30:45.123Z", 21),
        ("20260126-9:3:5:123|x", "2026-01-26T09:03:05.123Z", 18),
        ("20260126T103045Z x", "2026-01-26T10:30:45Z", 16),
        ("2026-01-26-10.30.45.123456 x", "2026-01-26T10:30:45.123456Z", 26),
        ("26.01.2026 10:30:45 x", "2026-01-26T10:30:45Z", 19),
        ("01/26/2026 10:30:45 x", "2026-01-26T10:30:45Z", 19),
    ] {
        assert_eq!(shaped(None, text), Some((Some(want.to_owned()), used)), "{text}");
    }
    for text in ["26/Foo/2026:10:30:45", "31/Feb/2026:10:30:45 x", "Mon Mai 26 10:30:45 2026", "26/13/2026 31:30:45", "45/45/2026 10:30:45", "123456", "Jan 26"]
    {
        assert_eq!(shaped(None, text), None, "{text}");
    }
}

#[test]
fn without_a_year_the_nearest_one_and_without_an_order_none() {
    let near = Some("2026-01-02T00:00:00Z");
    for (text, want) in [
        ("Dec 31 23:59:59 x", "2025-12-31T23:59:59Z"),
        ("Jan  1 00:00:00 x", "2026-01-01T00:00:00Z"),
        ("Mon Jun  1 00:00:00 x", "2026-06-01T00:00:00Z"),
        ("26 Jan 10:30:45.123 x", "2026-01-26T10:30:45.123Z"),
    ] {
        assert_eq!(shaped(near, text).unwrap().0.as_deref(), Some(want), "{text}");
        assert_eq!(shaped(None, text).unwrap().0, None, "{text}");
    }
    assert_eq!(shaped(near, "Feb 30 10:30:45 x"), None);
    assert_eq!(shaped(near, "03/04/2026 10:30:45 x"), Some((None, 19)));
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
        "2026-01/26 10:30:45",
        "2026-01-26 13:30:45 PM",
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
        let mut reader = TimeReader::new(TimeZone::UTC);
        reader.set_near(Some(0));
        let _ = (reader.any(&text), reader.klog(&text), reader.month_dash_day(&text), reader.tai64n(&text), reader.formatted("%m %d %H", &text));
    }
}
