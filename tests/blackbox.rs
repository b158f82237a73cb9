//! Black box: the built binary against real servers, in a hermetic environment.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "tests")]

mod support;

#[path = "blackbox/ground.rs"]
mod ground;
