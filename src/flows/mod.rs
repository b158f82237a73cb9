//! What joins rooms: the services together as the faces get them, and the next call that an answer suggests.
//!
//! Holds no rule of its own about health, logs, severity or recovery.
//!
//! **Invariant:** a suggestion has complete arguments that were configured, computed or the caller's own, never text from a log or a server.

pub mod changes;
pub mod drill;
pub mod metrics;
pub mod next;
pub mod records;
mod services;
pub mod watch;

pub use metrics::Metrics;
pub use next::NextCall;
pub use services::Services;
