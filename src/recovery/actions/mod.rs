//! How actions are done: one kind of actuator per file and one line in [`ALL`].
//!
//! An actuator first prepares (reads only, and says what it would call), then acts. It decides neither whether to act nor whether it helped.

mod command;
mod docker;
mod redis;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;

use super::Action;
use crate::{ports::Ports, types::secret::Secret};

/// Every kind, in the order in which help lists them.
pub const ALL: &[&dyn ActuatorKind] = &[&command::Command, &docker::Docker, &redis::Redis];

/// Settings of an actuator as the configuration hands them over, with their places in the file.
pub type Settings<'i> = toml::de::ValueDeserializer<'i>;

/// What a pre-check found, and what would be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// The exact call for people; part of the plan's digest.
    pub call: String,
    /// What would change, such as `replicas 3 -> 6`.
    pub effect: Option<String>,
    /// Values that the act needs, as the pre-check read them.
    pub values: BTreeMap<&'static str, String>,
}

/// What an act left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Act {
    /// What was done, in our words.
    pub message: String,
    /// Output of what was called; untrusted.
    pub untrusted_output: Option<String>,
}

/// Why an act has no good end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActError {
    /// It failed for certain; the next action may be tried.
    Failed(Act),
    /// The call went out and its end was not seen; nothing may be tried on top of it.
    Unknown(Act),
}

impl ActError {
    /// A certain failure with our message only.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(Act { message: message.into(), untrusted_output: None })
    }

    /// An unseen end with our message only.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::Unknown(Act { message: message.into(), untrusted_output: None })
    }
}

/// A configured way to carry out one action on one target.
#[async_trait]
pub trait Actuator: Send + Sync {
    /// The kind's name.
    fn kind(&self) -> &'static str;

    /// Looks whether the act is possible and says what it would call. Changes nothing.
    ///
    /// # Errors
    /// Why the action is not possible now, in our words.
    async fn prepare(&self, ports: &Ports) -> Result<Prepared, String>;

    /// Does it. Returns only when the call has ended or its deadline passed.
    ///
    /// # Errors
    /// See [`ActError`]; a time-out after the call went out is `Unknown`.
    async fn act(&self, ports: &Ports, prepared: &Prepared) -> Result<Act, ActError>;

    /// What is known of the target from here, for playbooks: names such as `container`, `redis_host`.
    fn facts(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What must not appear in any output.
    fn secrets(&self) -> Vec<Secret> {
        Vec::new()
    }
}

/// A kind of actuator: one file in this folder and one line in [`ALL`].
pub trait ActuatorKind: Sync {
    /// The name in the configuration (`[targets.actions.<action>.<name>]`).
    fn name(&self) -> &'static str;

    /// One line for help.
    fn summary(&self) -> &'static str;

    /// The actions it can carry out.
    fn supports(&self) -> &'static [Action];

    /// Its table in the configuration for the first action of [`ActuatorKind::supports`], complete and valid; a test parses it.
    fn example(&self) -> &'static str;

    /// Builds the actuator for an action from its table.
    ///
    /// # Errors
    /// What the table says wrong, with its place in the file.
    fn build(&self, action: Action, settings: Settings<'_>) -> Result<Arc<dyn Actuator>, toml::de::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_builds_a_target() {
        for kind in ALL {
            let action = kind.supports()[0];
            assert!(kind.example().starts_with(&format!("[targets.actions.{action}.{}]", kind.name())), "{}", kind.name());
            let table = kind.example().split_once('\n').map(|(_, keys)| format!("{{{}}}", keys.trim().replace('\n', ", "))).unwrap_or_default();
            let settings = Settings::parse(&table).unwrap_or_else(|e| panic!("{}: {e}", kind.name()));
            let actuator = kind.build(action, settings).unwrap_or_else(|e| panic!("{}: {e}", kind.name()));
            assert_eq!(actuator.kind(), kind.name());
        }
    }
}
