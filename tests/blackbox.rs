//! Black box: the built binary against real servers, in a hermetic environment.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "tests")]

mod support;

#[path = "blackbox/canaries.rs"]
mod canaries;
#[path = "blackbox/cli.rs"]
mod cli;
#[path = "blackbox/clients.rs"]
mod clients;
#[path = "blackbox/conformance.rs"]
mod conformance;
#[path = "blackbox/contracts.rs"]
mod contracts;
#[path = "blackbox/durability.rs"]
mod durability;
#[path = "blackbox/durability_store.rs"]
mod durability_store;
#[path = "blackbox/ground.rs"]
mod ground;
#[path = "blackbox/guards.rs"]
mod guards;
#[path = "blackbox/health.rs"]
mod health;
#[path = "blackbox/http_auth.rs"]
mod http_auth;
#[path = "blackbox/http_jwt.rs"]
mod http_jwt;
#[path = "blackbox/http_load.rs"]
mod http_load;
#[path = "blackbox/http_tls.rs"]
mod http_tls;
#[path = "blackbox/log_files.rs"]
mod log_files;
#[path = "blackbox/log_hostile_files.rs"]
mod log_hostile_files;
#[path = "blackbox/log_limits.rs"]
mod log_limits;
#[path = "blackbox/log_memory.rs"]
mod log_memory;
#[path = "blackbox/log_reference.rs"]
mod log_reference;
#[path = "blackbox/log_scores.rs"]
mod log_scores;
#[path = "blackbox/mcp_approval.rs"]
mod mcp_approval;
#[path = "blackbox/mcp_content.rs"]
mod mcp_content;
#[path = "blackbox/mcp_http.rs"]
mod mcp_http;
#[path = "blackbox/mcp_long.rs"]
mod mcp_long;
#[path = "blackbox/mcp_stdio.rs"]
mod mcp_stdio;
#[path = "blackbox/mcp_subscriptions.rs"]
mod mcp_subscriptions;
#[path = "blackbox/recovery.rs"]
mod recovery;
#[path = "blackbox/recovery_actions.rs"]
mod recovery_actions;
#[path = "blackbox/systemd.rs"]
mod systemd;
#[path = "blackbox/untrusted.rs"]
mod untrusted;
