//! Finishes an answer: host and next calls added, secrets and hostile characters taken out, cut to the budget, text beside the structure.

use rmcp::model::InputRequiredResult;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{CutRules, ToolError, budget, text};
use crate::{
    flows::{NextCall, Services, next},
    types::{bound, sanitise::is_plain},
};

/// What has nothing in it but numbers, words of ours, and words of the configuration that were cleaned when it was read: none of a caller, a log or
/// a server.
pub trait OwnWords: Serialize {}

/// What a tool gives to be finished.
pub struct Answer {
    /// One line that says the most important.
    pub headline: String,
    /// The facts: a JSON object.
    pub body: String,
    /// Text that reads better than the outline, such as Markdown.
    pub text: Option<String>,
    /// What to call next; the first three are kept.
    pub next_calls: Vec<NextCall>,
    /// What goes first when the answer is too long.
    pub cut: CutRules,
    /// The resource that holds all of it, where there is one that does not have to be kept for it.
    pub whole_at: Option<String>,
    /// The body is of [`OwnWords`], and so is the headline.
    own_words: bool,
    /// What the client is to ask a person before it repeats the call; then nothing else counts.
    pub ask: Option<Box<InputRequiredResult>>,
}

impl Answer {
    /// An answer from a serialisable body.
    ///
    /// # Errors
    /// `internal` when the body is no JSON object, which is a defect.
    pub fn new(headline: impl Into<String>, body: &impl Serialize) -> Result<Self, ToolError> {
        let defect = |why: String| ToolError::new("internal", why, "report this defect");
        // Growing step by step would copy all of it several times.
        let mut json = Vec::with_capacity(4_096);
        serde_json::to_writer(&mut json, body).map_err(|error| defect(error.to_string()))?;
        let body = String::from_utf8(json).map_err(|error| defect(error.to_string()))?;
        if !body.starts_with('{') {
            return Err(defect("the answer is no object".to_owned()));
        }
        Ok(Self { headline: headline.into(), body, text: None, next_calls: Vec::new(), cut: CutRules::default(), whole_at: None, own_words: false, ask: None })
    }

    /// The same, from a body and a headline that no call need look at for secrets.
    ///
    /// # Errors
    /// As [`Answer::new`].
    pub fn of_own_words(headline: impl Into<String>, body: &impl OwnWords) -> Result<Self, ToolError> {
        Ok(Self { own_words: true, ..Self::new(headline, body)? })
    }

