//! The fixtures that need an answer of the client in the style of 2026-07-28: an `input_required` result that the client retries.

use rmcp::{
    ErrorData,
    model::{ClientCapabilities, InputRequiredResult, InputResponses, RequestStateCodec},
};
use serde_json::{Value, json};

/// Either more is needed, or this text is the answer.
pub(crate) enum Round {
    Ask(InputRequiredResult),
    Done(String),
}

/// One round of a call.
pub(crate) struct Call<'c> {
    pub(crate) name: &'c str,
    pub(crate) responses: InputResponses,
    pub(crate) state: Option<String>,
    pub(crate) capabilities: ClientCapabilities,
}

fn elicit(message: &str, field: &str, kind: &str) -> Value {
    json!({"method": "elicitation/create", "params": {"message": message, "requestedSchema": {
        "type": "object", "properties": {field: {"type": kind}}, "required": [field]}}})
}

fn sample(text: &str) -> Value {
    json!({"method": "sampling/createMessage", "params": {
        "messages": [{"role": "user", "content": {"type": "text", "text": text}}], "maxTokens": 100}})
}

fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

fn ask(requests: Value, state: Option<&str>) -> Result<Round, ErrorData> {
    let mut result = json!({"resultType": "input_required", "inputRequests": requests});
    if let Some(state) = state {
        result["requestState"] = state.into();
    }
    serde_json::from_value(result).map(Round::Ask).map_err(|e| ErrorData::internal_error(e.to_string(), None))
}

impl Call<'_> {
    /// Accepted, with this field.
    fn accepted(&self, key: &str, field: &str) -> Option<&Value> {
        let response = self.responses.get(key).filter(|response| response["action"] == "accept")?;
        response["content"].get(field)
    }

    fn has(&self, key: &str) -> bool {
        self.responses.get(key).is_some_and(Value::is_object)
    }

    /// What was sealed; an error when it is not what was given out.
    fn opened(&self, codec: &RequestStateCodec) -> Result<Option<String>, ErrorData> {
        let open = |sealed: &String| codec.open_json(sealed).map_err(|_| ErrorData::invalid_params("this requestState was not given out here", None));
        self.state.as_ref().map(open).transpose()
    }

    /// The next round of the named fixture; none for another.
    pub(crate) fn round(&self, codec: &RequestStateCodec) -> Result<Option<Round>, ErrorData> {
        let seal = |step: &str| codec.seal_json(&step).map_err(|e| ErrorData::internal_error(e.to_string(), None));
        let name = elicit("What is your name?", "name", "string");
        let done = |text: &str| Ok(Round::Done(text.to_owned()));
        let round = match self.name {
            "test_input_required_result_elicitation" | "test_streaming_elicitation" => match self.accepted("user_name", "name").and_then(Value::as_str) {
                Some(name) => done(&format!("Hello, {name}!")),
                None => ask(json!({"user_name": name}), None),
            },
            "test_input_required_result_sampling" if self.has("capital_question") => done("The capital is known"),
            "test_input_required_result_sampling" => ask(json!({"capital_question": sample("What is the capital of France?")}), None),
            "test_input_required_result_list_roots" => match self.responses.get("client_roots").and_then(|r| r["roots"].as_array()) {
                Some(roots) => done(&format!("{} roots", roots.len())),
                None => ask(json!({"client_roots": roots()}), None),
            },
            "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => match self.opened(codec)? {
                Some(_) if self.accepted("confirm", "ok").is_some() => done("state-ok"),
                _ => ask(json!({"confirm": elicit("Please confirm", "ok", "boolean")}), Some(&seal("confirm")?)),
            },
            "test_input_required_result_multiple_inputs" => {
                let all = self.has("user_name") && self.has("greeting") && self.has("client_roots");
                match self.opened(codec)? {
                    Some(_) if all => done("all inputs are there"),
                    _ => ask(json!({"user_name": name, "greeting": sample("Generate a greeting"), "client_roots": roots()}), Some(&seal("all")?)),
                }
            }
            "test_input_required_result_multi_round" => match self.opened(codec)?.as_deref() {
                Some("step1") if self.has("step1") => {
                    ask(json!({"step2": elicit("Step 2: What is your favorite color?", "color", "string")}), Some(&seal("step2")?))
                }
                Some("step2") if self.has("step2") => done("both steps are done"),
                _ => ask(json!({"step1": elicit("Step 1: What is your name?", "name", "string")}), Some(&seal("step1")?)),
            },
            "test_input_required_result_capabilities" => self.by_capabilities(name),
            "test_input_required_result_prompt" if self.has("user_context") => done(""),
            "test_input_required_result_prompt" => ask(json!({"user_context": elicit("What context should the prompt use?", "context", "string")}), None),
            _ => return Ok(None),
        };
        round.map(Some)
    }

    /// Asks only what the client said it can answer.
    fn by_capabilities(&self, name: Value) -> Result<Round, ErrorData> {
        let mut requests = json!({});
        if self.capabilities.elicitation.is_some() {
            requests["user_name"] = name;
        }
        if self.capabilities.sampling.is_some() {
            requests["greeting"] = sample("Generate a greeting");
        }
        let answered = requests.as_object().is_some_and(|requests| requests.keys().all(|key| self.has(key)));
        if answered { Ok(Round::Done("nothing more is needed".to_owned())) } else { ask(requests, None) }
    }
}
