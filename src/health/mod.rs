//! Health: probes what is configured, all at once, each with a deadline, and says how each is, with figures.
//!
//! A check never changes what it looks at. Does not decide what to do about a finding.
//!
//! **Invariant:** a check that could not tell says `unknown`; a check that is not configured is `skipped` and counts as nothing.

pub mod check;
pub mod checks;

pub use check::{Check, CheckKind, Measurement, Reading, Scope, State, Threshold};
