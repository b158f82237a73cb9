//! `run_health_checks`

use async_trait::async_trait;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{Answer, Hints, LOOKS, ToolKind, input, output, parse};
use crate::{
    flows::{Services, next},
    health::{Report, State},
    mcp::ToolError,
};

pub(super) struct RunHealthChecks;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Which checks to run; empty or absent means all.
    #[serde(default)]
    names: Vec<String>,
}

#[async_trait]
impl ToolKind for RunHealthChecks {
    fn name(&self) -> &'static str {
        "run_health_checks"
    }

    fn title(&self) -> &'static str {
        "Run health checks"
    }

    fn description(&self) -> &'static str {
        include_str!("../../../tools/run_health_checks/description.md").trim_ascii()
    }

    fn hints(&self) -> Hints {
        Hints { open_world: true, ..LOOKS }
    }

    fn input_schema(&self) -> JsonObject {
        input::<Arguments>()
    }

    fn output_schema(&self) -> JsonObject {
        output::<Report>()
    }

    async fn call(&self, services: &Services, arguments: JsonObject, _cancel: CancellationToken) -> Result<Answer, ToolError> {
        let arguments: Arguments = parse(arguments)?;
        let report = services.health.check(&arguments.names).await?;
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
}
