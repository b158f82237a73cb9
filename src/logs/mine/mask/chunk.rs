//! Chunks with a digit, a slash, a dot or an `@`: numbers, ids, addresses, paths, host names, or words after all.

use super::{AT, DIGIT, DOT, HASH, LETTER, SLASH, class, wildcard};

/// Ends of two letters that name a kind of file, or are words, rather than a country.
const FILE_ENDS: [&[u8]; 30] = [
    b"cc", b"cs", b"db", b"go", b"gz", b"hs", b"id", b"if", b"in", b"is", b"js", b"ko", b"kt", b"md", b"my", b"no", b"of", b"ok", b"on", b"pl", b"ps", b"py",
    b"rb", b"rc", b"rs", b"sh", b"so", b"to", b"ts", b"vb",
];

/// So many hexadecimal digits after an `@` are the identity of an object, even if all are letters.
const LEAST_HASH: usize = 6;

const DOMAINS: [&[u8]; 10] = [b"com", b"net", b"org", b"edu", b"gov", b"mil", b"int", b"internal", b"local", b"localdomain"];

/// What reaches over colons: a URL, a path of a drive, or groups of hexadecimal digits as in a MAC or IPv6 address or a time of day.
/// `end` is the first colon. Returns where it ends.
pub(super) fn with_colons(text: &[u8], start: usize, end: usize) -> Option<usize> {
    let scheme = &text[start..end];
    let rest = &text[end + 1..];
    if rest.starts_with(b"//") && scheme[0].is_ascii_alphabetic() {
        return Some(url_end(text, end));
    }
    if scheme.len() == 1 && scheme[0].is_ascii_alphabetic() && matches!(rest.first(), Some(b'\\' | b'/')) {
        return Some(path_end(text, end + 1));
    }
    if scheme.len() <= 4 && scheme.iter().all(u8::is_ascii_hexdigit) { hex_groups_end(text, start) } else { None }
}

/// The end of a URL, without the punctuation of the sentence around it.
fn url_end(text: &[u8], from: usize) -> usize {
    let stop = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'|' | b'`');
    let mut end = from + text[from..].iter().position(stop).unwrap_or(text.len() - from);
    while matches!(text[end - 1], b'.' | b',' | b';' | b':' | b')' | b']' | b'}' | b'!') {
        end -= 1;
    }
    end.max(from + 3)
}

fn path_end(text: &[u8], from: usize) -> usize {
    from + text[from..].iter().position(|byte| class(*byte) & (super::SPACE | super::DELIMITER) != 0).unwrap_or(text.len() - from)
}

/// The end of at least three groups of one to four hexadecimal digits with a digit among them.
fn hex_groups_end(text: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut groups, mut digit) = (start, 0, false);
    loop {
        let length = text[at..].iter().take(5).take_while(|byte| byte.is_ascii_hexdigit()).count();
        if length > 4 {
            return None;
        }
        digit |= text[at..at + length].iter().any(u8::is_ascii_digit);
        groups += 1;
        at += length;
        match text[at..] {
            [b':', b':', after, ..] if after.is_ascii_hexdigit() => at += 2,
            [b':', after, ..] if after.is_ascii_hexdigit() => at += 1,
            _ => break,
        }
    }
    (groups >= 3 && digit && !text.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')).then_some(at)
}

/// Whether a colon and a number follow.
pub(super) fn has_port(text: &[u8], end: usize) -> bool {
    matches!(text[end..], [b':', digit, ..] if digit.is_ascii_digit())
}

/// Masks the chunk `start..end` and returns where what it stands for ends.
pub(super) fn mask(text: &[u8], start: usize, end: usize, seen: u8, out: &mut Vec<u8>) -> usize {
    let chunk = &text[start..end];
    if seen & SLASH != 0 {
        return path(text, start, end, seen, out);
    }
    if is_name(chunk, &text[end..]) || out.ends_with(b"::") && is_identifying(chunk) {
        out.extend_from_slice(chunk);
        return end;
    }
    if seen & (DIGIT | DOT) == DIGIT | DOT
        && let Some(dots) = dots(chunk)
    {
        // A row of dots leads from a name to its value.
        let past = dots + chunk[dots..].iter().take_while(|byte| **byte == b'.').count();
        piece(&chunk[..dots], seen, false, out);
        out.extend_from_slice(&chunk[dots..past]);
        piece(&chunk[past..], seen, has_port(text, end), out);
        return end;
    }
    piece(chunk, seen, has_port(text, end), out);
    end
}

