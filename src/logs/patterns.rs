//! The error patterns: nine built in, each in two readings, and the user's own.
//!
//! `seed` is the substring reading that older reports used; `default` matches at token boundaries, so that `429` inside an id says
//! nothing. Only a status 429 is told by code: its neighbours matter more than a regular expression can say. Patterns look at the message of a record only.
//!
//! A vector search looks for the literals of all built-in patterns together, over a whole block; an expression runs only on messages
//! that hold one of its literals. The user's own expressions run on every message.

use std::collections::BTreeMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Span, packed};
use regex::bytes::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::LogsError;

/// Which reading of the built-in patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum PatternSet {
    /// Token boundaries, and the user's own patterns.
    #[default]
    Default,
    /// Substrings, the nine alone.
    Seed,
}

/// One reading of a pattern. A message that matches holds one of the needles, in any case.
struct Reading {
    regex: &'static str,
    needles: &'static [&'static str],
}

/// A built-in pattern.
struct BuiltIn {
    name: &'static str,
    seed: Reading,
    /// Shorthand: `<` a token begins here, `>` one ends here, `~` anything between two whole tokens.
    default: Reading,
}

const UNAUTHORISED: &str = "<unauthori[sz]ed>|(?-i:[a-z]Unauthori[sz]ed|Unauthori[sz]ed[A-Z])";

const BUILT_IN: [BuiltIn; 9] = [
    BuiltIn {
        name: "connection_timeout",
        seed: Reading { regex: "connection.*timeout|timeout.*connection", needles: &["timeout"] },
        default: Reading {
            regex: "<(?:conn|connect(?:ions?|ing|ed|or)?|socket|handshake)~timed?[ _-]?outs?>\
                |<timed?[ _-]?outs?~(?:conn|connect(?:ions?|ing)?)>\
                |(?-i:(?:Conn(?:ect(?:ion)?)?|Socket|Handshake|(?:^|[^A-Za-z])(?:connect(?:ion)?|socket))Timed?[oO]ut)\
                |<(?:ETIMEDOUT|ESOCKETTIMEDOUT|WSAETIMEDOUT)>",
            needles: &["timeout", "timedout", "timed out", "timed-out", "timed_out", "time out", "time-out", "time_out"],
        },
    },
    BuiltIn {
        name: "database_error",
        seed: Reading { regex: "database.*error|connection.*refused|deadlock", needles: &["database", "refused", "deadlock"] },
        default: Reading {
            regex: "<database~errors?>|<connections?~refused>|<deadlock(?:s|ed)?>|<ECONNREFUSED>\
                |(?-i:Database(?:[A-Z][a-z]+)*(?:Error|Exception)|SQLException|Connection(?:Was)?Refused|Deadlock[A-Z])",
            needles: &["database", "refused", "deadlock", "sqlexception"],
        },
    },
    BuiltIn {
        name: "memory_error",
        seed: Reading { regex: "out of memory|memory.*error|heap.*overflow", needles: &["memory", "heap"] },
        default: Reading {
            regex: "<out[ _-]of[ _-]memory>|<memory~errors?>|<heap~overflow(?:s|ed)?>|<oom(?:[ _-]?kill(?:ed|er|ing)?)?>|<ENOMEM>\
                |<cannot allocate memory>|(?-i:OutOfMemory|MemoryError|HeapOverflow|OOMKill)",
            needles: &["memory", "heap", "oom", "enomem"],
        },
    },
    BuiltIn {
        name: "permission_error",
        seed: Reading { regex: "permission.*denied|access.*denied|unauthorized", needles: &["denied", "unauthorized"] },
        default: Reading {
            regex: "<permissions?~denied>|<access~denied>|<operation not permitted>|<(?:EACCES|EPERM)>\
                |(?-i:PermissionDenied|PermissionError|AccessDenied)|UNAUTHORISED",
            needles: &["denied", "unauthori", "not permitted", "eacces", "eperm", "permissionerror"],
        },
    },
    BuiltIn {
        name: "file_not_found",
        seed: Reading { regex: "file.*not.*found|no such file", needles: &["found", "no such file"] },
        default: Reading {
            regex: "<files?~not~found>|<no such file>|<ENOENT>|(?-i:FileNotFound|NoSuchFile)",
            needles: &["found", "no such file", "nosuchfile", "enoent"],
        },
    },
    BuiltIn {
        name: "network_error",
        seed: Reading { regex: "network.*error|connection.*reset|socket.*error", needles: &["network", "reset", "socket"] },
        default: Reading {
            regex: "<network~errors?>|<connections?~reset>|<socket~errors?>|<network (?:is )?unreachable>|<no route to host>\
                |<(?:ECONNRESET|ENETUNREACH|EHOSTUNREACH|ENETDOWN)>\
                |(?-i:Network(?:Error|Exception)|Socket(?:Error|Exception)|Connection(?:Was)?Reset)",
            needles: &["network", "reset", "socket", "no route to host", "enetunreach", "ehostunreach", "enetdown"],
        },
    },
    BuiltIn {
        name: "rate_limit",
        seed: Reading { regex: "rate.*limit|too many requests|429", needles: &["limit", "too many requests", "429"] },
        default: Reading {
            regex: "<rates?~limit(?:s|ed|ing|er)?>|<rate[ _-]?limit(?:s|ed|ing|er)?>|<too[ _-]many[ _-]requests>\
                |(?-i:RateLimit|(?:^|[^A-Za-z])rateLimit|TooManyRequests)",
            needles: &["limit", "too many requests", "too-many-requests", "too_many_requests", "toomanyrequests", "429"],
        },
    },
    BuiltIn {
        name: "authentication_error",
        seed: Reading { regex: "auth.*fail|invalid.*token|unauthorized", needles: &["auth", "invalid"] },
        default: Reading {
            regex: "<auth(?:entication|enticate|ori[sz]ation|ori[sz]e)?~fail(?:ed|ures?|s|ing)?>\
                |<fail(?:ed|ures?)?~auth(?:entication|enticate|ori[sz]ation)?>|<invalid~tokens?>\
                |(?-i:Auth(?:entication|orization)?(?:Fail|Error|Exception)|InvalidToken)|UNAUTHORISED",
            needles: &["auth", "invalid"],
        },
    },
    BuiltIn {
        name: "validation_error",
        seed: Reading { regex: "validation.*error|invalid.*input|bad.*request", needles: &["validation", "invalid", "bad"] },
        default: Reading {
            regex: "<validation~(?:errors?|fail(?:ed|ures?))>|<invalid~inputs?>|<bad(?:[ _-][a-z0-9]+)?[ _-]requests?>\
                |(?-i:Validation(?:Error|Exception|Fail)|InvalidInput|BadRequest)",
            needles: &["validation", "invalid", "bad"],
        },
    },
];

