//! Finishes an answer: host and next calls added, secrets and hostile characters taken out, cut to the budget, text beside the structure.

use rmcp::model::InputRequiredResult;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{CutRules, ToolError, budget, text};
use crate::{
    flows::{NextCall, Services, next},
    types::bound,
};

/// What a tool gives to be finished.
pub struct Answer {
    /// One line that says the most important.
    pub headline: String,
    /// The facts: a type with an object schema.
    pub body: Value,
    /// Text that reads better than the outline, such as Markdown.
    pub text: Option<String>,
    /// What to call next; the first three are kept.
    pub next_calls: Vec<NextCall>,
    /// What goes first when the answer is too long.
    pub cut: CutRules,
    /// The resource that holds all of it, where there is one that does not have to be kept for it.
    pub whole_at: Option<String>,
    /// What the client is to ask a person before it repeats the call; then nothing else counts.
    pub ask: Option<Box<InputRequiredResult>>,
}

impl Answer {
    /// An answer from a serialisable body.
    ///
    /// # Errors
    /// `internal` when the body is no JSON object, which is a defect.
    pub fn new(headline: impl Into<String>, body: &impl Serialize) -> Result<Self, ToolError> {
        let body = serde_json::to_value(body).map_err(|e| ToolError::new("internal", e.to_string(), "report this defect"))?;
        Ok(Self { headline: headline.into(), body, text: None, next_calls: Vec::new(), cut: CutRules::default(), whole_at: None, ask: None })
    }

    /// No answer yet: the client is to ask a person.
    pub fn asking(ask: Box<InputRequiredResult>) -> Self {
        Self { headline: String::new(), body: Value::Null, text: None, next_calls: Vec::new(), cut: CutRules::default(), whole_at: None, ask: Some(ask) }
    }

    /// Adds suggestions.
    #[must_use]
    pub fn next(mut self, calls: impl IntoIterator<Item = NextCall>) -> Self {
        self.next_calls.extend(calls);
        self
    }

    /// Says what goes first when the answer is too long. Without it the longest list does.
    #[must_use]
    pub fn cut_first(mut self, rules: CutRules) -> Self {
        self.cut = rules;
        self
    }
}

/// What the protocol itself puts around structure and text, at the most.
const ENVELOPE_BYTES: usize = 512;
/// Of the room for an answer the structure gets at most three parts of five, and the text what is left: it repeats the same facts.
const STRUCTURE_PARTS: usize = 3;
const PARTS: usize = 5;

/// What every answer has beside its own facts.
#[derive(Serialize, JsonSchema)]
pub(super) struct Common {
    /// The machine that answers.
    host: String,
    /// What the answer speaks of.
    scope: String,
    /// At most three calls worth making next.
    next_calls: Vec<NextCall>,
    /// What was shortened to fit the budget; empty when nothing was.
    truncated: Vec<budget::Truncation>,
    /// The resource that holds the whole result, for resources/read; absent when nothing was shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    full_result: Option<String>,
}

/// The longest message of an error: escaped twice it still fits the smallest budget.
const MESSAGE_BYTES: usize = 600;
/// What naming the whole result takes.
const FULL_RESULT_BYTES: usize = 100;

/// The structure and the text as they go out. What does not fit is given to `keep` as a whole, which says where it can be read.
pub(super) fn finish(services: &Services, scope: &str, answer: Answer, keep: impl Fn(&Value) -> String) -> (Value, String) {
    let mut object = match answer.body {
        Value::Object(object) => object,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    object.insert("host".to_owned(), json!(services.host));
    object.insert("scope".to_owned(), json!(scope));
    object.insert("next_calls".to_owned(), json!(answer.next_calls.into_iter().take(next::MOST).collect::<Vec<_>>()));
    let mut whole = Value::Object(object);
    services.clean(&mut whole);
    let room = services.output_budget_bytes.saturating_sub(ENVELOPE_BYTES);
    let for_structure = room * STRUCTURE_PARTS / PARTS;
    let keep = |whole: &Value| answer.whole_at.clone().unwrap_or_else(|| keep(whole));
    let size = budget::size(&whole);
    let mut full_result = (size > for_structure.saturating_sub(FULL_RESULT_BYTES)).then(|| keep(&whole));
    let Value::Object(mut object) = whole else { unreachable!("an object stays one") };
    let mut cuts = Vec::new();
    if let Some(uri) = &full_result {
        object.insert("full_result".to_owned(), json!(uri));
        cuts = budget::fit(&mut object, for_structure, answer.cut);
    }
    object.insert("truncated".to_owned(), json!(cuts));
    let headline = services.clean_text(&answer.headline);
    let text = match answer.text {
        Some(text) => format!("{headline}\nhost: {}\nscope: {scope}\n\n{}", services.host, services.clean_text(&text)),
        None => text::outline(&headline, &object),
    };
    // What is whole grew by an empty list only.
    let taken = if full_result.is_some() { budget::size(&object) } else { size + FULL_RESULT_BYTES };
    if full_result.is_none() && !fits(&text, room.saturating_sub(taken)) {
        // The structure is whole: there was room in it for the name of what the text leaves out.
        let uri = full_result.insert(keep(&Value::Object(object.clone())));
        object.insert("full_result".to_owned(), json!(uri));
    }
    (Value::Object(object), fit_text(text, room.saturating_sub(taken), full_result.as_deref()))
}

/// An error as JSON, which people, models and programs can read.
pub(super) fn finish_error(services: &Services, error: &ToolError) -> String {
    let message = bound::cut(&services.clean_text(&error.message), MESSAGE_BYTES);
    let mut value = json!({ "code": error.code, "message": message, "hint": error.hint, "host": services.host });
    services.clean(&mut value);
    format!("{value:#}")
}

/// Whether a text takes no more than so many bytes as JSON writes it.
fn fits(text: &str, room: usize) -> bool {
    // An escape takes six bytes at the most.
    text.len() * 6 <= room || budget::size(text) <= room
}

/// Cut at a line until it fits as JSON writes it, with a word that it was and where all of it is.
fn fit_text(text: String, room: usize, full_result: Option<&str>) -> String {
    let named = full_result.is_none_or(|uri| text.contains(uri));
    let end = full_result.filter(|_| !named).map(|uri| format!("full_result: {uri}\n")).unwrap_or_default();
    if fits(&text, room.saturating_sub(end.len())) {
        return text + &end;
    }
    let end = full_result.map(|uri| format!("full_result: {uri}\n")).unwrap_or_default();
    let mut keep = text.len();
    loop {
        let front = &text[..text.floor_char_boundary(keep)];
        let front = front.rfind('\n').map_or(front, |at| &front[..at]);
        let cut = format!("{front}\n… ({} of {} bytes shown)\n{end}", front.len(), text.len());
        let size = budget::size(cut.as_str());
        if size <= room || front.is_empty() {
            return cut;
        }
        keep = front.len().min(keep.saturating_sub(size - room)).min(keep.saturating_sub(1));
    }
}
