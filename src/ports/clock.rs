//! What time it is.

use jiff::Timestamp;

/// The wall clock. Deadlines inside a process use tokio's monotonic time instead.
pub trait Clock: Send + Sync {
    /// Now, to the millisecond: no answer of ours is more exact than that.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this port is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}