/// Whether a chunk names what follows: the key of a value, a module before `::`, or a function before its arguments. Ids name nothing.
fn is_name(chunk: &[u8], after: &[u8]) -> bool {
    let begins = chunk[0].is_ascii_alphabetic() || chunk[0] == b'_';
    match after {
        [b'=', after @ ..] => begins && !matches!(after.first(), None | Some(b'=')),
        [b':', b':', ..] | [b'(', ..] => is_identifying(chunk),
        _ => false,
    }
}

/// Whether a chunk can be the name of a module or function.
fn is_identifying(chunk: &[u8]) -> bool {
    let begins = chunk[0].is_ascii_alphabetic() || chunk[0] == b'_';
    begins && chunk.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') && !has_number(chunk)
}

/// Whether one of the runs of letters and digits has no letters.
fn has_number(chunk: &[u8]) -> bool {
    chunk.split(|byte| !byte.is_ascii_alphanumeric()).any(|run| !run.is_empty() && run.iter().all(u8::is_ascii_digit))
}

/// Where the first two dots in a row are.
fn dots(chunk: &[u8]) -> Option<usize> {
    chunk.windows(2).position(|pair| pair == b"..")
}

/// A chunk with slashes. A path is one that starts like one, has several slashes, a dot or a digit; `read/write` is none.
fn path(text: &[u8], start: usize, end: usize, seen: u8, out: &mut Vec<u8>) -> usize {
    let chunk = &text[start..end];
    let body = trimmed(chunk);
    let is_root = chunk == b"/" && follows_method(out);
    let closes_tag = chunk[0] == b'/' && out.last() == Some(&b'<');
    let rooted = matches!(chunk, [b'/' | b'\\', ..] | [b'.' | b'~', b'/' | b'\\', ..] | [b'.', b'.', b'/' | b'\\', ..]);
    let slashes = chunk.iter().filter(|byte| matches!(byte, b'/' | b'\\')).count();
    let missing = matches!(chunk, b"n/a" | b"N/A");
    let dotted = chunk[..chunk.len() - 1].contains(&b'.');
    let named = body.iter().any(|byte| class(*byte) & (DIGIT | LETTER) != 0);
    if !is_root && (closes_tag || !named || !(rooted || slashes > 1 || seen & DIGIT != 0 || dotted || missing)) {
        out.extend_from_slice(chunk);
        return end;
    }
    wildcard(out);
    if chunk.contains(&b'?') && text.get(end) == Some(&b'=') {
        return url_end(text, end);
    }
    out.extend_from_slice(&chunk[body.len()..]);
    end
}

/// Whether a word of capitals comes before, as in `GET /`.
fn follows_method(out: &[u8]) -> bool {
    out.strip_suffix(b" ").is_some_and(|before| before.iter().rev().take(3).filter(|byte| byte.is_ascii_uppercase()).count() == 3)
}

/// Without an exclamation or question mark at the end; a dot there is taken for a part of the path.
fn trimmed(path: &[u8]) -> &[u8] {
    match path {
        [before @ .., b'!' | b'?'] => trimmed(before),
        _ => path,
    }
}

/// A piece without slashes and rows of dots: punctuation before and after it stays, a sign goes with its number.
fn piece(piece: &[u8], seen: u8, port: bool, out: &mut Vec<u8>) {
    let is_core = |byte: &u8| class(*byte) & (DIGIT | LETTER) != 0;
    let Some(first) = piece.iter().position(is_core) else {
        out.extend_from_slice(piece);
        return;
    };
    let last = piece.iter().rposition(is_core).unwrap_or(first);
    let core = &piece[first..=last];
    let mut before = &piece[..first];
    let split = core_split(core, seen, port);
    if split == Some(0)
        && let [rest @ .., b'-' | b'+'] = before
    {
        before = rest;
    }
    out.extend_from_slice(before);
    match split {
        Some(constant) => {
            out.extend_from_slice(&core[..constant]);
            wildcard(out);
        }
        None => out.extend_from_slice(core),
    }
    out.extend_from_slice(&piece[last + 1..]);
}

