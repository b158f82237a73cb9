//! `get_playbook`

use futures::FutureExt as _;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, LOOKS, Tool, input, output, parse};
use crate::{
    flows::Services,
    mcp::{ToolError, resources},
    playbook::{RenderedPlaybook, to_markdown},
    types::lang::Lang,
};

pub(super) const TOOL: Tool = Tool {
    name: "get_playbook",
    title: "Get playbook",
    description: include_str!("../../../tools/get_playbook/description.md").trim_ascii(),
    hints: LOOKS,
    scope: "the playbooks of this server",
    input_schema: input::<Arguments>,
    output_schema: output::<RenderedPlaybook>,
    call: |services, arguments, _caller| call(services, arguments).boxed(),
    at_once: None,
};

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

async fn call(services: &Services, arguments: JsonObject) -> Result<Answer, ToolError> {
    let arguments: Arguments = parse(arguments)?;
    let facts = services.facts(arguments.target.as_deref())?;
    let playbook = services.playbooks.render(services.playbook_id(&arguments.id), arguments.lang.unwrap_or(services.lang), &facts)?;
    let mut answer = Answer::new(format!("Playbook {}: {}", playbook.id, playbook.title), &playbook)?;
    answer.text = Some(to_markdown(&playbook));
    answer.whole_at = Some(resources::playbook(&playbook.id, playbook.lang, arguments.target.as_deref()));
    Ok(answer)
}
