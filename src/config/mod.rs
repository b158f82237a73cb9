//! The configuration: one TOML file, checked as a whole before anything starts.
//!
//! Found by `--config`, `$OPSMEDIC_CONFIG`, `~/.config/opsmedic/opsmedic.toml`, `/etc/opsmedic/opsmedic.toml`, in this order; without any,
//! defaults hold and nothing can be acted on. Never looked for in the working directory: whoever owns a folder could otherwise name the
//! commands that recovery runs. Each section belongs to its room; each check and action to the file of its kind.
//!
//! **Invariant:** a [`Config`] that exists is valid; every error names file, line and key, and shows no value.

pub mod env;
mod error;
mod sections;
mod targets;
#[cfg(test)]
mod tests;
mod tree;

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

pub use env::Env;
pub use error::ConfigError;
pub use targets::TargetConfig;

use crate::{
    health::Check,
    incident::ClassifySettings,
    recovery::{ElicitationApproves, RecoverySettings},
    types::{lang::Lang, secret::Secret},
};

/// A configured check, or the name of one that is not configured.
pub struct HealthEntry {
    /// The kind's name.
    pub name: String,
    /// The check; none means `skipped`.
    pub check: Option<Arc<dyn Check>>,
}

/// `[playbooks]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlaybookSettings {
    /// A folder of your own playbooks, which add to the built-in ones and override those of the same name.
    pub folder: Option<PathBuf>,
}

/// `[mcp]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct McpSettings {
    /// The largest structured answer, and the largest text, of a tool call in bytes after escaping. Default 24,576; 4,096 to 1,048,576.
    pub output_budget_bytes: usize,
    /// Calls that run at once, without those that read logs. Default 256; 1 to 10,000.
    pub max_calls: usize,
    /// Calls that wait for their turn; the rest is told that the server is busy. Default 1,024; 0 to 100,000.
    pub max_queued_calls: usize,
    /// Calls of `analyze_logs` that run at once. Default 2; 1 to 64.
    pub max_log_calls: usize,
    /// Whether a person's answer in the client approves what waits for approval: `never`, `not_destructive` (plans in which no action that would
    /// run is destructive) or `always`. Some hosts answer without a person. Default `not_destructive`.
    pub elicitation_approves: ElicitationApproves,
    /// How long a person in the client has to answer, seconds; then the operation goes on waiting for the approver. The older
    /// style of asking holds its call open, at most 120 s. Default 120; 1 to 1,800.
    pub elicitation_timeout_seconds: u32,
}

impl Default for McpSettings {
    fn default() -> Self {
        Self {
            output_budget_bytes: 24_576,
            max_calls: 256,
            max_queued_calls: 1_024,
            max_log_calls: 2,
            elicitation_approves: ElicitationApproves::default(),
            elicitation_timeout_seconds: 120,
        }
    }
}

/// Everything that was configured, with defaults filled in.
pub struct Config {
    /// The file it came from; none without one.
    pub path: Option<PathBuf>,
    /// The name of this machine in answers.
    pub host: String,
    /// The language of texts where a caller names none.
    pub lang: Lang,
    /// Where the store is.
    pub store_path: PathBuf,
    /// How incidents are classified.
    pub classify: ClassifySettings,
    /// All kinds of checks, configured or not.
    pub health: Vec<HealthEntry>,
    /// How many days health reports are kept.
    pub history_days: u32,
    /// What may be read, and how.
    pub logs: crate::logs::Settings,
    /// Where more playbooks are.
    pub playbooks: PlaybookSettings,
    /// Limits of recovery.
    pub recovery: RecoverySettings,
    /// The inventory.
    pub targets: Vec<TargetConfig>,
    /// Limits of answers.
    pub mcp: McpSettings,
    /// How HTTP is served.
    pub http: crate::http::Settings,
    /// Values of `${..}` that go to commands; secret.
    filled: Vec<Secret>,
}

impl Config {
    /// Finds and reads the configuration.
    ///
    /// # Errors
    /// A file that was named and is not there, cannot be read, may be written by everybody, or says something wrong.
    pub fn load(named: Option<&Path>, env: &Env) -> Result<Self, ConfigError> {
        match find(named, env) {
            Some(path) => {
                let text = read(&path)?;
                Self::parse(&text, Some(path), env)
            }
            None => Self::parse("", None, env),
        }
    }

    /// Reads a configuration text; `path` is for messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: Option<PathBuf>, env: &Env) -> Result<Self, ConfigError> {
        let source = tree::Source::new(text, path.clone());
        sections::read(&source, env).map(|config| Self { path, ..config })
    }

    /// Every secret of the configuration, for the redactor.
    pub fn secrets(&self) -> Vec<Secret> {
        let checks = self.health.iter().filter_map(|h| h.check.as_ref());
        let of_targets = self.targets.iter().flat_map(|t| {
            let check = t.checks.iter().flat_map(|(_, c)| c.secrets());
            check.chain(t.target.actuators.values().flat_map(|a| a.secrets()))
        });
        checks.flat_map(|c| c.secrets()).chain(of_targets).chain(self.filled.iter().cloned()).chain(self.http.secrets()).collect()
    }
}

/// The first place that has a file; a named one counts even if it is not there.
fn find(named: Option<&Path>, env: &Env) -> Option<PathBuf> {
    let explicit = named.map(Path::to_owned).or_else(|| env.config.clone());
    explicit.or_else(|| {
        let user = env.config_home.as_ref().map(|home| home.join("opsmedic/opsmedic.toml"));
        user.into_iter().chain([PathBuf::from("/etc/opsmedic/opsmedic.toml")]).find(|p| p.exists())
    })
}

/// No configuration is larger, and no secret.
const MAX_FILE_BYTES: u64 = 1 << 20;

fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let meta = std::fs::metadata(path).map_err(failed)?;
    // It names commands that recovery runs, so whoever can write it can run them.
    if meta.is_file() && meta.mode() & 0o002 != 0 {
        return Err(ConfigError::Writable { path: path.to_owned() });
    }
    if !meta.is_file() || meta.len() > MAX_FILE_BYTES {
        return Err(failed(std::io::Error::other("it is no regular file of at most 1 MiB")));
    }
    std::fs::read_to_string(path).map_err(failed)
}
