//! The prompts: one file each, one line in [`ALL`]; their texts are in the folder `prompts/` of the project, in both languages.
//!
//! **Invariant:** what a caller, a log or a server said stands in a text only inside a fence that it cannot close, with its name on it, shortened, and
//! without secrets and hostile characters.

mod review_health;
mod run_drill;
mod shared;
mod triage_incident;
mod write_postmortem;

use std::collections::{BTreeMap, HashMap};

use futures::future::BoxFuture;
use minijinja::Value;
use rmcp::{
    ErrorData, RoleServer,
    model::{
        GetPromptRequestParams, GetPromptResult, JsonObject, ListPromptsResult, PaginatedRequestParams, Prompt as Listed, PromptArgument, PromptMessage, Role,
    },
    service::RequestContext,
};

use super::{
    Hub, ToolError,
    completions::{self, Source},
    content, parts,
};
use crate::{
    flows::Services,
    types::{ids::OperationId, lang::Lang},
};
use shared::{fence, render};

/// Every prompt, in the order in which lists show them.
pub(super) const ALL: &[&Prompt] = &[&triage_incident::PROMPT, &review_health::PROMPT, &write_postmortem::PROMPT, &run_drill::PROMPT];

/// What an answer takes beside its text.
const ENVELOPE_BYTES: usize = 512;
/// How long untrusted texts may be, in the order in which it is tried to make all of it fit.
const CAPS: [usize; 5] = [4_000, 2_000, 1_000, 400, 120];

/// What is looked at of an argument.
const MOST_GIVEN_BYTES: usize = 16_384;

/// A text in both languages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    en: &'static str,
    zh: &'static str,
}

impl Text {
    fn pick(self, lang: Lang) -> &'static str {
        lang.pick(self.en, self.zh)
    }
}

/// A prompt: arguments in, one message out.
pub(super) struct Prompt {
    /// snake_case, verb_noun.
    pub(super) name: &'static str,
    title: Text,
    description: Text,
    /// What it takes.
    pub(super) arguments: &'static [Argument],
    /// Its text: a template.
    text: Text,
    /// What its text needs beside the arguments.
    facts: for<'r> fn(&'r Services, &'r Given) -> BoxFuture<'r, Result<Facts, ToolError>>,
}

/// An argument of a prompt.
pub(super) struct Argument {
    /// Its name.
    pub(super) name: &'static str,
    description: Text,
    required: bool,
    /// What may be proposed for it.
    pub(super) source: Source,
    /// Whether it is free text, and so untrusted; otherwise it must be one of its source's values.
    free: bool,
}

/// Arguments as they were given, by name.
type Given = BTreeMap<&'static str, String>;
/// What a template's variables stand for.
type Facts = BTreeMap<&'static str, Fact>;

/// What a variable stands for.
enum Fact {
    /// Ours, or configured.
    Plain(Value),
    /// Somebody's words.
    Untrusted(String),
}

/// A prompt that needs nothing beside its arguments.
fn nothing<'r>(_services: &'r Services, _given: &'r Given) -> BoxFuture<'r, Result<Facts, ToolError>> {
    Box::pin(std::future::ready(Ok(Facts::new())))
}

/// The prompt of this name.
///
/// # Errors
/// There is none.
pub(super) fn find(name: &str) -> Result<&'static Prompt, ToolError> {
    ALL.iter().copied().find(|prompt| prompt.name == name).ok_or_else(|| {
        let known: Vec<&str> = ALL.iter().map(|prompt| prompt.name).collect();
        ToolError::new("unknown_prompt", "unknown prompt", format!("the ones there are: {}", known.join(", ")))
    })
}

/// `prompts/list`
pub(super) fn list(hub: &Hub, request: Option<PaginatedRequestParams>, context: &RequestContext<RoleServer>) -> Result<ListPromptsResult, ErrorData> {
    let lang = hub.services.lang;
    let all = ALL.iter().map(|prompt| {
        let arguments = prompt.arguments.iter().map(|a| PromptArgument::new(a.name).with_description(a.description.pick(lang)).with_required(a.required));
        Listed::new(prompt.name, Some(prompt.description.pick(lang)), Some(arguments.collect())).with_title(prompt.title.pick(lang))
    });
    let (page, next) = content::page("prompts", request, all.collect())?;
    let mut result = ListPromptsResult::with_all_items(page);
    result.next_cursor = next;
    (result.ttl_ms, result.cache_scope) = content::freshness(context, content::LIST_FRESH_MS);
    Ok(result)
}

/// `prompts/get`
///
/// # Errors
/// A prompt, an argument or a value that does not exist.
pub(super) async fn get(hub: &Hub, request: GetPromptRequestParams) -> Result<GetPromptResult, ToolError> {
    let services = &hub.services;
    let prompt = find(&request.name)?;
    let given = arguments(services, prompt, request.arguments.unwrap_or_default()).await?;
    let mut facts = (prompt.facts)(services, &given).await?;
    facts.insert("host", Fact::Plain(services.clean_text(&services.host).into()));
    for argument in prompt.arguments {
        let fact = match given.get(argument.name) {
            None => Fact::Plain(Value::from(())),
            Some(text) if argument.free => Fact::Untrusted(text.clone()),
            Some(text) => Fact::Plain(text.clone().into()),
        };
        facts.entry(argument.name).or_insert(fact);
    }
    let text = fitting(services, prompt.text.pick(services.lang), &facts)?;
    let message = PromptMessage::new_text(Role::User, text);
    Ok(GetPromptResult::new(vec![message]).with_description(prompt.description.pick(services.lang)))
}