/// Names of the built-in patterns, in their order.
pub fn built_in_names() -> [&'static str; 9] {
    BUILT_IN.each_ref().map(|pattern| pattern.name)
}

/// Compiled patterns. Counts are kept by index: the nine, then the user's own in the order of their names.
#[derive(Debug)]
pub struct Patterns {
    names: Vec<String>,
    regexes: Vec<Regex>,
    prefilter: AhoCorasick,
    /// For each needle the built-in patterns that it, or one that begins alike, may lead to: one bit each.
    leads: Vec<u16>,
    /// The pattern that an HTTP status 429 belongs to, where it is told from other numbers.
    status: Option<usize>,
    /// The needles again, for whole blocks in small letters; none where the processor has no vector instructions for it.
    blocks: Option<packed::Searcher>,
}

/// More patterns than these have no bit in a [`Patterns::matching`].
const MOST_PATTERNS: usize = 64;

impl Patterns {
    /// Compiles the built-in patterns and, unless `seed` is asked for, the user's own.
    ///
    /// # Errors
    /// [`LogsError::BadPattern`] for a name that is taken or not in snake_case, an expression that does not compile, and one too many.
    pub fn new(set: PatternSet, own: &BTreeMap<String, String>) -> Result<Self, LogsError> {
        let readings = BUILT_IN.each_ref().map(|p| if set == PatternSet::Seed { &p.seed } else { &p.default });
        let mut names: Vec<String> = built_in_names().map(str::to_owned).into();
        let mut regexes = Vec::with_capacity(names.len() + own.len());
        for reading in readings {
            let text = if set == PatternSet::Seed { reading.regex.to_owned() } else { expand(reading.regex) };
            regexes.push(RegexBuilder::new(&text).case_insensitive(true).unicode(false).build().expect("the built-in patterns are valid"));
        }
        if set == PatternSet::Default {
            for (name, text) in own {
                regexes.push(own_regex(name, text)?);
                names.push(name.clone());
            }
        }
        if let Some(name) = names.get(MOST_PATTERNS) {
            let problem = format!("more than {} patterns of one's own; join some with |", MOST_PATTERNS - BUILT_IN.len());
            return Err(LogsError::BadPattern { name: name.clone(), problem });
        }
        let mut needles: BTreeMap<&str, u16> = BTreeMap::new();
        for (bit, reading) in readings.iter().enumerate() {
            for needle in reading.needles {
                *needles.entry(needle).or_default() |= 1 << bit;
            }
        }
        let prefilter =
            AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(needles.keys()).expect("a few literals always build");
        let blocks = packed::Config::new().heuristic_pattern_limits(false).builder().extend(needles.keys()).build();
        // Of needles that begin alike, the search of a block finds one.
        let alike =
            |needle: &str| needles.iter().filter(|(other, _)| needle.starts_with(*other) || other.starts_with(needle)).fold(0, |bits, (_, lead)| bits | lead);
        let leads = needles.keys().map(|needle| alike(needle)).collect();
        let status = if set == PatternSet::Default { names.iter().position(|name| name == "rate_limit") } else { None };
        Ok(Self { names, regexes, prefilter, leads, status, blocks })
    }

