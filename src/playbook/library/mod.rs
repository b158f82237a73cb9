//! The built-in playbooks: one folder and one line each.
//!
//! Holds the files as they are; [`select`](super::select) parses them. A test fails when a folder is missing from [`ALL`].

/// The three files of a built-in playbook, compiled in.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// The folder's name.
    pub id: &'static str,
    /// `steps.toml`.
    pub steps: &'static str,
    /// `en.md`.
    pub en: &'static str,
    /// `zh.md`.
    pub zh: &'static str,
}

macro_rules! playbook {
    ($id:literal) => {
        Source { id: $id, steps: include_str!(concat!($id, "/steps.toml")), en: include_str!(concat!($id, "/en.md")), zh: include_str!(concat!($id, "/zh.md")) }
    };
}

/// All built-in playbooks, in the order in which lists show them.
pub const ALL: &[Source] = &[
    playbook!("service_down"),
    playbook!("high_latency"),
    playbook!("database_issues"),
    playbook!("memory_leak"),
    playbook!("disk_full"),
    playbook!("network_issues"),
    playbook!("incident_response"),
];