/// Reads the arguments: strings that are known by name, required ones among them, chosen ones real.
async fn arguments(services: &Services, prompt: &Prompt, given: JsonObject) -> Result<Given, ToolError> {
    let wrong = |message: String, hint: String| ToolError::new("invalid_input", message, hint);
    let names = || prompt.arguments.iter().map(|argument| argument.name).collect::<Vec<_>>().join(", ");
    let mut known = Given::new();
    for (name, value) in given {
        let argument = prompt.arguments.iter().find(|argument| argument.name == name);
        let argument = argument.ok_or_else(|| wrong("there is no such argument".to_owned(), format!("the ones there are: {}", names())))?;
        let serde_json::Value::String(text) = value else {
            return Err(wrong(format!("{} is no text", argument.name), "arguments of prompts are strings".to_owned()));
        };
        if text.trim().is_empty() {
            // Some clients send a field that was left empty.
            continue;
        }
        if !argument.free {
            choose(services, argument, &text).await?;
        }
        // Far more than is shown, so that nothing is cut before it was redacted, and no more than is worth redacting.
        known.insert(argument.name, crate::types::bound::cut(&text, MOST_GIVEN_BYTES));
    }
    match prompt.arguments.iter().find(|argument| argument.required && !known.contains_key(argument.name)) {
        Some(missing) => Err(wrong(format!("{} is missing", missing.name), format!("the arguments are: {}", names()))),
        None => Ok(known),
    }
}

async fn choose(services: &Services, argument: &Argument, text: &str) -> Result<(), ToolError> {
    let no = |hint: String| ToolError::new("invalid_input", format!("{} has a value that there is not", argument.name), hint);
    if argument.source == Source::Operation {
        return text.parse::<OperationId>().map(drop).map_err(|e| no(e.clone()));
    }
    let all = completions::values(services, argument.source, &HashMap::new()).await?;
    if all.iter().any(|value| value == text) {
        return Ok(());
    }
    let known = if all.is_empty() { "nothing is configured that it could be".to_owned() } else { format!("write one of {}", all.join(", ")) };
    Err(no(known))
}

/// The text with what was said shortened until all of it fits the budget.
fn fitting(services: &Services, template: &str, facts: &Facts) -> Result<String, ToolError> {
    let room = services.output_budget_bytes.saturating_sub(ENVELOPE_BYTES);
    let mut text = String::new();
    for cap in CAPS {
        let values = facts.iter().map(|(name, fact)| {
            let value = match fact {
                Fact::Plain(value) => value.clone(),
                Fact::Untrusted(said) => fence(name, &services.clean_text(said), cap).into(),
            };
            (*name, value)
        });
        text = render(template, values.collect())?;
        if parts::escaped_len(&text) <= room {
            return Ok(text);
        }
    }
    Ok(crate::types::bound::cut(&text, room / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text says the same things whatever the language, and fits the smallest budget without arguments.
    #[test]
    fn texts_name_the_same_tools_and_are_safe_to_follow() {
        let tools = |text: &str| crate::mcp::tools::ALL.iter().filter(|tool| text.contains(tool.name)).map(|tool| tool.name).collect::<Vec<_>>();
        for prompt in ALL {
            let (en, zh) = (prompt.text.en, prompt.text.zh);
            assert_eq!(tools(en), tools(zh), "{}", prompt.name);
            for text in [en, zh] {
                assert!(text.contains("unknown") && text.contains("untrusted_"), "{}: unknown is an answer, and data is data", prompt.name);
                let plan = text.find("plan_recovery").unwrap_or(usize::MAX);
                assert!(text.find("trigger_recovery").is_none_or(|at| plan < at), "{}: plan before trigger", prompt.name);
                assert!(!["MUST", "NEVER", "IMPORTANT", "必须立即"].iter().any(|threat| text.contains(threat)), "{}", prompt.name);
                assert!(parts::escaped_len(text) < 3_400, "{}: {} bytes", prompt.name, parts::escaped_len(text));
            }
        }
    }

    #[test]
    fn every_template_can_be_filled_with_and_without_arguments() {
        for prompt in ALL {
            let own: Vec<&'static str> = prompt.arguments.iter().map(|argument| argument.name).collect();
            let more = ["host", "target", "timeline", "untrusted_record"].into_iter().filter(|name| !own.contains(name));
            let names: Vec<&'static str> = own.iter().copied().chain(more).collect();
            for text in [prompt.text.en, prompt.text.zh] {
                let filled = |with: &dyn Fn(&str) -> bool| {
                    let value = |name: &str| if with(name) { Value::from(format!("<{name}>")) } else { Value::from(()) };
                    render(text, names.iter().map(|name| (*name, value(name))).collect()).unwrap_or_else(|e| panic!("{}: {e:?}", prompt.name))
                };
                let (full, given, bare) = (filled(&|_| true), filled(&|name| own.contains(&name)), filled(&|_| false));
                own.iter().for_each(|name| assert!(given.contains(&format!("<{name}>")), "{} does not use {name}", prompt.name));
                for text in [full, given, bare] {
                    assert!(!text.contains("{%") && !text.contains("{{") && !text.contains("\n\n\n"), "{}: {text}", prompt.name);
                }
            }
        }
    }
}