/// How many bytes at the beginning are constant before the variable part, or that there is none. `seen` has at least the classes of `core`.
fn core_split(core: &[u8], seen: u8, port: bool) -> Option<usize> {
    if seen & AT != 0
        && let Some(at) = memchr::memchr(b'@', core)
    {
        let after = &core[at + 1..];
        let is_hash = after.iter().all(u8::is_ascii_hexdigit) || !after.iter().any(|byte| class(*byte) & LETTER != 0);
        return if is_hash && (has_digit(after) || after.len() >= LEAST_HASH) {
            Some(at + 1)
        } else {
            (has_digit(after) || after.contains(&b'.')).then_some(0)
        };
    }
    if seen & HASH != 0
        && let Some(at) = memchr::memrchr(b'#', core)
        && !has_digit(&core[..at])
    {
        return core_split(&core[at + 1..], seen, port).map(|split| at + 1 + split);
    }
    let (mut variable, mut weak, mut led_by_words, mut tail) = (false, false, true, None);
    let mut from = 0;
    for run in core.split(|byte| !byte.is_ascii_alphanumeric() && *byte < 0x80) {
        match run_kind(run) {
            Run::Word => led_by_words &= tail.is_none(),
            Run::Number => {
                variable = true;
                tail = tail.or(Some(from));
            }
            Run::Weak => (weak, led_by_words) = (true, false),
            Run::Id => (variable, led_by_words) = (true, false),
        }
        from += run.len() + 1;
    }
    if !variable {
        return (seen & DOT != 0 && is_host_name(core) || weak && port).then_some(0);
    }
    match tail {
        Some(at) if led_by_words && at > 0 && is_prefix(&core[..at]) => Some(at),
        _ => Some(0),
    }
}

/// Whether what is before a number names its kind: `word-` or `dotted.words.`, but not `host-name-` or `id_`.
fn is_prefix(before: &[u8]) -> bool {
    let Some((last, words)) = before.split_last() else { return false };
    match last {
        b'-' => words.iter().all(|byte| class(*byte) & LETTER != 0),
        b'.' => words.iter().all(|byte| class(*byte) & (LETTER | DOT) != 0),
        _ => false,
    }
}

fn has_digit(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_digit)
}

/// What a run of letters and digits is.
enum Run {
    Word,
    Number,
    /// Letters and one digit after the first of them, as in names of protocols and devices, or an identifier of a program with digits in it:
    /// stays, and the clusters decide.
    Weak,
    Id,
}

fn run_kind(run: &[u8]) -> Run {
    let digits = run.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        Run::Word
    } else if digits == run.len() {
        Run::Number
    } else if digits == 1 && !run[0].is_ascii_digit() || is_identifier(run, digits) {
        Run::Weak
    } else {
        Run::Id
    }
}

/// Whether a run is a name in camel case with a few digits inside: `readUtf16Text`. In random text the case changes more often.
fn is_identifier(run: &[u8], digits: usize) -> bool {
    let ends = run[0].is_ascii_alphabetic() && run[run.len() - 1].is_ascii_alphabetic();
    let humps = run.windows(2).filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()).count();
    ends && run.len() >= 8 && run.len() >= 4 * digits && humps >= 1 && 6 * humps <= run.len()
}

/// A name of a host with its domain. Names of packages, which run the other way, and of files are none.
fn is_host_name(core: &[u8]) -> bool {
    let Some(dot) = memchr::memrchr(b'.', core) else { return false };
    let (labels, last) = (&core[..dot], &core[dot + 1..]);
    let two_labels = memchr::memchr(b'.', labels).is_some();
    let is_domain = DOMAINS.contains(&last) || two_labels && last.len() == 2 && last.iter().all(u8::is_ascii_lowercase) && !FILE_ENDS.contains(&last);
    let first = labels.split(|byte| *byte == b'.').next().unwrap_or_default();
    is_domain && !DOMAINS.contains(&first) && core.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}
