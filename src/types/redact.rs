//! Takes secrets out of texts before they are shown, logged or cut.
//!
//! Knows token shapes, DSNs, headers, `key=value` pairs, private keys, and the exact secrets of the configuration in plain, base64 and
//! URL-encoded form. Cannot know a secret without shape, name or configuration.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::{Captures, Regex};

use super::secret::Secret;

/// What stands where a secret stood.
pub const MASK: &str = "[redacted]";

/// Secrets shorter than this are not matched exactly: a configured password `on` would eat ordinary words.
const LEAST_EXACT_BYTES: usize = 6;

/// Percent-encoding as most encoders do it: the unreserved characters of RFC 3986 stay.
const UNRESERVED_KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One rule a line; `keep` is what of the match stays in front of the mask, `tail` what stays behind.
static SHAPES: LazyLock<Regex> = LazyLock::new(|| {
    let rules = [
        r"(?P<pem>-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)",
        r"(?P<dsn>\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/@:'\x22]*:)[^\s'\x22]+(?P<at>@)",
        r"(?P<user>\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://)[^\s/@:'\x22]{16,}(?P<at2>@)",
        r"(?P<cookie>(?i:\b(?:set-)?cookie\x22?\s*[:=]\s*))[^\r\n]+",
        r"(?P<header>(?i:\bauthorization\x22?\s*[:=]\s*\x22?))[^\r\n\x22,]+",
        r"(?P<scheme>(?i:\b(?:bearer|basic):?\s+))[A-Za-z0-9._~+/=-]{8,}",
        r"(?P<auth>\bAUTH\s+)(?:\S+\s+)?\S{6,}",
        r#"(?P<pair>(?i:(?:\b|_)(?:pgpassword|redis_?password|[a-z_-]*passw(?:or)?d|passphrase|pass|pwd|pw|[a-z_-]*secret(?:[_-]?key)?|(?:access|auth|refresh|id|api|session|csrf)[_-]?token|token|(?:api|access|private|secret|account|signing|encryption)[_-]?key|credentials?|session[_-]?id|sig))(?:["'\\]*\s*[:=]\s*["'\\]*|\s+is\s+))[^\s"',;&)}\]]{3,}"#,
        r#"(?P<flag>(?i:(?:^|[\s"'])--?(?:[a-z-]*passw(?:or)?d|passphrase|[a-z-]*token|[a-z-]*secret|[a-z-]*api-?key)["']?(?:\s*[,=]\s*|\s+)["']?))[^\s"',\]]{3,}"#,
        r"\bhttps://hooks\.slack\.com/services/\S+",
        r"\b(?:xapp-[A-Za-z0-9-]{10,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,}|sk-[A-Za-z0-9_-]{20,}|[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|hvs\.[A-Za-z0-9_-]{20,}|dop_v1_[a-f0-9]{40,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})",
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
    ];
    Regex::new(&rules.join("|")).expect("the redaction rules are valid")
});

/// A password that is an ordinary word (`postgres`) is not matched exactly either: it would eat names and values that answers are made of.
/// Where it stands in a DSN or behind its key it is still taken out.
fn is_ordinary_word(secret: &str) -> bool {
    secret.len() < 12 && secret.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// Replaces secrets by [`MASK`]. Cheap to clone the parts of; build one per configuration.
#[derive(Default)]
pub struct Redactor {
    exact: Option<AhoCorasick>,
}

impl Redactor {
    /// A redactor that also knows these secrets literally, in plain, base64 (both alphabets) and percent-encoded form.
    pub fn with_secrets<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut needles: Vec<String> =
            secrets.into_iter().map(Secret::expose).filter(|s| s.len() >= LEAST_EXACT_BYTES && !is_ordinary_word(s)).flat_map(spellings).collect();
        needles.sort_by_key(|n| std::cmp::Reverse(n.len()));
        needles.dedup();
        let exact = (!needles.is_empty())
            .then(|| AhoCorasick::builder().match_kind(aho_corasick::MatchKind::LeftmostLongest).build(&needles).expect("a few literals always build"));
        Self { exact }
    }

    /// The text without its secrets.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let exact: Cow<'t, str> = match &self.exact {
            Some(exact) if exact.is_match(text) => {
                let mut out = String::with_capacity(text.len());
                exact.replace_all_with(text, &mut out, |_, _, out| {
                    out.push_str(MASK);
                    true
                });
                Cow::Owned(out)
            }
            _ => Cow::Borrowed(text),
        };
        if !SHAPES.is_match(&exact) {
            return exact;
        }
        Cow::Owned(SHAPES.replace_all(&exact, mask).into_owned())
    }
}

