//! How grave a record says it is, in one scale for all formats.
//!
//! Does not guess: a word that is not on the list is no level, and a number is one only in the scheme that its format writes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The level of a record. Ordered: the later, the graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Level {
    /// Finer than debug.
    Trace,
    /// For developers.
    Debug,
    /// Ordinary.
    Info,
    /// Ordinary and worth noting.
    Notice,
    /// Something to look at.
    Warning,
    /// Something failed.
    Error,
    /// The program cannot go on, or says that it matters most.
    Critical,
}

/// Number of levels, and the index under which records without one are counted.
pub(crate) const NO_LEVEL: usize = 7;

/// A word of at most eight letters as one number, without regard to case.
const fn key(word: &[u8]) -> u64 {
    let (mut key, mut at) = (0, 0);
    while at < word.len() {
        key = key << 8 | (word[at] | 0x20) as u64;
        at += 1;
    }
    key
}

/// The value beside the list of words in which a key is.
macro_rules! look_up {
    ($key:expr, $($($word:literal)|+ => $value:expr),+ $(,)?) => {
        $(if $($key == const { key($word) })||+ { Some($value) } else)+ { None }
    };
}

impl Level {
    /// 0 for trace to 6 for critical.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Error or critical.
    pub(crate) fn is_error(self) -> bool {
        self >= Self::Error
    }

    /// The level of a whole word in any case, such as `WARN`, `err` or `fatal`.
    pub fn of_word(word: &[u8]) -> Option<Self> {
        match word.len() {
            3..=8 => look_up!(key(word),
                b"info" | b"inf" | b"success" => Self::Info,
                b"error" | b"err" | b"severe" | b"eror" => Self::Error,
                b"warn" | b"warning" | b"wrn" => Self::Warning,
                b"debug" | b"dbg" | b"fine" | b"dbug" => Self::Debug,
                b"critical" | b"crit" | b"fatal" | b"ftl" | b"panic" | b"dpanic" | b"alert" | b"emerg" => Self::Critical,
                b"trace" | b"trc" | b"finer" | b"finest" | b"verbose" => Self::Trace,
                b"notice" | b"note" => Self::Notice,
            ),
            9 => word.eq_ignore_ascii_case(b"emergency").then_some(Self::Critical),
            11 => word.eq_ignore_ascii_case(b"information").then_some(Self::Info),
            13 => word.eq_ignore_ascii_case(b"informational").then_some(Self::Info),
            _ => None,
        }
    }

    /// The level of a capital letter, as klog and logcat write it.
    pub fn of_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'I' => Self::Info,
            b'W' => Self::Warning,
            b'E' => Self::Error,
            b'F' | b'A' | b'C' => Self::Critical,
            b'D' => Self::Debug,
            b'V' | b'T' => Self::Trace,
            b'N' => Self::Notice,
            _ => return None,
        })
    }

    /// The level of a bunyan or pino number (10 is trace, 60 critical) or a Monolog number (100 is debug, 600 an emergency).
    pub fn of_number(number: &[u8]) -> Option<Self> {
        Some(match number {
            b"10" => Self::Trace,
            b"20" | b"100" => Self::Debug,
            b"30" | b"200" => Self::Info,
            b"250" => Self::Notice,
            b"40" | b"300" => Self::Warning,
            b"50" | b"400" => Self::Error,
            b"60" | b"500" | b"550" | b"600" => Self::Critical,
            _ => return None,
        })
    }

    /// The level of a number of Python's logging: 10 is debug, 50 critical.
    pub fn of_python(number: &[u8]) -> Option<Self> {
        Some(match number {
            b"10" => Self::Debug,
            b"20" => Self::Info,
            b"30" => Self::Warning,
            b"40" => Self::Error,
            b"50" => Self::Critical,
            _ => return None,
        })
    }

    /// The level of a syslog severity, 0 (emergency) to 7 (debug), as journald and GELF write it, too.
    pub fn of_syslog(severity: u8) -> Option<Self> {
        Some(match severity {
            0..=2 => Self::Critical,
            3 => Self::Error,
            4 => Self::Warning,
            5 => Self::Notice,
            6 => Self::Info,
            7 => Self::Debug,
            _ => return None,
        })
    }

    /// The level of an OpenTelemetry severity number, 1 to 24.
    pub fn of_otel(severity: u8) -> Option<Self> {
        Some(match severity {
            1..=4 => Self::Trace,
            5..=8 => Self::Debug,
            9..=12 => Self::Info,
            13..=16 => Self::Warning,
            17..=20 => Self::Error,
            21..=24 => Self::Critical,
            _ => return None,
        })
    }

    /// The level of a Nextcloud number, 0 to 4.
    pub fn of_nextcloud(number: u8) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warning, Self::Error, Self::Critical].get(usize::from(number)).copied()
    }

    /// The level of an HTTP status: the server's failures are errors, the client's warnings.
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            100..=399 => Some(Self::Info),
            400..=499 => Some(Self::Warning),
            500..=599 => Some(Self::Error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_any_case_and_only_known_ones() {
        for (word, want) in [
            ("ERROR", Some(Level::Error)),
            ("Warn", Some(Level::Warning)),
            ("fatal", Some(Level::Critical)),
            ("Emergency", Some(Level::Critical)),
            ("informational", Some(Level::Info)),
            ("errors", None),
            ("", None),
            ("informationally", None),
            ("\u{5}rror", None),
        ] {
            assert_eq!(Level::of_word(word.as_bytes()), want, "{word}");
        }
    }

    #[test]
    fn numbers_by_the_scheme_of_their_format() {
        assert_eq!((Level::of_number(b"50"), Level::of_number(b"3")), (Some(Level::Error), None));
        assert_eq!((Level::of_python(b"40"), Level::of_python(b"60")), (Some(Level::Error), None));
        assert_eq!((Level::of_syslog(3), Level::of_syslog(8)), (Some(Level::Error), None));
        assert_eq!((Level::of_otel(17), Level::of_otel(0)), (Some(Level::Error), None));
        assert_eq!((Level::of_nextcloud(3), Level::of_nextcloud(5)), (Some(Level::Error), None));
        assert_eq!((Level::of_status(503), Level::of_status(404), Level::of_status(0)), (Some(Level::Error), Some(Level::Warning), None));
        assert_eq!((Level::of_letter(b'W'), Level::of_letter(b'w')), (Some(Level::Warning), None));
    }
}
