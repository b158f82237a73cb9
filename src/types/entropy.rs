//! Finds texts that look drawn at random: keys and the lines of encoded ones, which have no shape of their own.
//!
//! A long run of mixed letters and digits counts by itself; a shorter one behind a name such as `signing_key=`. Words, paths, UUIDs, plain
//! numbers and hexadecimal digests without such a name are none.

use std::ops::Range;

/// Shorter runs are never taken for random.
const LEAST_BYTES: usize = 16;
/// From here on a run needs no name before it: a line of a wrapped key has 64 or 76.
const LEAST_ALONE_BYTES: usize = 40;
/// How far back a name is looked for, so that the time stays linear.
const NAME_BYTES: usize = 96;

/// Words of names whose value is secret.
const NAMES: &[&str] = &[
    "apikey",
    "auth",
    "bearer",
    "cookie",
    "cred",
    "creds",
    "credential",
    "credentials",
    "csrf",
    "jwt",
    "key",
    "nonce",
    "otp",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "pat",
    "private",
    "pwd",
    "salt",
    "secret",
    "sess",
    "session",
    "sid",
    "sig",
    "signature",
    "token",
    "xsrf",
];
/// Endings of words that were written together.
const ENDINGS: &[&str] = &["apikey", "passwd", "password", "secret", "token"];
/// What makes a `key` one of a table or a cache.
const ORDINARY: &[&str] = &["cache", "foreign", "idempotency", "object", "partition", "primary", "public", "routing", "row", "shard", "sort", "unique"];

/// Where random texts are, from front to back.
pub(super) fn find(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let Range { start: begin, end } = run(bytes, at)?;
            let padding = bytes[end..].iter().take(2).take_while(|b| **b == b'=').count();
            at = end + padding;
            if is_secret(&bytes[..begin], &bytes[begin..end], padding > 0 && bytes.get(at).is_none_or(|b| !is_part(*b))) {
                return Some(begin..at);
            }
        }
    })
}

/// The next run that is long enough, from where none was begun. Looks at every sixteenth byte where there is none.
fn run(bytes: &[u8], mut at: usize) -> Option<Range<usize>> {
    loop {
        let probe = at + LEAST_BYTES - 1;
        if !is_part(*bytes.get(probe)?) {
            at = probe + 1;
            continue;
        }
        let begin = bytes[at..probe].iter().rposition(|b| !is_part(*b)).map_or(at, |last| at + last + 1);
        let end = bytes[probe..].iter().position(|b| !is_part(*b)).map_or(bytes.len(), |n| probe + n);
        if end - begin >= LEAST_BYTES {
            return Some(begin..end);
        }
        at = end;
    }
}

/// What the alphabets of base64 have.
fn is_part(byte: u8) -> bool {
    PARTS[byte as usize]
}

/// One look instead of five comparisons for each byte of each text.
const PARTS: [bool; 256] = {
    let (mut parts, mut byte) = ([false; 256], 0);
    while byte < 256 {
        parts[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'+' | b'/' | b'_' | b'-');
        byte += 1;
    }
    parts
};

fn is_secret(before: &[u8], run: &[u8], padded: bool) -> bool {
    // Most long runs are words of names.
    if !run.iter().any(u8::is_ascii_digit) {
        return false;
    }
    let mix = Mix::of(run);
    let alone = run.len() >= LEAST_ALONE_BYTES || padded;
    (alone && mix.is_encoded()) || (mix.is_random() && !is_uuid(run) && is_named(before))
}

/// How letters and digits alternate.
struct Mix {
    upper: usize,
    lower: usize,
    digits: usize,
    changes: usize,
}

impl Mix {
    fn of(run: &[u8]) -> Self {
        let (mut mix, mut previous) = (Self { upper: 0, lower: 0, digits: 0, changes: 0 }, None);
        for byte in run {
            let (count, class) = match byte {
                b'A'..=b'Z' => (&mut mix.upper, 'A'),
                b'a'..=b'z' => (&mut mix.lower, 'a'),
                b'0'..=b'9' => (&mut mix.digits, '0'),
                _ => continue,
            };
            *count += 1;
            mix.changes += usize::from(previous.replace(class).is_some_and(|p| p != class));
        }
        mix
    }

    fn len(&self) -> usize {
        self.upper + self.lower + self.digits
    }

    /// As base64 is: capital and small letters and digits in turn. Of chance about two neighbours of three differ in kind, in names one of five.
    fn is_encoded(&self) -> bool {
        let least = self.len() / 6;
        self.upper >= least && self.lower >= least && self.digits > self.len() / 24 && self.changes * 5 >= self.len() * 2
    }

