//! `classify_incident`

use async_trait::async_trait;
use rmcp::model::JsonObject;
use tokio_util::sync::CancellationToken;

use super::{Answer, Hints, LOOKS, ToolKind, input, output, parse};
use crate::{
    flows::{Services, next},
    incident::{Evidence, Verdict},
    mcp::ToolError,
};

pub(super) struct ClassifyIncident;

#[async_trait]
impl ToolKind for ClassifyIncident {
    fn name(&self) -> &'static str {
        "classify_incident"
    }

    fn title(&self) -> &'static str {
        "Classify incident"
    }

    fn description(&self) -> &'static str {
        include_str!("../../../tools/classify_incident/description.md").trim_ascii()
    }

    fn hints(&self) -> Hints {
        LOOKS
    }

    fn input_schema(&self) -> JsonObject {
        input::<Evidence>()
    }

    fn output_schema(&self) -> JsonObject {
        output::<Verdict>()
    }

    async fn call(&self, services: &Services, arguments: JsonObject, _cancel: CancellationToken) -> Result<Answer, ToolError> {
        let evidence: Evidence = parse(arguments)?;
        let verdict = services.classifier.classify(&evidence, services.lang)?;
        let status = if verdict.determined { "determined" } else { "NOT determined" };
        let headline = format!("{} ({status}): respond within {} min. {}", verdict.severity, verdict.sla_minutes, verdict.why);
        let measure = (!verdict.determined).then(next::health);
        let plan = if verdict.determined { next::plan(services, verdict.issue_type) } else { None };
        let playbook = next::playbook(&verdict.playbook);
        Ok(Answer::new(headline, &verdict)?.next(measure.into_iter().chain([playbook]).chain(plan)))
    }
}