fn mask(found: &Captures<'_>) -> String {
    let group = |names: &[&str]| names.iter().find_map(|n| found.name(n)).map_or("", |m| m.as_str()).to_owned();
    let keep = group(&["pem", "dsn", "user", "cookie", "header", "scheme", "auth", "pair", "flag"]);
    let whole = found.get(0).map_or("", |m| m.as_str());
    // What was redacted before stays as it is.
    if whole[keep.len()..].starts_with(&MASK[..MASK.len() - 1]) {
        return whole.to_owned();
    }
    format!("{keep}{MASK}{}", group(&["at", "at2"]))
}

/// The forms in which a secret turns up in texts.
fn spellings(secret: &str) -> Vec<String> {
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let partly = utf8_percent_encode(secret, UNRESERVED_KEPT).to_string();
    vec![STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret), percent.to_lowercase(), percent, partly.to_lowercase(), partly, secret.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_out_secrets_of_every_shape() {
        let redactor = Redactor::with_secrets(&[Secret::new("hunter2/äö")]);
        for given in [
            "postgres://app:canary-1@db:5432/x",
            "redis://:canary-1@cache/0",
            "PGPASSWORD=canary-1 psql",
            "password: canary-1",
            r#"{"db_password":"canary-1"}"#,
            "api_key=canary-1&x=1",
            "Authorization: Bearer canary-1.abc",
            "proxy got bearer canary-1234567",
            "Authorization: Basic Y2FuYXJ5LTE=canary-1",
            "Set-Cookie: sid=canary-1; Path=/",
            "AUTH canary-1",
            "AUTH default canary-1",
            "-----BEGIN RSA PRIVATE KEY-----\ncanary-1\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\ncanary-1 cut off",
            "mysql --password canary-1 -h db",
            r#"run ["/bin/x", "--token", "canary-1"]"#,
            r#"{"body":"{\"pwd\":\"canary-1\"}"}"#,
            "the password is canary-1",
            "redis://:p@canary-1@cache/0",
            "pw=canary-1",
        ] {
            let out = redactor.redact(given);
            assert!(!out.contains("canary-1") && out.contains(MASK), "{given} -> {out}");
            assert_eq!(redactor.redact(&out), out, "twice is not once");
        }
        for given in ["pw hunter2/äö.", "pw hunter2%2F%C3%A4%C3%B6.", &format!("b64 {}.", STANDARD_NO_PAD.encode("hunter2/äö"))] {
            assert!(redactor.redact(given).contains(MASK), "{given}");
        }
        assert!(redactor.redact("ghp_abcdefghijklmnopqrstuvwxyz0123456789").starts_with(MASK));
    }

    #[test]
    fn leaves_ordinary_log_text_alone() {
        for text in [
            "auth: Session opened for user u1",
            "authentication failed: invalid token 149a771ba4ba",
            "GET http://api:8080/v1 200",
            "basic checks passed",
            "tokenizer: 3 tokens",
        ] {
            assert_eq!(Redactor::default().redact(text), text);
        }
    }

    #[test]
    fn keeps_what_tells_where_the_secret_was() {
        assert_eq!(Redactor::default().redact("cannot reach postgres://app:pw@db:5432/x"), "cannot reach postgres://app:[redacted]@db:5432/x");
    }
}
