//! One typed client per outside system. An engine speaks its protocol and bounds what it reads; it knows no thresholds and no policy.
//!
//! **Invariant:** no engine call is made without a deadline of its caller or its own.

pub mod docker;
pub mod net;
pub mod postgres;
pub mod redis;
pub mod systemd;
