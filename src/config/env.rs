//! Every environment variable that the product reads, in one place.
//!
//! | variable | meaning |
//! |---|---|
//! | `OPSMEDIC_CONFIG` | configuration file, when `--config` is not given |
//! | `OPSMEDIC_STATE_DIR` | folder of the store, when `[store] path` is not set |
//! | `OPSMEDIC_LOG` | log filter for stderr, such as `info` or `opsmedic=debug` |
//! | `STATE_DIRECTORY` | the same as `OPSMEDIC_STATE_DIR`, set by systemd |
//! | `XDG_CONFIG_HOME`, `XDG_STATE_HOME`, `HOME` | where files of this user are |
//! | `NO_COLOR` | no colours on a terminal |
//!
//! A string of the configuration that is exactly `${NAME}` is replaced by that variable, `${file:/path}` by the file's first line.

use std::path::PathBuf;

/// The environment as far as the product knows it.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// `OPSMEDIC_CONFIG`
    pub config: Option<PathBuf>,
    /// The folder of the store.
    pub state_dir: PathBuf,
    /// `OPSMEDIC_LOG`
    pub log: Option<String>,
    /// The folder of this user's configuration files.
    pub config_home: Option<PathBuf>,
    /// `NO_COLOR` is set.
    pub no_color: bool,
}

impl Env {
    /// Reads the environment once.
    pub fn read() -> Self {
        let home = path("HOME");
        let state_home = path("XDG_STATE_HOME").or_else(|| home.as_ref().map(|h| h.join(".local/state")));
        let system = rustix::process::getuid().is_root().then(|| PathBuf::from("/var/lib/opsmedic"));
        let state_dir = path("OPSMEDIC_STATE_DIR")
            .or_else(|| path("STATE_DIRECTORY"))
            .or(system)
            .or_else(|| state_home.map(|s| s.join("opsmedic")))
            .unwrap_or_else(|| PathBuf::from("/var/lib/opsmedic"));
        Self {
            config: path("OPSMEDIC_CONFIG"),
            state_dir,
            log: variable("OPSMEDIC_LOG"),
            config_home: path("XDG_CONFIG_HOME").or_else(|| home.map(|h| h.join(".config"))),
            no_color: variable("NO_COLOR").is_some(),
        }
    }
}

/// A variable that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "this file is the one place of the configuration that reads the environment")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn path(name: &str) -> Option<PathBuf> {
    variable(name).map(PathBuf::from)
}