    /// Names by index.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The patterns that a message matches which stands in the block at `message`, without line breaks. Messages are asked for in order; the
    /// block is searched once, for all of them.
    #[inline]
    pub(crate) fn matching_in(&self, hits: &mut Hits, block: &[u8], message: Range<usize>) -> u64 {
        match hits.at.get(hits.next) {
            // Most messages hold no needle.
            Some((at, _)) if *at as usize >= message.end => 0,
            _ => self.matching_hits(hits, block, message),
        }
    }

    fn matching_hits(&self, hits: &mut Hits, block: &[u8], message: Range<usize>) -> u64 {
        if self.blocks.is_none() || self.regexes.len() > BUILT_IN.len() {
            return self.matching(&block[message]);
        }
        if hits.fresh {
            hits.fresh = false;
            self.search(hits, block);
        }
        let mut candidates = 0;
        while let Some((at, leads)) = hits.at.get(hits.next)
            && (*at as usize) < message.end
        {
            if *at as usize >= message.start {
                candidates |= leads;
            }
            hits.next += 1;
        }
        if candidates == 0 { 0 } else { self.confirm(&block[message], candidates) }
    }

    /// Where needles begin, and the patterns that they lead to. One that reaches over the end of a message does no harm.
    fn search(&self, hits: &mut Hits, block: &[u8]) {
        let Some(blocks) = &self.blocks else { return };
        hits.lower.clear();
        hits.lower.extend_from_slice(block);
        hits.lower.make_ascii_lowercase();
        let mut from = 0;
        while let Some(found) = blocks.find_in(&hits.lower, Span { start: from, end: hits.lower.len() }) {
            hits.at.push((u32::try_from(found.start()).unwrap_or(u32::MAX), self.leads[found.pattern().as_usize()]));
            // Needles overlap: `unauthorized` and `auth`.
            from = found.start() + 1;
        }
    }

    /// Those of the candidates that a line of a message matches.
    fn confirm(&self, line: &[u8], mut candidates: u16) -> u64 {
        let mut matched = 0;
        while candidates != 0 {
            let index = candidates.trailing_zeros() as usize;
            candidates &= candidates - 1;
            if self.regexes[index].is_match(line) || self.status == Some(index) && holds_status_429(line) {
                matched |= 1 << index;
            }
        }
        matched
    }

    /// The patterns that a line of a message matches: bit by index.
    pub(crate) fn matching(&self, line: &[u8]) -> u64 {
        let mut matched = 0;
        if self.prefilter.is_match(line) {
            let candidates = self.prefilter.find_overlapping_iter(line).fold(0, |bits: u16, found| bits | self.leads[found.pattern().as_usize()]);
            matched |= self.confirm(line, candidates);
        }
        for (index, regex) in self.regexes.iter().enumerate().skip(BUILT_IN.len()) {
            matched |= u64::from(regex.is_match(line)) << index;
        }
        matched
    }
}

