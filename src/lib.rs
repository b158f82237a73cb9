//! opsmedic: the tools an AI assistant, or a person, needs to troubleshoot a running system.
//!
//! The map of the house. Rooms do the work and know nothing of MCP, the command line or SQL:
//! [`health`] probes, [`logs`] reads, `incident` judges, `recovery` acts, [`playbook`](crate) advises.
//! [`types`] are the words they share, [`ports`] and [`engines`] their way to the outside.

pub mod engines;
pub mod health;
pub mod incident;
pub mod logs;
pub mod playbook;
pub mod ports;
pub mod recovery;
pub mod store;
pub mod types;
