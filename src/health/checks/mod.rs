//! The kinds of checks: one file each, one line each.

mod application;
mod cpu;
mod database;
mod disk;
mod external_api;
mod memory;
mod network;
mod redis;

use super::CheckKind;

/// Every kind, in the order in which reports list them.
pub const ALL: &[&dyn CheckKind] =
    &[&application::Application, &database::Database, &redis::Redis, &external_api::ExternalApi, &disk::Disk, &memory::Memory, &cpu::Cpu, &network::Network];
