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
        Ok(Self { headline: headline.into(), body, text: None, next_calls: Vec::new(), cut: CutRules::default(), ask: None })
    }

    /// No answer yet: the client is to ask a person.
    pub fn asking(ask: Box<InputRequiredResult>) -> Self {
        Self { headline: String::new(), body: Value::Null, text: None, next_calls: Vec::new(), cut: CutRules::default(), ask: Some(ask) }
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
}

/// The structure and the text as they go out.
pub(super) fn finish(services: &Services, scope: &str, answer: Answer) -> (Value, String) {
    let mut object = match answer.body {
        Value::Object(object) => object,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    object.insert("host".to_owned(), json!(services.host));
    object.insert("scope".to_owned(), json!(scope));
    object.insert("next_calls".to_owned(), json!(answer.next_calls.into_iter().take(next::MOST).collect::<Vec<_>>()));
    let mut whole = Value::Object(object);
    services.clean(&mut whole);
    let Value::Object(mut object) = whole else { unreachable!("an object stays one") };
    let cuts = budget::fit(&mut object, services.output_budget_bytes, answer.cut);
    object.insert("truncated".to_owned(), json!(cuts));
    let headline = services.clean_text(&answer.headline);
    let text = match answer.text {
        Some(text) => format!("{headline}\nhost: {}\nscope: {scope}\n\n{}", services.host, services.clean_text(&text)),
        None => text::outline(&headline, &object),
    };
    (Value::Object(object), fit_text(text, services.output_budget_bytes))
}

/// An error in the same two forms.
pub(super) fn finish_error(services: &Services, error: &ToolError) -> (Value, String) {
    let mut value = json!({ "code": error.code, "message": bound::cut(&error.message, 2_000), "hint": error.hint, "host": services.host });
    services.clean(&mut value);
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let plain = format!("{}: {}\nhint: {}\nhost: {}", text("code"), text("message"), text("hint"), text("host"));
    (value, plain)
}

/// Cut at a line, with a word that it was.
fn fit_text(text: String, budget: usize) -> String {
    if text.len() <= budget {
        return text;
    }
    let front = &text[..text.floor_char_boundary(budget.saturating_sub(80))];
    let front = front.rfind('\n').map_or(front, |at| &front[..at]);
    format!("{front}\n… ({} of {} bytes shown; the structured answer has more)\n", front.len(), text.len())
}
