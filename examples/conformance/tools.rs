//! The fixture tools that do something while they run: notify, ask in the style of 2025-11-25, change lists.

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResult, ClientCapabilities, CustomNotification, CustomRequest, ProgressNotificationParam, ServerNotification,
        ServerRequest,
    },
    service::RequestContext,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{data, server::Change};

/// A value of the protocol's crate from the protocol's own JSON.
pub(crate) fn of<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|e| ErrorData::internal_error(e.to_string(), None))
}

fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// Runs a fixture tool; `changed` tells those who listen.
pub(crate) async fn call(request: &CallToolRequestParams, context: &RequestContext<RoleServer>, changed: impl Fn(Change)) -> Result<CallToolResult, ErrorData> {
    let argument = |name: &str| request.arguments.as_ref().and_then(|all| all.get(name)?.as_str()).unwrap_or_default().to_owned();
    let name = request.name.as_ref();
    let answer = match name {
        "test_tool_with_logging" => with_logging(context).await,
        "test_tool_with_progress" => with_progress(context).await,
        "test_sampling" => {
            let message = json!({"role": "user", "content": {"type": "text", "text": argument("prompt")}});
            let response = ask(context, "sampling/createMessage", json!({"messages": [message], "maxTokens": 100})).await?;
            text(&format!("LLM response: {}", response["content"]["text"].as_str().unwrap_or_default()))
        }
        "test_elicitation" | "test_elicitation_sep1034_defaults" | "test_elicitation_sep1330_enums" => {
            let message = Some(argument("message")).filter(|text| !text.is_empty()).unwrap_or_else(|| "Please answer".to_owned());
            let response = ask(context, "elicitation/create", json!({"message": message, "requestedSchema": data::asked_schema(name)})).await?;
            text(&format!("User response: action={}, content={}", response["action"], response["content"]))
        }
        "test_missing_capability" => {
            if context.client_capabilities().is_none_or(|client| client.sampling.is_none()) {
                #[allow(deprecated, reason = "the capability that the suite leaves out on purpose")]
                return Err(ErrorData::missing_required_client_capability(ClientCapabilities::builder().enable_sampling().build()));
            }
            text("the client can sample")
        }
        "test_trigger_tool_change" | "test_trigger_prompt_change" => {
            changed(if name == "test_trigger_tool_change" { Change::Tools } else { Change::Prompts });
            text("changed")
        }
        _ => data::answer(name).ok_or_else(|| ErrorData::invalid_params("unknown tool", None))?,
    };
    // The constructors add what a revision wants beside the content.
    let content = of(answer["content"].clone())?;
    Ok(if answer["isError"] == true { CallToolResult::error(content) } else { CallToolResult::success(content) })
}

async fn with_logging(context: &RequestContext<RoleServer>) -> Value {
    for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        // By name: the crate's own is deprecated with 2026-07-28, and the revisions before require it.
        let notification = CustomNotification::new("notifications/message", Some(json!({"level": "info", "data": message})));
        let _ = context.peer.send_notification(ServerNotification::CustomNotification(notification)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    text("logged")
}

async fn with_progress(context: &RequestContext<RoleServer>) -> Value {
    for done in [0.0, 50.0, 100.0] {
        if let Some(token) = context.meta.get_progress_token() {
            let _ = context.peer.notify_progress(ProgressNotificationParam::new(token, done).with_total(100.0)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    text("progressed")
}

/// A request to the client, as the revisions before 2026-07-28 have it.
async fn ask(context: &RequestContext<RoleServer>, method: &str, params: Value) -> Result<Value, ErrorData> {
    let able = context
        .client_capabilities()
        .is_some_and(|client| if method == "elicitation/create" { client.elicitation.is_some() } else { client.sampling.is_some() });
    if !able {
        return Err(ErrorData::invalid_request(format!("the client cannot answer {method}"), None));
    }
    let request = ServerRequest::CustomRequest(CustomRequest::new(method, Some(params)));
    let response = context.peer.send_request(request).await.map_err(|e| ErrorData::internal_error(e.to_string(), None))?;
    serde_json::to_value(response).map_err(|e| ErrorData::internal_error(e.to_string(), None))
}
