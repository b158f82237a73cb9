//! `run_health_checks`

use futures::FutureExt as _;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Hints, LOOKS, Tool, input, output, parse};
use crate::{
    flows::{Services, next},
    health::{Report, State},
    mcp::{Progress, ToolError},
};

pub(super) const TOOL: Tool = Tool {
    name: "run_health_checks",
    title: "Run health checks",
    description: include_str!("../../../tools/run_health_checks/description.md").trim_ascii(),
    hints: Hints { open_world: true, ..LOOKS },
    scope: "this host and the services configured for it; each result names its own scope",
    input_schema: input::<Arguments>,
    output_schema: output::<Report>,
    call: |services, arguments, caller| call(services, arguments, caller.progress).boxed(),
    at_once: None,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Which checks to run; empty or absent means all.
    #[serde(default)]
    names: Vec<String>,
}

async fn call(services: &Services, arguments: JsonObject, progress: Progress) -> Result<Answer, ToolError> {
    let arguments: Arguments = parse(arguments)?;
    let report =
        services.health.check_and_tell(&arguments.names, &|ended, all| progress.report(ended, Some(all), format!("{ended} of {all} checks done"))).await?;
    let worst = report.results.iter().filter(|r| !matches!(r.state, State::Ok | State::Skipped)).max_by_key(|r| r.state);
    let named: Vec<String> =
        report.results.iter().filter(|r| !matches!(r.state, State::Ok | State::Skipped)).map(|r| format!("{} {}", r.name, r.state.name())).collect();
    let headline = match named.as_slice() {
        [] if report.state == State::Unknown => "unknown: nothing is configured that could be checked".to_owned(),
        [] => format!("ok: nothing wrong found on {}", report.host),
        named => format!("{}: {}", report.state.name(), named.join(", ")),
    };
    let playbook = worst.and_then(|r| r.playbook.as_deref()).map(next::playbook);
    let plan = next::plan(services, worst.filter(|r| r.state == State::Down).and_then(|r| r.issue_type));
    Ok(Answer::new(headline, &report)?.next(playbook.into_iter().chain(plan)))
}