/// Where in a block needles are. Keeps its memory from block to block.
#[derive(Default)]
pub(crate) struct Hits {
    lower: Vec<u8>,
    at: Vec<(u32, u16)>,
    next: usize,
    /// The block was not searched yet.
    fresh: bool,
}

impl Hits {
    /// Another block comes.
    pub(crate) fn begin(&mut self) {
        self.at.clear();
        (self.next, self.fresh) = (0, true);
    }
}

/// What makes a number a quantity, in front of which no status stands.
const UNITS: &str = "ms us ns s sec secs second seconds min mins minutes h hours days b byte bytes kb mb gb kib mib gib rows lines items records files times percent entries messages events keys";

/// Whether 429 stands in the message as a token of its own: not in a longer number, a word, an id, an address, a path or a tuple of
/// numbers, and not as a quantity (`429 ms`).
fn holds_status_429(message: &[u8]) -> bool {
    memchr::memmem::find_iter(message, b"429").any(|at| {
        let before = match &message[..at] {
            [] => true,
            [.., a, b','] => !a.is_ascii_digit(),
            [.., a, b':'] => a.is_ascii_alphabetic() || matches!(a, b'"' | b'\''),
            [.., b] => b.is_ascii_whitespace() || b"\"'([=|m".contains(b) && (*b != b'm' || ends_colour(&message[..at])),
        };
        let rest = &message[at + 3..];
        let after = match rest {
            [] => true,
            [b',' | b'.', next, ..] => !next.is_ascii_digit(),
            [first, ..] => first.is_ascii_whitespace() || b"\"')]}|;:,.\x1b".contains(first),
        };
        before && after && !is_unit(rest)
    })
}

/// Whether the text ends in an escape sequence for colour, `ESC [ ... m`.
fn ends_colour(text: &[u8]) -> bool {
    let parameters = text[..text.len() - 1].iter().rev().take_while(|b| b.is_ascii_digit() || **b == b';').count();
    text[..text.len() - 1 - parameters].ends_with(b"\x1b[")
}

/// Whether a blank and a unit follow.
fn is_unit(rest: &[u8]) -> bool {
    let Some(rest) = rest.strip_prefix(b" ") else { return false };
    let word = &rest[..rest.iter().take_while(|b| b.is_ascii_alphanumeric()).count()];
    UNITS.split(' ').any(|unit| unit.as_bytes().eq_ignore_ascii_case(word))
}

/// Writes out the shorthand of the default readings.
fn expand(shorthand: &str) -> String {
    let text = shorthand.replace("UNAUTHORISED", UNAUTHORISED);
    text.chars().fold(String::with_capacity(text.len() * 3), |mut out, c| {
        match c {
            // A colour sequence ends in a letter, and what it colours is a token all the same.
            '<' => out.push_str(r"(?:^|[^a-z0-9]|\x1b\[[0-9;]*m)"),
            '>' => out.push_str("(?:$|[^a-z0-9])"),
            '~' => out.push_str("[^a-z0-9](?:.*[^a-z0-9])?"),
            c => out.push(c),
        }
        out
    })
}

fn own_regex(name: &str, text: &str) -> Result<Regex, LogsError> {
    let wrong = |problem: String| LogsError::BadPattern { name: name.to_owned(), problem };
    if BUILT_IN.iter().any(|p| p.name == name) {
        return Err(wrong("this name belongs to a built-in pattern; choose another".to_owned()));
    }
    let proper = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !proper {
        return Err(wrong("a pattern's name is 1 to 64 small letters, digits and underscores".to_owned()));
    }
    let regex = RegexBuilder::new(text).size_limit(1 << 20).build().map_err(|e| wrong(format!("not a regular expression: {e}")))?;
    if regex.is_match(b"") {
        return Err(wrong("the expression matches the empty text, and so every line; make part of it obligatory".to_owned()));
    }
    Ok(regex)
}

#[cfg(test)]
mod tests;
