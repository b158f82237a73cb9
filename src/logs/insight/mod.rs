//! What the counts mean: what stands out over time, what rises together, which stack traces are one.
//!
//! Pure functions of counts and of a record's text; they read nothing, and know neither files nor reports.

pub(crate) mod correlate;
pub(crate) mod series;
pub(crate) mod spikes;
pub(crate) mod steps;
pub(crate) mod trace;
