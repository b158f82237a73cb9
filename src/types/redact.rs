//! Takes secrets out of texts before they are shown, logged or cut.
//!
//! Knows token shapes, DSNs, headers, `key=value` pairs, private keys, what looks drawn at random, and the exact secrets of the configuration in
//! plain, base64, hexadecimal and URL-encoded form, over line breaks too. Cannot know a short secret without shape, name or configuration.

use std::{borrow::Cow, collections::BTreeSet, ops::Range, sync::LazyLock};

use aho_corasick::{AhoCorasick, packed};
use base64::{
    Engine as _,
    engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::{Captures, Regex};

use super::{entropy, secret::Secret};

/// What stands where a secret stood.
pub const MASK: &str = "[redacted]";

/// Secrets shorter than this are not matched exactly: a configured password `on` would eat ordinary words.
const LEAST_EXACT_BYTES: usize = 6;

/// Percent-encoding as most encoders do it: the unreserved characters of RFC 3986 stay.
const UNRESERVED_KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Names before a value that is a secret.
const KEYS: &str = r"(?:pgpassword|redis_?password|[a-z_-]*passw(?:or)?d|passphrase|pass|pwd|pw|[a-z_-]*secret(?:[_-]?key)?|(?:access|auth|refresh|id|api|session|csrf)[_-]?token|token|(?:api|access|private|secret|account|signing|encryption)[_-]?key|credentials?|session[_-]?id|sig)";

/// One of these is in each of [`KEYS`] with what comes behind it. Two or three letters alone would be found everywhere.
const KEY_SIGNS: &[&str] = &[
    "pass",
    "secret",
    "token",
    "credential",
    "session",
    "sig ",
    "sig:",
    "sig=",
    "sig\"",
    "sig%",
    "pw ",
    "pw:",
    "pw=",
    "pw\"",
    "pw%",
    "pwd",
    "key ",
    "key:",
    "key=",
    "key\"",
    "key%",
];

/// A value in quotes, without the closing one, which may be missing: to the end of the line then. In front the form that quotes have inside of
/// a JSON string, where a backslash ends the value unless there are two.
/// What begins like the text between two strings (`"password:", "x"`) is none.
const QUOTED: &str = r#"\\+"(?:[^"\\\r\n]|\\{2}\\?[^\r\n])+|\\+'(?:[^'\\\r\n]|\\{2}\\?[^\r\n])+|"(?:[^"\\\s,;)}\]]|\\[^\r\n]|[,;)}\]][[:alnum:]])(?:[^"\\\r\n]|\\[^\r\n])*|'(?:[^'\\\s,;)}\]]|\\[^\r\n]|''|[,;)}\]][[:alnum:]])(?:[^'\\\r\n]|\\[^\r\n]|'')*"#;

/// What may stand in a command line between a program and its option. Bounded: a line full of program names would cost quadratic time.
const WITHIN: &str = "[ -:<-{}~]{0,200}?";

/// A rule: what is always in what it matches, as [`folded`] writes it, so that most texts need no closer look; and an expression. Of a match, the first group
/// stays in front of the mask, the second behind it.
type Shape = (&'static [&'static str], &'static str);

/// One rule a line.
const RULES: &[Shape] = &[
    (&["gin "], r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)"),
    // What everybody speaks of and is no key: all of the match stays.
    (&["passwd", "chpasswd", "password"], r"(/etc/passwd\b|\bchpasswd\b|\bpasswd:chauthtok\b|\busing password: (?:YES|NO)\b)"),
    (&["://"], r"(\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/@:'\x22]*:)[^\s'\x22]+(@)"),
    (&["://"], r"(\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://)[^\s/@:'\x22]{16,}(@)"),
    // Addresses of databases as Go's driver, Oracle's and a .netrc file write them, and Redis's own settings.
    (&["@tcp(", "@unix("], r"(\b[a-zA-Z0-9_.-]{1,64}:)[!#-&(-.0-?A-~]{1,128}(@(?:tcp|unix)\()"),
    (&["jdbc:oracle:"], r"(\bjdbc:oracle:[a-z]+:[!-.0-9;-?A-~]{1,64}/)[!-?A-~]{1,128}(@)"),
    (&["gin "], r"(\blogin\s+[!-~]{1,100}\s+password\s+)\S+"),
    (&["requirepass", "masterauth"], r#"((?i:\b(?:requirepass|masterauth)["'\\]*[\s:=,]+["'\\]*))[^\s"'\\]{3,}"#),
    (&["cookie"], r"((?i:\b(?:set-)?cookie\x22?\s*[:=]\s*))[^\r\n]+"),
    (&["digest"], r"((?i:\b(?:authorization[\x22\\]*\s*[:=]\s*[\x22\\]*)?digest\s[ -~]{0,400}?\bresponse=))(?:<quoted>|[^\s\x22',]+)"),
    // A long value may be folded over lines.
    (&["authorization"], r"((?i:\bauthorization[\x22\\]*\s*[:=]\s*[\x22\\]*))[^\r\n\x22,]+(?:\r?\n[ \t]+[A-Za-z0-9+/=_-]{20,})*"),
    (&["bearer", "basic"], r"((?i:\b(?:bearer|basic):?\s+))[A-Za-z0-9._~+/=-]{8,}"),
    (&["auth"], r"(\bAUTH\s+)(?:\S+\s+)?\S{6,}"),
    (KEY_SIGNS, r#"((?i:(?:\b|_)<keys>["'\\]*(?:\s+is)?\s*[:=]\s*))(?:<quoted>|["'\\]*[^\s"',;&)}\]]{3,})"#),
    // In prose an unquoted secret is told from `password is wrong` by a digit or sign.
    (KEY_SIGNS, r#"((?i:(?:\b|_)<keys>\s+is\s+))(?:<quoted>|<sign><any>{2,}|<any><sign><any>+|<any>{2,}<sign><any>*)"#),
    (
        KEY_SIGNS,
        r#"((?i:(?:\b|_|%(?:25)?[0-9a-f]{2})<keys>(?:%(?:25)?2[27])*%(?:25)?3[ad](?:%(?:25)?2[27])*))(?i:[^\s"',;&)}\]%]|%(?:[013-9a-f][0-9a-f]|2[013-57-9a-f]))+"#,
    ),
    (
        &["password", "passwd", "passphrase", "token", "secret", "key ", "key=", "key,", "key\""],
        r#"((?i:(?:^|[\s"'=])--?(?:[a-z-]*passw(?:or)?d|passphrase|[a-z-]*token|[a-z-]*secret|[a-z-]*api-?key)["']?(?:\s*[,=]\s*|\s+)))(?:<quoted>|["']?[^\s"',\]]{3,})"#,
    ),
    (
        &["identified", "password"],
        r"((?i:\b(?:identified\s+(?:with\s+\S+\s+)?(?:by|as)|(?:with|encrypted|user\s+\S+|role\s+\S+)\s+password)\s+(?:password\s+)?|\bpassword\s*\(\s*))(?:<quoted>)",
    ),
    (&["password", "passwd", "secret", "token"], r"((?i:<[\w.:-]*(?:password|passwd|secret|token)(?:\s[^<>]*[^<>/])?>(?:<!\[CDATA\[)?))[^<]+(<\\?/)"),
    (
        &["curl"],
        r#"(\bcurl["']?[\s,](?:<within>[\s"',])?(?:-u|-U|--user|--proxy-user)["']?[\s,=]*\\*)(?:"[^":\r\n]+:[^"\r\n]+|'[^':\r\n]+:[^'\r\n]+|[^\s:"']+:[^\s"']+)"#,
    ),
    (
        &["mysql", "mariadb"],
        r#"(\b(?:mysql(?:dump|admin|check|import|show|slap|binlog|pump|sh)?|mariadb(?:-[a-z]+)?)["']?[\s,](?:<within>[\s"',])?-p)(?:<quoted>|[^\s"']+)"#,
    ),
    (&["sshpass"], r#"(\bsshpass["']?[\s,]+(?:-[a-z]+\s+)??["']?-p["']?[\s,]*)(?:<quoted>|[^\s"']+)"#),
    (&["hooks.slack.com"], r"\bhttps://hooks\.slack\.com/services/\S+"),
    (
        &[
            "opsmedic_",
            "xapp-",
            "ghp_",
            "gho_",
            "ghu_",
            "ghs_",
            "ghr_",
            "github_pat_",
            "glpat-",
            "xox",
            "akia",
            "asia",
            "aiza",
            "sk-",
            "k_live_",
            "k_test_",
            "npm_",
            "pypi-",
            "hvs.",
            "dop_v1_",
            "sg.",
        ],
        r"\b(?:opsmedic_[A-Za-z0-9_-]{20,}|xapp-[A-Za-z0-9-]{10,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,}|sk-[A-Za-z0-9_-]{20,}|[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|hvs\.[A-Za-z0-9_-]{20,}|dop_v1_[a-f0-9]{40,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})",
    ),
    (&["eyj"], r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
];

/// All rules in one expression.
static SHAPES: LazyLock<Regex> = LazyLock::new(|| {
    let rules: Vec<&str> = RULES.iter().map(|(_, rule)| *rule).collect();
    Regex::new(&expanded(&rules.join("|"))).expect("the redaction rules are valid")
});

fn expanded(rules: &str) -> String {
    let rules = rules.replace("<keys>", KEYS).replace("<quoted>", QUOTED).replace("<within>", WITHIN);
    let rules = rules.replace("<any>", r#"[^\s"',;&)}\]]"#).replace("<sign>", "[0-9!@#$%^*+=~]");
    // With Unicode boundaries a text that is not ASCII takes the slowest way through the expression.
    rules.replace(r"\b", r"(?-u:\b)")
}

/// Finds the signs of all rules many bytes at a time, which the expression cannot; none on processors that cannot either.
static SIGNS: LazyLock<Option<packed::Searcher>> = LazyLock::new(|| {
    let all: BTreeSet<&str> = RULES.iter().flat_map(|(signs, _)| *signs).copied().collect();
    // Whatever has `password` has `pass`.
    packed::Searcher::new(all.iter().filter(|sign| !all.iter().any(|other| sign.contains(other) && other != *sign)))
});

/// Whether a secret has a shape that a rule knows.
fn has_shape(text: &str) -> bool {
    // What is no ASCII may be a letter in disguise to the expression.
    let no_sign = |signs: &packed::Searcher| text.is_ascii() && signs.find(folded(text)).is_none();
    !SIGNS.as_ref().is_some_and(no_sign) && SHAPES.is_match(text)
}

/// As signs are written: small letters, a blank for white space, and one quotation mark for both and for a backslash.
fn folded(text: &str) -> Vec<u8> {
    let fold = |byte: u8| match byte {
        b'\t'..=b'\r' => b' ',
        b'\'' | b'\\' => b'"',
        other => other.to_ascii_lowercase(),
    };
    text.bytes().map(fold).collect()
}

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

    /// Whether there is nothing to take out. What holds for texts joined by newlines holds for each of them.
    pub fn is_clean(&self, text: &str) -> bool {
        let exact = self.exact.as_ref().is_some_and(|exact| exact.is_match(text) || Unbroken::of(text).is_some_and(|whole| exact.is_match(&whole.text)));
        !exact && !has_shape(text) && entropy::find(text).next().is_none()
    }

    /// The text without its secrets.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let exact = self.exact.as_ref().map(|exact| exact_places(exact, text)).unwrap_or_default();
        let text = masked(Cow::Borrowed(text), exact.into_iter());
        let text = if has_shape(&text) { Cow::Owned(SHAPES.replace_all(&text, mask).into_owned()) } else { text };
        let random: Vec<_> = entropy::find(&text).collect();
        masked(text, random.into_iter())
    }
}

/// Where configured secrets are, from front to back; also those that lines were broken in.
fn exact_places(exact: &AhoCorasick, text: &str) -> Vec<Range<usize>> {
    let mut places: Vec<Range<usize>> = exact.find_iter(text).map(|found| found.range()).collect();
    if let Some(whole) = Unbroken::of(text) {
        places.extend(exact.find_iter(&whole.text).map(|found| whole.place(&found.range())));
        places.sort_by_key(|place| (place.start, std::cmp::Reverse(place.end)));
    }
    places
}

/// With the mask in these places, which may overlap and come from front to back.
fn masked(text: Cow<'_, str>, places: impl Iterator<Item = Range<usize>>) -> Cow<'_, str> {
    let mut places = places.peekable();
    if places.peek().is_none() {
        return text;
    }
    let (mut out, mut end) = (String::with_capacity(text.len()), 0);
    for place in places {
        if place.start >= end {
            out.push_str(&text[end..place.start]);
            out.push_str(MASK);
        }
        end = end.max(place.end);
    }
    out.push_str(&text[end..]);
    Cow::Owned(out)
}

/// A text without its line breaks, real ones or written as `\n`, and without the indentation behind them.
struct Unbroken {
    text: String,
    /// From which byte of it on how many bytes of the original were left out.
    left_out: Vec<(usize, usize)>,
}

impl Unbroken {
    /// None of a text that is one line.
    fn of(text: &str) -> Option<Self> {
        let (mut whole, mut begin) = (Self { text: String::new(), left_out: Vec::new() }, 0);
        let bytes = text.as_bytes();
        let marks = bytes.iter().enumerate().filter(|(_, byte)| matches!(byte, b'\n' | b'\\'));
        for at in marks.map(|(at, _)| at) {
            if at < begin {
                continue;
            }
            let length = break_length(&bytes[at..]);
            if length > 0 {
                let front = text[begin..at].trim_end_matches('\r');
                whole.text.push_str(front);
                begin = at + length;
                whole.left_out.push((whole.text.len(), begin - whole.text.len()));
            }
        }
        if whole.left_out.is_empty() {
            return None;
        }
        whole.text.push_str(&text[begin..]);
        Some(whole)
    }

    /// Where a part of it is in the original.
    fn place(&self, part: &Range<usize>) -> Range<usize> {
        let original = |at: usize| {
            let before = self.left_out.partition_point(|(from, _)| *from <= at);
            at + before.checked_sub(1).map_or(0, |last| self.left_out[last].1)
        };
        original(part.start)..original(part.end - 1) + 1
    }
}

/// How many bytes a line break at the beginning of this has with the indentation behind it; 0 if there is none.
fn break_length(bytes: &[u8]) -> usize {
    let sign = match bytes {
        [b'\n', ..] => 1,
        [b'\\', b'r', b'\\', b'n', ..] => 4,
        [b'\\', b'n', ..] => 2,
        _ => return 0,
    };
    sign + bytes[sign..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count()
}

fn mask(found: &Captures<'_>) -> String {
    let whole = found.get(0).map_or("", |m| m.as_str());
    let mut groups = found.iter().skip(1).flatten().map(|m| m.as_str());
    let (keep, behind) = (groups.next().unwrap_or(""), groups.next().unwrap_or(""));
    let rest = &whole[keep.len()..];
    let value = rest.trim_start_matches(['"', '\'', '\\']);
    // What was redacted before stays as it is, and so do JSON's words, and published ports behind a container that is called mysql.
    let nothing = matches!(value, "null" | "true" | "false");
    if rest.is_empty() || nothing || value.starts_with(&MASK[..MASK.len() - 1]) || (keep.ends_with("-p") && is_port_pair(value)) {
        return whole.to_owned();
    }
    format!("{keep}{}{MASK}{behind}", &rest[..rest.len() - value.len()])
}

fn is_port_pair(text: &str) -> bool {
    let port = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.split_once(':').is_some_and(|(host, container)| port(host) && port(container))
}

/// The forms in which a secret turns up in texts.
fn spellings(secret: &str) -> Vec<String> {
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let partly = utf8_percent_encode(secret, UNRESERVED_KEPT).to_string();
    let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
    let json = serde_json::Value::from(secret).to_string();
    let json = json.trim_matches('"').to_owned();
    let mut forms = vec![percent.to_lowercase(), percent, partly.to_lowercase(), partly, hex.to_uppercase(), hex, json, secret.to_owned()];
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        forms.push(engine.encode(secret));
        forms.extend((0..3).map(|before| within(&engine, secret, before)).filter(|form| form.len() > LEAST_EXACT_BYTES));
    }
    forms
}

/// What base64 makes of a secret in the middle of a text: the characters that do not depend on what stands around it.
fn within(engine: &GeneralPurpose, secret: &str, before: usize) -> String {
    let encoded = engine.encode([&[0; 2][..before], secret.as_bytes()].concat());
    encoded[(before * 8).div_ceil(6)..(before + secret.len()) * 8 / 6].to_owned()
}

#[cfg(test)]
mod tests;
