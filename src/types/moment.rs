//! A moment that survives a clock that is set: the wall time for people, and the machine's own count since boot for measuring.
//!
//! Guards measure with it: whoever sets the clock a day forward must not end a cooldown, and whoever sets it back must not prolong an approval.

use jiff::{SignedDuration, Timestamp};

/// A moment, by both clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// By the wall clock.
    pub at: Timestamp,
    /// Which boot of which machine counted `uptime_ms`; empty when nobody counted.
    pub boot: String,
    /// Milliseconds since that boot, standby included. Nobody can set this clock.
    pub uptime_ms: i64,
}

impl Default for Moment {
    fn default() -> Self {
        Self::by_wall(Timestamp::UNIX_EPOCH)
    }
}

impl Moment {
    /// A moment of which only the wall time is known.
    pub fn by_wall(at: Timestamp) -> Self {
        Self { at, boot: String::new(), uptime_ms: 0 }
    }

    /// Whether both were counted by the same boot, so that the wall clock does not matter between them.
    pub fn counted_with(&self, other: &Self) -> bool {
        !self.boot.is_empty() && self.boot == other.boot
    }

    /// How long ago `earlier` was, never negative. Over a reboot, or between machines, the wall clock is all there is; a moment that seems to lie
    /// in the future then counts as just now, which prolongs a rest and never cuts it short.
    pub fn since(&self, earlier: &Self) -> SignedDuration {
        let elapsed = if self.counted_with(earlier) {
            SignedDuration::from_millis(self.uptime_ms.saturating_sub(earlier.uptime_ms))
        } else {
            self.at.duration_since(earlier.at)
        };
        elapsed.max(SignedDuration::ZERO)
    }

    /// What is left of a span that began at `start`, never negative.
    pub fn left_of(&self, span: SignedDuration, start: &Self) -> SignedDuration {
        (span - self.since(start)).max(SignedDuration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(at: &str, boot: &str, uptime_ms: i64) -> Moment {
        Moment { at: at.parse().expect("a constant"), boot: boot.to_owned(), uptime_ms }
    }

    #[test]
    fn a_clock_that_is_set_does_not_matter_within_a_boot_and_is_never_trusted_backwards() {
        let start = moment("2026-11-20T12:00:00Z", "a", 1_000);
        let span = SignedDuration::from_secs(300);
        for (now, left) in [
            (moment("2026-11-21T12:00:10Z", "a", 11_000), 290),
            (moment("2026-11-19T12:00:10Z", "a", 11_000), 290),
            (moment("2026-11-20T12:00:10Z", "a", 400_000), 0),
            (moment("2026-11-20T12:00:10Z", "b", 5), 290),
            (moment("2026-11-19T12:00:00Z", "b", 5), 300),
            (moment("2026-11-20T12:06:00Z", "", 0), 0),
        ] {
            assert_eq!(now.left_of(span, &start), SignedDuration::from_secs(left), "{now:?}");
        }
    }
}
