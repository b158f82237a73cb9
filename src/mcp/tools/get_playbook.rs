//! `get_playbook`

use async_trait::async_trait;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{Answer, Hints, LOOKS, ToolKind, input, output, parse};
use crate::{
    flows::Services,
    mcp::ToolError,
    playbook::{RenderedPlaybook, to_markdown},
    types::lang::Lang,
};

pub(super) struct GetPlaybook;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Playbook id, such as service_down; an issue type such as high_error_rate is accepted and leads to its playbook.
    #[serde(alias = "issue_type")]
    id: String,
    /// Language of the text; default as configured.
    #[serde(default)]
    lang: Option<Lang>,
    /// A configured target, whose real values are filled into the commands.
    #[serde(default)]
    target: Option<String>,
}

#[async_trait]
impl ToolKind for GetPlaybook {
    fn name(&self) -> &'static str {
        "get_playbook"
    }

    fn title(&self) -> &'static str {
        "Get playbook"
    }

    fn description(&self) -> &'static str {
        include_str!("../../../tools/get_playbook/description.md").trim_ascii()
    }

    fn hints(&self) -> Hints {
        LOOKS
    }

    fn input_schema(&self) -> JsonObject {
        input::<Arguments>()
    }

    fn output_schema(&self) -> JsonObject {
        output::<RenderedPlaybook>()
    }

    async fn call(&self, services: &Services, arguments: JsonObject, _cancel: CancellationToken) -> Result<Answer, ToolError> {
        let arguments: Arguments = parse(arguments)?;
        let facts = services.facts(arguments.target.as_deref())?;
        let playbook = services.playbooks.render(services.playbook_id(&arguments.id), arguments.lang.unwrap_or(services.lang), &facts)?;
        let mut answer = Answer::new(format!("Playbook {}: {}", playbook.id, playbook.title), &playbook)?;
        answer.text = Some(to_markdown(&playbook));
        Ok(answer)
    }
}
