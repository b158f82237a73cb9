//! The MCP face: tools over the protocol. The only home of the protocol's crate.
//!
//! Parses arguments, calls one room, renders its answer. Decides nothing about systems.
//!
//! **Invariant:** every string that leaves here was redacted and sanitised, every answer fits the budget and names host and scope, and stdout
//! carries nothing but protocol.

mod answer;
mod approval;
mod budget;
mod completions;
mod content;
mod direct;
mod error;
mod kept;
mod lanes;
mod lines;
mod parts;
mod permit;
mod progress;
mod prompts;
mod resources;
mod running;
mod schema;
mod server;
mod sessions;
mod shape;
mod sse;
mod stdio;
mod streamable;
mod subscriptions;
mod tasks;
mod text;
pub mod tools;
mod uri;
mod walk;

use std::sync::Arc;

use axum::Router;
use rmcp::ServerHandler;
use tokio_util::sync::CancellationToken;

pub use approval::{Asked, Person};
pub use budget::{CutRules, Moved};
pub use error::ToolError;
pub use lanes::Limits;
pub use progress::Progress;
pub use running::Hold;
pub use server::{Hub, Server, Transport, describe};
pub use sessions::Sessions;
pub use stdio::{serve, serve_over};

use crate::http::AtOnce;

/// Answers requests over HTTP that need nothing but memory on the spot, before they come to the routes.
pub fn at_once(hub: &Arc<Hub>) -> AtOnce {
    let hub = hub.clone();
    Arc::new(move |parts, body| direct::over_http(&hub, parts, body))
}

/// Every route on which MCP is spoken, for the handler of each transport, behind the look at what its caller may do. `cut` ends every stream.
pub fn routes<H: ServerHandler + Clone>(hub: &Arc<Hub>, handler: impl Fn(Transport) -> H, sessions: &Arc<Sessions>, cut: &CancellationToken) -> Router {
    let streamable = streamable::router(handler(Transport::Http), sessions, cut.clone());
    let sse = sse::router(handler(Transport::Sse), sessions, cut.clone());
    permit::permitted(streamable, hub, Transport::Http).merge(permit::permitted(sse, hub, Transport::Sse))
}
