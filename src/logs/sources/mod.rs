//! Where log bytes come from: files, for now.
//!
//! A source opens what a request names, safely, and says what it would not open and why. It reads no line.

pub mod file;
mod open;
pub(crate) mod rotated;
