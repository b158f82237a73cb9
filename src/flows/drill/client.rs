//! The drill's assistant: an MCP client of a server child process, as a desktop host would be.

use std::{path::Path, process::Stdio};

use rmcp::{RoleClient, ServiceExt as _, model::CallToolRequestParams, service::RunningService, transport::TokioChildProcess};
use serde_json::Value;

use super::DrillError;

pub(super) struct Assistant(RunningService<RoleClient, ()>);

impl Assistant {
    /// Starts `opsmedic serve` with this configuration and shakes hands.
    pub(super) async fn connect(config: &Path) -> Result<Self, DrillError> {
        let program = std::env::current_exe().map_err(DrillError::cannot)?;
        #[expect(clippy::disallowed_methods, reason = "the drill starts this program itself, as a desktop host would")]
        let mut command = tokio::process::Command::new(program);
        command.arg("serve").arg("--config").arg(config).kill_on_drop(true);
        let (transport, _) = TokioChildProcess::builder(command).stderr(Stdio::null()).spawn().map_err(DrillError::cannot)?;
        Ok(Self(().serve(transport).await.map_err(DrillError::cannot)?))
    }

    /// The names of the tools.
    pub(super) async fn tools(&self) -> Result<Vec<String>, DrillError> {
        let tools = self.0.list_all_tools().await.map_err(DrillError::cannot)?;
        Ok(tools.into_iter().map(|tool| tool.name.into_owned()).collect())
    }

    /// Calls a tool and gives its structured answer.
    pub(super) async fn call(&self, tool: &'static str, arguments: Value) -> Result<Value, DrillError> {
        let mut params = CallToolRequestParams::new(tool);
        if let Value::Object(arguments) = arguments {
            params = params.with_arguments(arguments);
        }
        let result = self.0.call_tool(params).await.map_err(DrillError::cannot)?;
        let answer = result.structured_content.unwrap_or_default();
        if result.is_error == Some(true) {
            return Err(DrillError::Saw { step: tool, expected: "an answer".to_owned(), saw: answer.to_string() });
        }
        Ok(answer)
    }

    /// Ends the connection; the server ends with it.
    pub(super) async fn leave(self) {
        if let Err(error) = self.0.cancel().await {
            tracing::debug!(%error, "the server was gone already");
        }
    }
}
