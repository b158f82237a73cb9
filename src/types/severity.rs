//! Incident severity, P0 (worst) to P3.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad an incident is. Ordered by urgency: `P0 > P1 > P2 > P3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Severity {
    /// The system is unavailable.
    P0,
    /// A core function is affected.
    P1,
    /// Some functions are affected.
    P2,
    /// Slower than usual, or something that is not core.
    P3,
}

impl Severity {
    /// All severities, worst first.
    pub const ALL: [Self; 4] = [Self::P0, Self::P1, Self::P2, Self::P3];

    /// 0 for P0 to 3 for P3.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The severity one step less urgent; P3 stays P3.
    pub fn one_lower(self) -> Self {
        Self::ALL[(self.index() + 1).min(3)]
    }

    /// The more urgent of two.
    pub fn worst(self, other: Self) -> Self {
        self.max(other)
    }
}

impl Ord for Severity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.index().cmp(&self.index())
    }
}

impl PartialOrd for Severity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}", self.index())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|s| s.to_string().eq_ignore_ascii_case(text)).ok_or_else(|| format!("unknown severity '{text}': write P0, P1, P2 or P3"))
    }
}
