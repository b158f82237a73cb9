//! Small parsed settings that several checks share.

use std::time::Duration;

use serde::Deserialize;

/// How long past its own limit a check is given to say how far it came, before the runner ends it.
pub(super) const GRACE: Duration = Duration::from_millis(100);

/// A time limit in milliseconds, 10 to 120,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub(super) struct TimeoutMs(u64);

impl TimeoutMs {
    /// A limit written in this crate.
    pub(super) const fn of(ms: u64) -> Self {
        Self(ms)
    }

    /// As a duration.
    pub(super) fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// As a number.
    pub(super) fn ms(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for TimeoutMs {
    type Error = String;

    fn try_from(ms: u64) -> Result<Self, String> {
        if (10..=120_000).contains(&ms) { Ok(Self(ms)) } else { Err(format!("{ms} ms is out of range: write 10 to 120000")) }
    }
}

/// A duration as a measurement in milliseconds, to the microsecond.
pub(super) fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// A share in percent, rounded to two digits for people; comparisons use the exact one.
pub(super) fn round_percent(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Bytes as people read them.
pub(super) fn show_bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 || unit == "TiB" {
            return if unit == "B" { format!("{value} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    unreachable!("the loop returns at its last unit")
}
