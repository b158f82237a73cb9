//! The product's server with the fixtures beside its own tools, resources and prompts.

use opsmedic::mcp::Server;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::*,
    service::{RequestContext, SubscriptionContext},
};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::{
    data,
    input_required::{Call, Round},
    tools::{self, of},
};

/// What may change while somebody listens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Tools,
    Prompts,
}

/// Tells everybody who listens of changes.
#[derive(Clone)]
pub(crate) struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::channel(16).0)
    }
}

/// The server and the fixtures.
#[derive(Clone)]
pub(crate) struct Fixtures {
    product: Server,
    changes: Changes,
    codec: RequestStateCodec,
}

impl Fixtures {
    pub(crate) fn new(product: Server, changes: &Changes) -> Self {
        let key = [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()].concat();
        let codec = RequestStateCodec::try_new(key).expect("32 bytes are enough");
        Self { product, changes: changes.clone(), codec }
    }

    fn round(
        &self,
        name: &str,
        responses: Option<InputResponses>,
        state: Option<String>,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<Round>, ErrorData> {
        let capabilities = context.client_capabilities().unwrap_or_default();
        Call { name, responses: responses.unwrap_or_default(), state, capabilities }.round(&self.codec)
    }
}

fn not_found(uri: &str) -> ErrorData {
    ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": uri })))
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let mut info = self.product.get_info();
        info.capabilities = of(json!({
            "tools": {"listChanged": true}, "prompts": {"listChanged": true}, "resources": {"subscribe": true}, "logging": {}, "completions": {}
        }))
        .unwrap_or_default();
        info
    }

    async fn list_tools(&self, request: Option<PaginatedRequestParams>, context: RequestContext<RoleServer>) -> Result<ListToolsResult, ErrorData> {
        let mut result = self.product.list_tools(request, context).await?;
        for name in data::TOOLS {
            result.tools.push(of(json!({"name": name, "description": "A fixture", "inputSchema": data::input_schema(name)}))?);
        }
        Ok(result)
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        if !data::TOOLS.contains(&request.name.as_ref()) {
            return self.product.call_tool(request, context).await;
        }
        match self.round(&request.name, request.input_responses.clone(), request.request_state.clone(), &context)? {
            Some(Round::Ask(result)) => Ok(result.into()),
            Some(Round::Done(text)) => Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into()),
            None => Ok(tools::call(&request, &context, |change| drop(self.changes.0.send(change))).await?.into()),
        }
    }

    async fn list_resources(&self, _request: Option<PaginatedRequestParams>, _context: RequestContext<RoleServer>) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(of(data::resources())?))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(of(data::templates())?))
    }

    async fn read_resource(&self, request: ReadResourceRequestParams, _context: RequestContext<RoleServer>) -> Result<ReadResourceResponse, ErrorData> {
        let contents = data::read(&request.uri).ok_or_else(|| not_found(&request.uri))?;
        Ok(ReadResourceResponse::Complete(ReadResourceResult::new(of(contents)?)))
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        data::read(&request.uri).map(drop).ok_or_else(|| not_found(&request.uri))
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, _context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        data::read(&request.uri).map(drop).ok_or_else(|| not_found(&request.uri))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes.0.subscribe();
        loop {
            let change = tokio::select! {
                () = context.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            // Somebody else's filter keeps a change out; that is no trouble of this stream.
            let _ = match change {
                Ok(Change::Tools) => context.sink().notify_tool_list_changed().await,
                Ok(Change::Prompts) => context.sink().notify_prompt_list_changed().await,
                Err(_) => continue,
            };
        }
    }

    async fn list_prompts(&self, _request: Option<PaginatedRequestParams>, _context: RequestContext<RoleServer>) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(of(data::prompts())?))
    }

    async fn get_prompt(&self, request: GetPromptRequestParams, context: RequestContext<RoleServer>) -> Result<GetPromptResponse, ErrorData> {
        if let Some(Round::Ask(result)) = self.round(&request.name, request.input_responses.clone(), request.request_state.clone(), &context)? {
            return Ok(result.into());
        }
        let argument = |name: &str| request.arguments.as_ref().and_then(|all| all.get(name)).and_then(text_of).unwrap_or_default();
        let messages = data::prompt(&request.name, argument).ok_or_else(|| ErrorData::invalid_params("unknown prompt", None))?;
        Ok(GetPromptResponse::Complete(GetPromptResult::new(of(messages)?)))
    }

    async fn complete(&self, request: CompleteRequestParams, _context: RequestContext<RoleServer>) -> Result<CompleteResult, ErrorData> {
        let values = ["test", "testing"].iter().filter(|value| value.starts_with(&request.argument.value)).map(ToString::to_string).collect();
        CompletionInfo::with_all_values(values).map(CompleteResult::new).map_err(|e| ErrorData::internal_error(e, None))
    }

    #[allow(deprecated, reason = "deprecated by 2026-07-28, required by the revisions before")]
    async fn set_level(&self, _request: SetLevelRequestParams, _context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn on_custom_request(&self, request: CustomRequest, context: RequestContext<RoleServer>) -> Result<CustomResult, ErrorData> {
        self.product.on_custom_request(request, context).await
    }
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
