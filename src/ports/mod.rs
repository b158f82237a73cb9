//! The few things that every room needs and every test replaces: the clock, running programs, HTTP.
//!
//! A port is a trait with its real implementation beside it; stand-ins for tests are in `fake`. Nothing here knows what a call is for.
//!
//! **Invariant:** every call that leaves the process has a deadline and a cap on what it reads.

pub mod clock;
pub mod exec;
#[cfg(test)]
pub mod fake;
pub mod http;
pub mod process;

use std::sync::Arc;

pub use clock::Clock;
pub use exec::Exec;
pub use http::Http;

/// The ports together, as the rooms get them.
#[derive(Clone)]
pub struct Ports {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Runs programs.
    pub exec: Arc<dyn Exec>,
    /// Sends HTTP requests.
    pub http: Arc<dyn Http>,
}

impl Ports {
    /// The real clock, processes and network.
    pub fn real() -> Self {
        Self { clock: Arc::new(clock::SystemClock), exec: Arc::new(exec::SystemExec), http: Arc::new(http::Client::default()) }
    }
}
