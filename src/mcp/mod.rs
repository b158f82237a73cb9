//! The MCP face: tools over the protocol. The only home of the protocol's crate.
//!
//! Parses arguments, calls one room, renders its answer. Decides nothing about systems.
//!
//! **Invariant:** every string that leaves here was redacted and sanitised, every answer fits the budget and names host and scope, and stdout
//! carries nothing but protocol.

mod answer;
mod budget;
mod error;
mod schema;
mod server;
mod stdio;
mod text;
pub mod tools;

pub use budget::{CutRules, Moved};
pub use error::ToolError;
pub use server::{Server, describe};
pub use stdio::serve;
