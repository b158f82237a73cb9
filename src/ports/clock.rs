//! What time it is.

use std::sync::OnceLock;

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

use crate::types::moment::Moment;

/// The wall clock, and the count since boot. Deadlines inside a process use tokio's monotonic time instead.
pub trait Clock: Send + Sync {
    /// Now, by both clocks, to the millisecond: no answer of ours is more exact than that.
    fn moment(&self) -> Moment;

    /// Now, by the wall clock.
    fn now(&self) -> Timestamp {
        self.moment().at
    }
}

/// The machine's clocks.
pub struct SystemClock;

impl Clock for SystemClock {
    fn moment(&self) -> Moment {
        let uptime = clock_gettime(ClockId::Boottime);
        Moment { at: self.now(), boot: boot_id().to_owned(), uptime_ms: uptime.tv_sec * 1_000 + uptime.tv_nsec / 1_000_000 }
    }

    #[expect(clippy::disallowed_methods, reason = "this port is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}

/// The kernel's name for this boot; empty where there is none, and then only the wall clock counts.
fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default())
}
