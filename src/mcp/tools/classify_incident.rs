//! `classify_incident`

use std::future::ready;

use futures::FutureExt as _;

use super::{Answer, LOOKS, OwnWords, Tool, input, output, parse, parse_text};
use crate::{
    flows::{Services, next},
    incident::{Evidence, Verdict},
    mcp::ToolError,
};

pub(super) const TOOL: Tool = Tool {
    name: "classify_incident",
    title: "Classify incident",
    description: include_str!("../../../tools/classify_incident/description.md").trim_ascii(),
    hints: LOOKS,
    scope: "the evidence in the call",
    input_schema: input::<Evidence>,
    output_schema: output::<Verdict>,
    call: |services, arguments, _caller| ready(parse(arguments).and_then(|evidence| judge(services, &evidence))).boxed(),
    at_once: Some(|services, arguments| judge(services, &parse_text(arguments)?)),
};

/// Evidence is looked at and not repeated.
impl OwnWords for Verdict {}

fn judge(services: &Services, evidence: &Evidence) -> Result<Answer, ToolError> {
    let verdict = services.classifier.classify(evidence, services.lang)?;
    let status = if verdict.determined { "determined" } else { "NOT determined" };
    let headline = format!("{} ({status}): respond within {} min. {}", verdict.severity, verdict.sla_minutes, verdict.why);
    let measure = (!verdict.determined).then(next::health);
    let plan = if verdict.determined { next::plan(services, verdict.issue_type) } else { None };
    let playbook = next::playbook(verdict.playbook);
    Ok(Answer::of_own_words(headline, &verdict)?.next(measure.into_iter().chain([playbook]).chain(plan)))
}
