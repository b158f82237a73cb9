//! Finishes an answer: host and next calls added, secrets and hostile characters taken out, cut to the budget, text beside the structure.

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
}

impl Answer {
    /// An answer from a serialisable body.
    ///
    /// # Errors
    /// `internal` when the body is no JSON object, which is a defect.
    pub fn new(headline: impl Into<String>, body: &impl Serialize) -> Result<Self, ToolError> {
        let body = serde_json::to_value(body).map_err(|e| ToolError::new("internal", e.to_string(), "report this defect"))?;
        Ok(Self { headline: headline.into(), body, text: None, next_calls: Vec::new(), cut: CutRules::default() })
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
    /// The resource that holds the whole result, for resources/read; absent when nothing was shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    full_result: Option<String>,
}

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
    let budget = services.output_budget_bytes;
    let mut full_result = (budget::size(&whole) > budget - FULL_RESULT_BYTES).then(|| keep(&whole));
    let Value::Object(mut object) = whole else { unreachable!("an object stays one") };
    if let Some(uri) = &full_result {
        object.insert("full_result".to_owned(), json!(uri));
    }
    let cuts = budget::fit(&mut object, budget, answer.cut);
    object.insert("truncated".to_owned(), json!(cuts));
    let headline = services.clean_text(&answer.headline);
    let text = match answer.text {
        Some(text) => format!("{headline}\nhost: {}\nscope: {scope}\n\n{}", services.host, services.clean_text(&text)),
        None => text::outline(&headline, &object),
    };
    if text.len() > budget && full_result.is_none() {
        // The structure is whole: there was room in it for the name of what the text leaves out.
        let uri = full_result.insert(keep(&Value::Object(object.clone())));
        object.insert("full_result".to_owned(), json!(uri));
    }
    (Value::Object(object), fit_text(text, budget, full_result.as_deref()))
}

/// An error in the same two forms.
pub(super) fn finish_error(services: &Services, error: &ToolError) -> (Value, String) {
    let mut value = json!({ "code": error.code, "message": bound::cut(&error.message, 2_000), "hint": error.hint, "host": services.host });
    services.clean(&mut value);
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let plain = format!("{}: {}\nhint: {}\nhost: {}", text("code"), text("message"), text("hint"), text("host"));
    (value, plain)
}

/// Cut at a line, with a word that it was and where all of it is.
fn fit_text(text: String, budget: usize, full_result: Option<&str>) -> String {
    let room = budget.saturating_sub(2 * FULL_RESULT_BYTES);
    let named = full_result.is_none_or(|uri| text.contains(uri));
    if text.len() <= budget && (named || text.len() <= room) {
        let end = full_result.filter(|_| !named).map(|uri| format!("\nfull_result: {uri}\n"));
        return text + &end.unwrap_or_default();
    }
    let front = &text[..text.floor_char_boundary(room)];
    let front = front.rfind('\n').map_or(front, |at| &front[..at]);
    format!("{front}\n… ({} of {} bytes shown)\nfull_result: {}\n", front.len(), text.len(), full_result.unwrap_or("none"))
}
