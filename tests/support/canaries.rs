//! Secrets of every shape, and whether one of them came out in any form.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use serde_json::Value;

/// Each stands in a log; the first part is the secret.
pub(crate) const IN_LOGS: &[(&str, &str)] = &[
    ("canary-a01x", "cannot reach postgres://app:canary-a01x@db:5432/shop?sslmode=require"),
    ("canary-a02x", "cannot reach redis://:canary-a02x@cache:6379/0"),
    ("canary-a03x", "cannot reach app:canary-a03x@tcp(db:3306)/shop"),
    ("canary-a04x", "GET / failed with Authorization: Bearer canary-a04x.abcdef"),
    ("canary-a05x", "GET / failed with Proxy-Authorization: Basic canary-a05xZm9v"),
    ("canary-a06x", "GET / failed with Cookie: sid=1; session=canary-a06x"),
    ("canary-a07x", "GET / failed with Set-Cookie: sid=canary-a07x; Path=/; HttpOnly"),
    ("canary-a08x", "bad key -----BEGIN RSA PRIVATE KEY-----\ncanary-a08x\nMIIE\n-----END RSA PRIVATE KEY-----"),
    ("canary-a09x", "PGPASSWORD=canary-a09x psql failed"),
    ("canary-a10x", r#"request {"user":"u","db_password":"canary-a10x"} failed"#),
    ("canary-a11x", "AUTH default canary-a11x failed"),
    ("canary-a12x", "GET /login?next=password%3Dcanary-a12x failed"),
    ("9fJk2LmQ8sXv7TzBcanaryA13", "signing_key=9fJk2LmQ8sXv7TzBcanaryA13 rejected"),
    ("b8d1f2a94c7e6035d1ab14", "hookSalt: \"b8d1f2a94c7e6035d1ab14\" rejected"),
    ("ghp_canaryA15abcdefghijklmnopqrstuvwx", "clone with ghp_canaryA15abcdefghijklmnopqrstuvwx failed"),
    ("AKIAIOSFODNN7CANARYX", "upload with AKIAIOSFODNN7CANARYX failed"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.canaryA17abc", "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.canaryA17abc expired"),
    ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj failed"),
    ("canary-a19xabcdefghijkl", "sent Authorization: Bearer abcdefgh\n    canary-a19xabcdefghijkl\n    and failed"),
    ("canary-a20x", "the password is:\n    canary-a20x"),
];

/// A log of all of them, each in a record of level error, twice with other words around it.
pub(crate) fn log(configured: &str) -> String {
    let encoded = BASE64_STANDARD_NO_PAD.encode(format!("user:{configured}!"));
    let (front, back) = encoded.split_at(encoded.len() / 2);
    let (first, second) = configured.split_at(configured.len() / 2);
    let own = [
        format!("found {configured}"),
        format!("found {encoded} encoded"),
        format!("found {front}\n    {back} wrapped"),
        format!("found {first}\n  {second} broken"),
    ];
    let texts: Vec<&str> = IN_LOGS.iter().map(|(_, text)| *text).chain(own.iter().map(String::as_str)).collect();
    let mut log = String::new();
    for (at, text) in texts.iter().enumerate() {
        writeln!(log, "2026-11-20 10:{at:02}:00 [ERROR] mod{at}: {text}").unwrap();
    }
    log
}

/// The forms of these secrets that are found in a text, line breaks in it or not.
pub(crate) fn found(text: &str, secrets: &[&str]) -> Vec<String> {
    let unbroken: String = text.replace("\\n", "\n").replace("\\r", "").lines().map(str::trim_start).collect();
    let mut found = Vec::new();
    for secret in secrets {
        let percent: String = secret.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
        let middle = |before: usize| {
            let encoded = BASE64_STANDARD_NO_PAD.encode([&[0; 2][..before], secret.as_bytes()].concat());
            encoded[(before * 8).div_ceil(6)..(before + secret.len()) * 8 / 6].to_owned()
        };
        let forms = [(*secret).to_owned(), percent.to_lowercase(), percent, middle(0), middle(1), middle(2)];
        found.extend(forms.into_iter().filter(|form| text.contains(form.as_str()) || unbroken.contains(form.as_str())));
    }
    found
}

/// What makes text look like something else.
pub(crate) const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{2066}\u{200b}\u{2060}\u{feff}\u{e0041}\u{e007f}a\u{fe0f}\u{0}\r\u{ad}";

/// Characters of that kind in a text, but for newlines and tabs.
pub(crate) fn hostile_in(text: &str) -> Vec<char> {
    let bad = |c: &char| {
        let code = u32::from(*c);
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(code, 0xad | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe0000..=0xe007f | 0xfe00..=0xfe0f)
    };
    text.chars().filter(bad).collect()
}

/// Every string of a message, keys included, but for what the caller chose to be repeated as it is.
pub(crate) fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(object) => {
            let repeated = |key: &str| matches!(key, "id" | "progressToken" | "requestId");
            object.iter().filter(|(key, _)| !repeated(key)).flat_map(|(key, item)| std::iter::once(key.clone()).chain(strings(item))).collect()
        }
        _ => Vec::new(),
    }
}