    /// No answer yet: the client is to ask a person.
    pub fn asking(ask: Box<InputRequiredResult>) -> Self {
        Self {
            headline: String::new(),
            body: String::new(),
            text: None,
            next_calls: Vec::new(),
            cut: CutRules::default(),
            whole_at: None,
            own_words: false,
            ask: Some(ask),
        }
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

/// An answer as it goes out.
pub(super) struct Finished {
    /// A JSON object.
    pub(super) structure: String,
    /// The same in words.
    pub(super) text: String,
}

/// The answer as it goes out. What does not fit is given to `keep` as a whole, which says where it can be read.
pub(super) fn finish(services: &Services, scope: &str, answer: Answer, keep: impl Fn(&str) -> String) -> Finished {
    let whole = match at_once(services, scope, &answer) {
        Ok(finished) => return finished,
        Err(whole) => whole,
    };
    let uri = answer.whole_at.clone().unwrap_or_else(|| keep(&whole));
    let structure = if whole.len() > for_whole_structure(services) {
        let Value::Object(mut object) = parsed(&whole) else { unreachable!("an object stays one") };
        object.insert("full_result".to_owned(), json!(uri));
        let cuts = budget::fit(&mut object, for_structure(services), answer.cut);
        object.insert("truncated".to_owned(), json!(cuts));
        Value::Object(object).to_string()
    } else {
        // There was room in it for the name of what the text leaves out.
        let mut whole = whole;
        with(&mut whole, "full_result", &uri);
        whole
    };
    let text = fit_text(text(services, scope, &answer, &structure), room(services).saturating_sub(structure.len()), &uri);
    Finished { structure, text }
}

/// The answer as it goes out, if all of it fits.
///
/// # Errors
/// It does not: its whole structure.
pub(super) fn at_once(services: &Services, scope: &str, answer: &Answer) -> Result<Finished, String> {
    let structure = structure(services, scope, answer);
    let finished = clean_as_it_is(services, answer, structure).unwrap_or_else(|structure| {
        let structure = cleaned(services, &structure);
        let text = if structure.len() > for_whole_structure(services) { String::new() } else { text(services, scope, answer, &structure) };
        Finished { structure, text }
    });
    let size = finished.structure.len();
    // As if it named a whole result: whatever fits without must fit with it.
    let fits = size <= for_whole_structure(services) && fits(&finished.text, room(services).saturating_sub(size + FULL_RESULT_BYTES));
    if fits { Ok(finished) } else { Err(finished.structure) }
}

/// The body with what every answer has.
fn structure(services: &Services, scope: &str, answer: &Answer) -> String {
    let mut structure = String::with_capacity(answer.body.len() + 1_024);
    structure.push_str(&answer.body);
    with(&mut structure, "host", &services.host);
    with(&mut structure, "scope", scope);
    with(&mut structure, "next_calls", &answer.next_calls[..answer.next_calls.len().min(next::MOST)]);
    with(&mut structure, "truncated", &[(); 0]);
    structure
}

/// An answer that has nothing to clean and nothing to cut, as most that are short: one look at the outline tells, since each string of the structure
/// stands in it. Of escapes and of what is not ASCII that cannot be said. Where the body is of our own words, what was added to it is looked at.
///
/// # Errors
/// It cannot be told: the structure.
fn clean_as_it_is(services: &Services, answer: &Answer, structure: String) -> Result<Finished, String> {
    let clean = |text: &str| is_plain(text) && services.redactor.is_clean(text);
    let plain = |json: &str| is_plain(json) && memchr::memchr(b'\\', json.as_bytes()).is_none();
    let looked_at = if answer.own_words { &structure[answer.body.len() - 1..] } else { &structure };
    if answer.text.is_some() || !plain(looked_at) || structure.len() > for_whole_structure(services) {
        return Err(structure);
    }
    let text = text::outline(&answer.headline, &structure);
    if clean(if answer.own_words { looked_at } else { &text }) { Ok(Finished { structure, text }) } else { Err(structure) }
}

/// What structure and text may take together.
fn room(services: &Services) -> usize {
    services.output_budget_bytes.saturating_sub(ENVELOPE_BYTES)
}

/// What of it the structure may take.
fn for_structure(services: &Services) -> usize {
    room(services) * STRUCTURE_PARTS / PARTS
}

/// A structure up to this is given whole; there is still room in it to name where it can be read.
fn for_whole_structure(services: &Services) -> usize {
    for_structure(services).saturating_sub(FULL_RESULT_BYTES)
}

/// Adds a member to a JSON object.
fn with(object: &mut String, key: &str, value: &(impl Serialize + ?Sized)) {
    object.pop();
    object.push_str(if object.len() > 1 { ",\"" } else { "\"" });
    object.push_str(key);
    object.push_str("\":");
    object.push_str(&serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()));
    object.push('}');
}

/// What was written a moment ago.
pub(super) fn parsed(json: &str) -> Value {
    serde_json::from_str(json).expect("what serde_json wrote is JSON")
}

fn cleaned(services: &Services, structure: &str) -> String {
    let mut value = parsed(structure);
    services.clean(&mut value);
    value.to_string()
}

fn text(services: &Services, scope: &str, answer: &Answer, structure: &str) -> String {
    let headline = services.clean_text(&answer.headline);
    match &answer.text {
        Some(text) => format!("{headline}\nhost: {}\nscope: {scope}\n\n{}", services.host, services.clean_text(text)),
        None => text::outline(&headline, structure),
    }
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
fn fit_text(text: String, room: usize, full_result: &str) -> String {
    let named = format!("full_result: {full_result}\n");
    let end = if text.contains(full_result) { "" } else { &named };
    if fits(&text, room.saturating_sub(end.len())) {
        return text + end;
    }
    let mut keep = text.len();
    loop {
        let front = &text[..text.floor_char_boundary(keep)];
        let front = front.rfind('\n').map_or(front, |at| &front[..at]);
        let cut = format!("{front}\n… ({} of {} bytes shown)\n{named}", front.len(), text.len());
        let size = budget::size(cut.as_str());
        if size <= room || front.is_empty() {
            return cut;
        }
        keep = front.len().min(keep.saturating_sub(size - room)).min(keep.saturating_sub(1));
    }
}
