//! The rooms' services together.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::Metrics;
use crate::{
    health::Health,
    incident::Classifier,
    logs::Logs,
    playbook::{Facts, Library},
    ports::process,
    recovery::{Actor, Recovery, RecoveryError},
    types::{
        bound,
        issue::{self, IssueType},
        lang::Lang,
        redact::Redactor,
        sanitise::{is_plain, sanitise},
    },
};

/// What the faces (MCP, command line) work with; put together by the composition root.
pub struct Services {
    /// The name of this machine in answers.
    pub host: String,
    /// The language of texts where a caller names none.
    pub lang: Lang,
    /// The largest structured answer, and the largest text, in bytes.
    pub output_budget_bytes: usize,
    /// How long a person in the client has to answer.
    pub elicitation_timeout: Duration,
    /// Takes secrets out of every answer.
    pub redactor: Arc<Redactor>,
    /// Judges incidents.
    pub classifier: Classifier,
    /// Runs checks.
    pub health: Health,
    /// Reads logs.
    pub logs: Arc<Logs>,
    /// Knows playbooks.
    pub playbooks: Library,
    /// Acts.
    pub recovery: Recovery,
    /// Counts calls.
    pub metrics: Metrics,
}

impl Services {
    /// The configured facts of a target, for its playbooks.
    ///
    /// # Errors
    /// A name that is not in the inventory.
    pub fn facts(&self, target: Option<&str>) -> Result<Facts, RecoveryError> {
        let Some(name) = target else { return Ok(Facts::default()) };
        let target = self.recovery.target(name)?;
        Ok(Facts { target: Some(target.name.to_string()), values: target.facts.clone() })
    }

    /// The id of a playbook, also by the issue type that leads to it.
    pub fn playbook_id<'i>(&self, id: &'i str) -> &'i str {
        let known = |id: &str| self.playbooks.ids().contains(&id);
        match id.parse::<IssueType>() {
            Ok(issue) if !known(id) => issue::playbook_for(issue),
            _ => id,
        }
    }

    /// Who acts through this process.
    pub fn actor(&self, via: &str, client: Option<String>) -> Actor {
        let untrusted_client = client.map(|name| bound::cut(&self.clean_text(&name), 100));
        Actor { via: via.to_owned(), os_user: process::os_user(), principal: None, untrusted_client }
    }

    /// A text without secrets and hostile characters.
    pub fn clean_text(&self, text: &str) -> String {
        sanitise(&self.redactor.redact(text)).into_owned()
    }

    /// Cleans every string of an answer; keys too, since they may be names from outside.
    pub fn clean(&self, value: &mut Value) {
        // Nearly every answer is clean, and one look at all its texts together tells so faster than a look at each.
        let mut all = String::with_capacity(4_096);
        collect(value, &mut all);
        if !(is_plain(&all) && self.redactor.is_clean(&all)) {
            self.clean_each(value);
        }
    }

    fn clean_each(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.clean_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_each(item)),
            Value::Object(object) => {
                *object = std::mem::take(object)
                    .into_iter()
                    .map(|(key, mut item)| {
                        self.clean_each(&mut item);
                        (self.clean_text(&key), item)
                    })
                    .collect();
            }
            _ => {}
        }
    }
}

/// Every string of a value, keys included, each on a line of its own.
fn collect(value: &Value, all: &mut String) {
    match value {
        Value::String(text) => {
            all.push_str(text);
            all.push('\n');
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, all)),
        Value::Object(object) => object.iter().for_each(|(key, item)| {
            all.push_str(key);
            all.push('\n');
            collect(item, all);
        }),
        _ => {}
    }
}
