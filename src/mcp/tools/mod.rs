//! The tools: one file each, one line in [`ALL`]; description, schema and example of each are in the folder `tools/` of the project.

mod analyze_logs;
mod classify_incident;
mod get_playbook;
mod get_recovery;
mod plan_recovery;
mod run_health_checks;
pub(super) mod trigger_recovery;
pub(super) mod undo_recovery;

use futures::future::BoxFuture;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

pub use super::answer::{Answer, OwnWords};
use super::{Person, Progress, ToolError, Transport, lanes::Lane, schema};
use crate::{flows::Services, recovery::Actor, types::access::Principal};

/// Every tool, in the order in which lists show them.
pub const ALL: &[&Tool] = &[
    &run_health_checks::TOOL,
    &analyze_logs::TOOL,
    &classify_incident::TOOL,
    &get_playbook::TOOL,
    &plan_recovery::TOOL,
    &trigger_recovery::TOOL,
    &undo_recovery::TOOL,
    &get_recovery::TOOL,
];

/// What clients may assume of a tool.
#[derive(Debug, Clone, Copy)]
pub struct Hints {
    /// Changes nothing.
    pub read_only: bool,
    /// May destroy something.
    pub destructive: bool,
    /// A repeated call has no further effect.
    pub idempotent: bool,
    /// Reaches beyond this machine.
    pub open_world: bool,
}

/// A tool that only looks.
pub(super) const LOOKS: Hints = Hints { read_only: true, destructive: false, idempotent: true, open_world: false };

/// A tool: parse, call one room, render.
pub struct Tool {
    /// snake_case, verb_noun.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// For models: when to use it, with an example. Under 2 KB.
    pub description: &'static str,
    /// What clients may assume.
    pub hints: Hints,
    /// What its answers speak of; every answer says it.
    pub scope: &'static str,
    /// The schema of the arguments.
    pub input_schema: fn() -> JsonObject,
    /// The schema of the structured answer.
    pub output_schema: fn() -> JsonObject,
    /// Answers a call, or says what the caller can understand and act on.
    pub call: Call,
    /// The same at once, for a tool that needs nothing but memory and takes microseconds: from its arguments as JSON.
    pub at_once: Option<AtOnce>,
}

impl Tool {
    /// The lane that its calls keep to.
    pub(super) fn lane(&self) -> Lane {
        match self.name {
            name if name == analyze_logs::TOOL.name => Lane::Logs,
            name if name == get_recovery::TOOL.name => Lane::Waiting,
            _ => Lane::Calls,
        }
    }
}

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Fires when the caller no longer wants the answer.
    pub cancel: CancellationToken,
    /// The transport.
    pub via: Transport,
    /// What the client calls itself; untrusted.
    pub client: Option<String>,
    /// Who it was proven to be, and what they may do.
    pub principal: Principal,
    /// The person at the client, who can be asked.
    pub person: Person,
    /// Where to leave word of how far the call is.
    pub progress: Progress,
}

impl Caller {
    /// Who acts, for the record. Over HTTP the name that was proven counts, so that callers keep apart.
    pub(super) fn actor(&self, services: &Services) -> Actor {
        actor(services, self.via, &self.principal, self.client.clone())
    }
}

/// Who acts over a transport, for the record.
pub(super) fn actor(services: &Services, via: Transport, principal: &Principal, client: Option<String>) -> Actor {
    let principal = (via != Transport::Stdio).then(|| principal.name.clone());
    Actor { principal, ..services.actor(via.name(), client) }
}

/// How a tool answers.
pub type Call = for<'s> fn(&'s Services, JsonObject, Caller) -> BoxFuture<'s, Result<Answer, ToolError>>;

/// How a tool answers that does not wait.
pub type AtOnce = fn(&Services, &str) -> Result<Answer, ToolError>;

/// The tool of this name.
pub fn find(name: &str) -> Option<&'static Tool> {
    ALL.iter().copied().find(|tool| tool.name == name)
}

fn parse<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, ToolError> {
    serde_json::from_value(arguments.into()).map_err(|e| ToolError::arguments(&e))
}

fn parse_text<T: DeserializeOwned>(arguments: &str) -> Result<T, ToolError> {
    serde_json::from_str(arguments).map_err(|e| ToolError::arguments(&e))
}

fn input<T: JsonSchema>() -> JsonObject {
    let mut object = schema::of::<T>();
    object.insert("additionalProperties".to_owned(), false.into());
    object
}

fn output<T: JsonSchema>() -> JsonObject {
    schema::of_answer::<T>()
}
