//! What the fixtures consist of, in the protocol's own JSON.

use serde_json::{Value, json};

/// A red pixel.
pub(crate) const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// A WAV without a sample.
pub(crate) const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

/// Every fixture tool, in the order in which it is listed.
pub(crate) const TOOLS: &[&str] = &[
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_tool_with_logging",
    "test_error_handling",
    "test_tool_with_progress",
    "test_sampling",
    "test_elicitation",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_logging_tool",
    "test_trigger_tool_change",
    "test_trigger_prompt_change",
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
    "test_input_required_result_tampered_state",
    "test_input_required_result_capabilities",
    "json_schema_2020_12_tool",
];

/// A tool's arguments.
pub(crate) fn input_schema(tool: &str) -> Value {
    match tool {
        "test_sampling" => json!({"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}),
        "test_elicitation" => json!({"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}),
        "json_schema_2020_12_tool" => json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
            "properties": {
                "name": {"type": "string"},
                "address": {"$ref": "#/$defs/address"},
                "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                "phone": {"type": "string"},
                "email": {"type": "string"}
            },
            "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
            "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
            "then": {"required": ["phone"]},
            "else": {"required": ["email"]},
            "additionalProperties": false
        }),
        _ => json!({"type": "object", "properties": {}}),
    }
}

/// What a tool answers that does nothing but answer.
pub(crate) fn answer(tool: &str) -> Option<Value> {
    let content = match tool {
        "test_simple_text" => json!([{"type": "text", "text": "This is a simple text response for testing."}]),
        "test_image_content" => json!([{"type": "image", "data": PNG, "mimeType": "image/png"}]),
        "test_audio_content" => json!([{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]),
        "test_embedded_resource" => json!([{"type": "resource", "resource": {
            "uri": "test://embedded-resource", "mimeType": "text/plain", "text": "This is an embedded resource content."}}]),
        "test_multiple_content_types" => json!([
            {"type": "text", "text": "Multiple content types test:"},
            {"type": "image", "data": PNG, "mimeType": "image/png"},
            {"type": "resource", "resource": {
                "uri": "test://mixed-content-resource", "mimeType": "application/json", "text": r#"{"test":"data","value":123}"#}}
        ]),
        "test_error_handling" => {
            return Some(json!({"isError": true, "content": [{"type": "text", "text": "This tool intentionally returns an error for testing"}]}));
        }
        "test_logging_tool" | "json_schema_2020_12_tool" => json!([{"type": "text", "text": "done"}]),
        _ => return None,
    };
    Some(json!({ "content": content }))
}

/// The schema with which a tool of the older style asks the person.
pub(crate) fn asked_schema(tool: &str) -> Value {
    match tool {
        "test_elicitation_sep1034_defaults" => json!({"type": "object", "required": [], "properties": {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            "verified": {"type": "boolean", "default": true}}}),
        "test_elicitation_sep1330_enums" => json!({"type": "object", "required": [], "properties": {
            "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
            "titledSingle": {"type": "string", "oneOf": titled(["First Option", "Second Option", "Third Option"])},
            "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"]},
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
            "titledMulti": {"type": "array", "items": {"anyOf": titled(["First Choice", "Second Choice", "Third Choice"])}}}}),
        _ => json!({"type": "object", "required": ["username", "email"], "properties": {
            "username": {"type": "string", "description": "User's response"},
            "email": {"type": "string", "description": "User's email address"}}}),
    }
}

fn titled(titles: [&str; 3]) -> Value {
    titles.iter().zip(["value1", "value2", "value3"]).map(|(title, value)| json!({"const": value, "title": title})).collect()
}

/// `resources/list`
pub(crate) fn resources() -> Value {
    json!([
        {"uri": "test://static-text", "name": "static-text", "description": "A text", "mimeType": "text/plain"},
        {"uri": "test://static-binary", "name": "static-binary", "description": "A red pixel", "mimeType": "image/png"},
        {"uri": "test://watched-resource", "name": "watched-resource", "description": "Can be subscribed to", "mimeType": "text/plain"}
    ])
}

/// `resources/templates/list`
pub(crate) fn templates() -> Value {
    json!([{"uriTemplate": "test://template/{id}/data", "name": "template", "description": "Data by id", "mimeType": "application/json"}])
}

/// The contents of a resource.
pub(crate) fn read(uri: &str) -> Option<Value> {
    let content = match uri {
        "test://static-text" => json!({"uri": uri, "mimeType": "text/plain", "text": "This is the content of the static text resource."}),
        "test://static-binary" => json!({"uri": uri, "mimeType": "image/png", "blob": PNG}),
        "test://watched-resource" => json!({"uri": uri, "mimeType": "text/plain", "text": "Watched resource content"}),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let text = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")}).to_string();
            json!({"uri": uri, "mimeType": "application/json", "text": text})
        }
    };
    Some(json!([content]))
}

/// `prompts/list`
pub(crate) fn prompts() -> Value {
    let argument = |name: &str| json!({"name": name, "description": "A test argument", "required": true});
    json!([
        {"name": "test_simple_prompt", "description": "A text"},
        {"name": "test_prompt_with_arguments", "description": "A text with arguments", "arguments": [argument("arg1"), argument("arg2")]},
        {"name": "test_prompt_with_embedded_resource", "description": "A resource", "arguments": [argument("resourceUri")]},
        {"name": "test_prompt_with_image", "description": "An image"},
        {"name": "test_input_required_result_prompt", "description": "Asks for a context"}
    ])
}

/// The messages of a prompt.
pub(crate) fn prompt(name: &str, argument: impl Fn(&str) -> String) -> Option<Value> {
    let say = |text: &str| json!({"role": "user", "content": {"type": "text", "text": text}});
    Some(match name {
        "test_simple_prompt" => json!([say("This is a simple prompt for testing.")]),
        "test_prompt_with_arguments" => json!([say(&format!("Prompt with arguments: arg1='{}', arg2='{}'", argument("arg1"), argument("arg2")))]),
        "test_prompt_with_embedded_resource" => json!([
            {"role": "user", "content": {"type": "resource", "resource": {
                "uri": argument("resourceUri"), "mimeType": "text/plain", "text": "Embedded resource content for testing."}}},
            say("Please process the embedded resource above.")
        ]),
        "test_prompt_with_image" => json!([
            {"role": "user", "content": {"type": "image", "data": PNG, "mimeType": "image/png"}},
            say("Please analyze the image above.")
        ]),
        "test_input_required_result_prompt" => json!([say("Prompt with a context")]),
        _ => return None,
    })
}
