use super::super::MOST_BYTES;
use super::mask;

fn masked(message: &str) -> String {
    let mut out = b"left over".to_vec();
    mask(message.as_bytes(), &mut out);
    String::from_utf8(out).expect("text stays text")
}

fn assert_masks(pairs: &[(&str, &str)]) {
    for (message, expected) in pairs {
        assert_eq!(masked(message), *expected, "{message}");
    }
}

#[test]
fn numbers_and_their_units_are_variable() {
    assert_masks(&[
        ("took 35 ms, -3.5 s or <1 s, at +7", "took <*> ms, <*> s or <*> s, at <*>"),
        ("sold 1,234,567 of 10% for $5.00", "sold <*> of <*>% for $<*>"),
        ("read 512MB in 10ms (3/5)", "read <*> in <*> (<*>)"),
        ("kept 1 2 3 of (4, 5)", "kept <*> of (<*>, <*>)"),
        ("mask enabled.....1", "mask enabled.....<*>"),
        ("job#12 of CPU#0 at Pool.java:118", "job#<*> of CPU#<*> at Pool.java:<*>"),
        ("a=1&b", "a=<*>"),
    ]);
}

#[test]
fn ids_and_hexadecimal_are_variable() {
    assert_masks(&[
        ("order_17 of blk_-42 and abc123def", "<*> of <*> and <*>"),
        ("object Foo$Bar@1a2b3c and Baz@deadbeef", "object Foo$Bar@<*> and Baz@<*>"),
        ("core.17 of Thread-12 on web-01-a", "core.<*> of Thread-<*> on <*>"),
        ("at 0xffe0 or deadbeef", "at <*> or <*>"),
        ("id 550e8400-e29b-41d4-a716-446655440000.", "id <*>."),
    ]);
}

#[test]
fn addresses_paths_and_hosts_are_variable() {
    assert_masks(&[
        ("from 10.0.0.1:80 to [/10.1.2.3:81]", "from <*> to [<*>]"),
        ("mac 00:1a:FF:c0:00:01 ip fe80::1ff:0 at 10:20:30,123", "mac <*> ip <*> at <*>"),
        ("open /var/lib/x.db, src/main.rs, ./run and C:\\tmp\\y", "open <*>, <*>, <*> and <*>"),
        ("see https://example.org/a?b=c&d=e. Then", "see <*>. Then"),
        ("GET / or GET /a?b=1&c=2 HTTP/1.1", "GET <*> or GET <*>"),
        ("mail bob@example.org via mx.example.org:25 on localhost:80", "mail <*> via <*> on <*>"),
        ("read/write of input/output n/a", "read/write of input/output <*>"),
    ]);
}

#[test]
fn dates_in_words_are_variable_and_their_words_elsewhere_are_not() {
    assert_masks(&[
        ("at Fri Jun 17 07:07:02 UTC 2005 it began", "at <*> it began"),
        ("Mon, 24 Nov 2026 10:11:12 GMT", "<*>, <*>"),
        ("you May try Sun hardware", "you May try Sun hardware"),
    ]);
}

#[test]
fn words_stay_with_their_case_and_punctuation() {
    for message in [
        "Can't stop: [main] (java) \"quoted\" {x; y}",
        "org.example.net.Server failed",
        "ssh2 on tty1 uses L3",
        "read_int32() of int64::parse",
        "null pointer",
        "readUtf16Text of Frame32::toBase64",
        "CHUNK* re-sync... done!",
        "Füße über Größe",
    ] {
        assert_eq!(masked(message), message);
    }
}

#[test]
fn keys_stay_and_truth_values_go() {
    assert_masks(&[("r24=0x1 uid10=3 ok=true last=null name=", "r24=<*> uid10=<*> ok=<*> last=<*> name=")]);
}

#[test]
fn white_space_is_one_blank_and_only_the_first_line_counts() {
    assert_masks(&[("  a \t b  ", "a b"), ("first\nsecond 2", "first"), ("\r\nx", ""), ("", "")]);
}

#[test]
fn what_is_beyond_the_bound_does_not_count_and_no_word_is_cut() {
    let long = format!("{}abcdef tail 7", "x ".repeat(MOST_BYTES / 2 - 2));
    assert_eq!(masked(&long), "x ".repeat(MOST_BYTES / 2 - 2).trim_end());
    assert_eq!(masked(&long), masked(&format!("{long} and more")));
}

#[test]
fn bytes_that_are_no_text_pass() {
    let mut out = Vec::new();
    mask(b"bad \xff\xfe byte \x80 12", &mut out);
    assert_eq!(out, b"bad \xff\xfe byte \x80 <*>");
}

proptest::proptest! {
    /// Whatever was in `out` before, and however often.
    #[test]
    fn is_a_pure_function(message in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let (mut first, mut second) = (Vec::new(), b"before".to_vec());
        mask(&message, &mut first);
        mask(&message, &mut second);
        proptest::prop_assert_eq!(first, second);
    }

    /// A masked message has nothing left to mask.
    #[test]
    fn is_idempotent(message in "([a-z]{1,6}|[0-9]{1,4}|/[a-z]{2}|[a-z]{1,3}[0-9]{1,3}|[ ,:=()-]){0,12}") {
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        mask(message.as_bytes(), &mut once);
        mask(&once, &mut twice);
        proptest::prop_assert_eq!(String::from_utf8_lossy(&once), String::from_utf8_lossy(&twice));
    }
}
