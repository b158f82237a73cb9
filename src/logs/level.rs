//! How grave a record says it is, in one scale for all formats.
//!
//! Does not guess: a word that is not on the list is no level.

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
        let mut lower = [0; 13];
        let lower = lower.get_mut(..word.len())?;
        lower.copy_from_slice(word);
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"info" | b"information" | b"informational" | b"inf" => Self::Info,
            b"error" | b"err" | b"severe" => Self::Error,
            b"warning" | b"warn" | b"wrn" => Self::Warning,
            b"debug" | b"dbg" | b"fine" => Self::Debug,
            b"critical" | b"crit" | b"fatal" | b"ftl" | b"panic" | b"dpanic" | b"alert" | b"emerg" | b"emergency" => Self::Critical,
            b"trace" | b"trc" | b"finer" | b"finest" | b"verbose" => Self::Trace,
            b"notice" | b"note" => Self::Notice,
            _ => return None,
        })
    }

    /// The level of a bunyan or pino number: 10 (trace) to 60 (critical) in steps of ten; others say nothing.
    pub fn of_number(number: &[u8]) -> Option<Self> {
        Some(match number {
            b"10" => Self::Trace,
            b"20" => Self::Debug,
            b"30" => Self::Info,
            b"40" => Self::Warning,
            b"50" => Self::Error,
            b"60" => Self::Critical,
            _ => return None,
        })
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
            ("informational", Some(Level::Info)),
            ("errors", None),
            ("", None),
            ("informationally", None),
        ] {
            assert_eq!(Level::of_word(word.as_bytes()), want, "{word}");
        }
        assert_eq!(Level::of_number(b"50"), Some(Level::Error));
        assert_eq!(Level::of_number(b"3"), None);
    }
}
