//! opsmedic: the tools an AI assistant, or a person, needs to troubleshoot a running system.
//!
//! The map of the house. Five rooms do the work and know nothing of MCP, the command line or SQL, nor of each other: [`health`] probes,
//! [`logs`] reads, [`incident`] judges, [`recovery`] acts, [`playbook`] advises. [`flows`] joins them; [`mcp`] and [`cli`] are the faces.
//! [`types`] are the words all share, [`ports`] and [`engines`] the way to the outside, [`store`] remembers, [`config`] reads what a person
//! wrote, and [`app`] puts it together. ARCHITECTURE.md tells the rest.

pub mod app;
pub mod cli;
pub mod config;
pub mod engines;
pub mod flows;
pub mod health;
pub mod http;
pub mod incident;
pub mod logs;
pub mod mcp;
pub mod playbook;
pub mod ports;
pub mod recovery;
pub mod store;
pub mod telemetry;
pub mod types;
