//! How actions are done: one kind of actuator per file and one line in [`ALL`].
//!
//! An actuator prepares (reads only, and says what it would call), acts, tells whether what it was to leave holds, and undoes where that is
//! possible. It decides neither whether to act nor whether the target is well.

mod command;
mod docker;
mod http;
mod redis;
mod shared;
mod systemd;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;

use super::Action;
use crate::{
    ports::Ports,
    types::{ids::OperationId, issue::IssueType, secret::Secret, target::TargetName},
};

/// Every kind, in the order in which help lists them.
pub const ALL: &[&dyn ActuatorKind] = &[&command::Command, &docker::Docker, &http::Http, &redis::Redis, &systemd::Systemd];

/// Settings of an actuator as the configuration hands them over, with their places in the file.
pub type Settings<'i> = toml::de::ValueDeserializer<'i>;

/// A flat picture of what an action changes, such as `started_at` or `replicas`. Two pictures are equal exactly when nothing changed between
/// them. Values may come from servers: untrusted.
pub type Snapshot = BTreeMap<String, String>;

/// For whom an actuator acts. Nothing in it is a caller's free text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The operation; a backend that knows idempotency keys gets it as one.
    pub operation: OperationId,
    /// The target.
    pub target: TargetName,
    /// The issue.
    pub issue: IssueType,
    /// The lease's fencing token: rises with every holder, so that a backend that compares can refuse a late one.
    pub fence: i64,
}

/// What a pre-check found, and what would be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// The exact call for people; part of the plan's digest.
    pub call: String,
    /// What would change, such as `replicas 3 -> 6`.
    pub effect: Option<String>,
    /// Values that the act needs, as the pre-check read them.
    pub values: BTreeMap<&'static str, String>,
    /// How what the action changes was before; saved with the intent.
    pub prior: Snapshot,
    /// What an undo would do; none where there is no way back.
    pub undo: Option<String>,
}

/// What an act left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Act {
    /// What was done, in our words.
    pub message: String,
    /// Output of what was called; untrusted.
    pub untrusted_output: Option<String>,
    /// How what the action changes was right after it; an undo runs only while this is still so.
    pub left: Snapshot,
}

impl Act {
    /// With our message only.
    pub fn said(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Default::default() }
    }
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
        Self::Failed(Act::said(message))
    }

    /// An unseen end with our message only.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::Unknown(Act::said(message))
    }
}

/// Whether what an action was to leave is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Postcondition {
    /// It is, in our words.
    Holds(String),
    /// Not yet, or it could not be looked at; it may still come.
    NotYet(String),
    /// It is gone for certain, such as a container that died again.
    Broken(String),
}

/// Whether a call whose end was not seen had its effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It had; with what it left.
    Happened(Act),
    /// It had none and will have none, for certain.
    DidNot(String),
    /// It cannot be told, or not yet.
    CannotTell(String),
}

/// A configured way to carry out one action on one target.
#[async_trait]
pub trait Actuator: Send + Sync {
    /// The kind's name.
    fn kind(&self) -> &'static str;

    /// Looks whether the act is possible, says what it would call (the dry run) and saves how things are. Changes nothing.
    ///
    /// # Errors
    /// Why the action is not possible now, in our words.
    async fn prepare(&self, ports: &Ports) -> Result<Prepared, String>;

    /// Does it. Returns only when the call has ended or its deadline passed.
    ///
    /// # Errors
    /// See [`ActError`]; a time-out after the call went out is `Unknown`.
    async fn act(&self, ports: &Ports, prepared: &Prepared, context: &Context) -> Result<Act, ActError>;

    /// Looks once whether what the act left (its [`Act::left`]) still holds. Asked again and again while the target is watched.
    async fn verify(&self, _ports: &Ports, _left: &Snapshot) -> Postcondition {
        Postcondition::Holds(String::new())
    }

    /// Looks once whether an act whose end was not seen had its effect, given how things were before it.
    async fn probe(&self, _ports: &Ports, _prior: &Snapshot) -> Probe {
        Probe::CannotTell(format!("a {} action leaves nothing that could be looked at", self.kind()))
    }

    /// How what the action changes is right now, in the form of [`Act::left`].
    ///
    /// # Errors
    /// Why it cannot be seen, in our words.
    async fn observe(&self, _ports: &Ports) -> Result<Snapshot, String> {
        Ok(Snapshot::new())
    }

    /// Brings back the prior state and checks that it is there. Called only where [`Prepared::undo`] said how, and while what the act left is unchanged.
    ///
    /// # Errors
    /// See [`ActError`].
    async fn undo(&self, _ports: &Ports, _prior: &Snapshot, _context: &Context) -> Result<Act, ActError> {
        Err(ActError::failed("there is no way back from this action"))
    }

    /// What is known of the target from here, for playbooks: names such as `container`, `redis_host`.
    fn facts(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What must not appear in any output.
    fn secrets(&self) -> Vec<Secret> {
        Vec::new()
    }
}

/// A text as a value of a [`Snapshot`]: an id or a time of a known system as it is, anything long or odd by its SHA-256.
pub(super) fn snapshot_value(text: &str) -> String {
    value_up_to(64, text)
}

/// As [`snapshot_value`], of what a configured command or page says: only a word is kept as it is, because anything longer could be a secret.
pub(super) fn state_value(text: &str) -> String {
    value_up_to(16, text)
}

fn value_up_to(bytes: usize, text: &str) -> String {
    let text = text.trim();
    if text.len() <= bytes && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return text.to_owned();
    }
    format!("sha256:{}", sha256_hex(text))
}

/// The SHA-256 of a text, in hex.
fn sha256_hex(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect()
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
