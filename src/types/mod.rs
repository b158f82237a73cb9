//! Pure words that every room speaks: severities, issue types, targets, times, secrets, and how untrusted text is made harmless.
//!
//! Does no IO, knows no clock and no other module of the crate.
//!
//! **Invariant:** nothing in here can fail because of the outside world.

pub mod access;
pub mod bound;
mod entropy;
pub mod ids;
pub mod issue;
pub mod lang;
pub mod moment;
pub mod percent;
pub mod redact;
pub mod sanitise;
pub mod secret;
pub mod severity;
pub mod sparkline;
pub mod suggest;
pub mod target;
pub mod time;