    fn is_random(&self) -> bool {
        self.digits >= 2 && self.upper + self.lower >= 2 && self.changes * 10 >= self.len() * 3
    }
}

fn is_uuid(run: &[u8]) -> bool {
    run.len() == 36 && run.iter().enumerate().all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { *b == b'-' } else { b.is_ascii_hexdigit() })
}

/// Whether this ends in a secret's name and a sign that its value follows.
fn is_named(before: &[u8]) -> bool {
    let near = &before[before.len().saturating_sub(NAME_BYTES)..];
    let strip = |text: &'_ [u8], signs: &[u8]| text.iter().rposition(|b| !signs.contains(b)).map_or(0, |at| at + 1);
    let value = &near[..strip(near, b" \t\r\n\"'\\")];
    let sign = &value[..strip(value, b":=>")];
    if sign.len() == value.len() {
        return false;
    }
    let name = &sign[..strip(sign, b" \t\"'\\")];
    let begin = name.iter().rposition(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))).map_or(0, |at| at + 1);
    let words = words(&name[begin..]);
    let secret = |word: &String| NAMES.contains(&word.as_str()) || ENDINGS.iter().any(|ending| word.ends_with(ending));
    words.iter().any(secret) && !words.iter().any(|word| ORDINARY.contains(&word.as_str()))
}

/// `x-apiKey_2` is x, api, key and 2.
fn words(name: &[u8]) -> Vec<String> {
    let (mut words, mut previous) = (vec![String::new()], b'A');
    for byte in name {
        let inside = byte.is_ascii_alphanumeric();
        if !inside || (byte.is_ascii_uppercase() && previous.is_ascii_lowercase()) || (byte.is_ascii_digit() != previous.is_ascii_digit()) {
            words.push(String::new());
        }
        if inside && let Some(word) = words.last_mut() {
            word.push(char::from(byte.to_ascii_lowercase()));
        }
        previous = *byte;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_with_a_name_and_long_ones_without() {
        for text in [
            "signing_key=9fJk2LmQ8sXv7TzB",
            "stripeKey: \"b8d1f2a94c7e6035d1ab\"",
            r#"{\"hook-salt\":\"b8d1f2a94c7e6035d1ab\"}"#,
            "userToken => 4f9a1c7e2b8d6035a1ab",
            "sess.id =\n  q7W3e9R1t5Y8u2I4",
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
            "ends in Zm9vYmFyQ2FuYXJ5OTE3MzU0Mg==",
        ] {
            assert_eq!(find(text).count(), 1, "{text}");
        }
    }

    proptest::proptest! {
        /// Byte by byte it is the same.
        #[test]
        fn every_long_run_is_found(text in "[a-c1 =]{0,120}") {
            let mut found = Vec::new();
            let mut at = 0;
            while let Some(next) = run(text.as_bytes(), at) {
                at = next.end;
                found.push(next);
            }
            let bytes = text.as_bytes();
            let begins = (0..bytes.len()).filter(|at| is_part(bytes[*at]) && (*at == 0 || !is_part(bytes[at - 1])));
            let runs = begins.map(|begin| begin..begin + bytes[begin..].iter().take_while(|b| is_part(**b)).count());
            let long: Vec<_> = runs.filter(|run| run.len() >= LEAST_BYTES).collect();
            proptest::prop_assert_eq!(found, long);
        }
    }

    #[test]
    fn names_paths_ids_and_digests_are_none() {
        for text in [
            "cache_key=5f4dcc3b5aa765d61d8327deb882cf99",
            "partition_key=order-2026-11-20-0001",
            "token=550e8400-e29b-41d4-a716-446655440000",
            "trace=4bf92f3577b34da6a3ce929d0e0e4736 span=00f067aa0ba902b7",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "/usr/lib/python3/dist-packages/Project2/AbstractAuthenticationProcessingFilter",
            "org/springframework/security/web/Http2AbstractAuthenticationFilterChainProxy",
            "auth_method=scram_sha_256_plus_x",
            "authority=b8d1f2a94c7e6035d1ab",
            "key=aaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "retry_after_key_rotation 20261120100000123",
            "op_0123456789abcdef0123456789abcdef",
            "x==",
        ] {
            assert_eq!(find(text).count(), 0, "{text}");
        }
    }

    #[test]
    fn takes_linear_time() {
        let began = std::time::Instant::now();
        for part in ["key=", "key=9fJk2LmQ8sXv7TzB ", "9fJk2LmQ8sXv7TzB", "=", "\"'\\ ", "key: 9fJk2LmQ8sXv7TzB\n"] {
            find(&part.repeat(100_000)).count();
        }
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    }
}
