//! `completion/complete`: what an argument of a prompt or a variable of a resource's template can be.

use std::collections::HashMap;

use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference};

use super::{Hub, ToolError, prompts, resources};
use crate::{
    flows::Services,
    recovery::{OperationFilter, Target},
    types::{issue::IssueType, target::TargetName},
};

/// How many operations are looked through.
const OPERATIONS: u32 = 500;

/// Where the values of an argument or variable come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Ids of playbooks.
    Playbook,
    /// Configured targets.
    Target,
    /// Issue types.
    Issue,
    /// Health checks.
    Check,
    /// Recorded operations, newest first.
    Operation,
    /// Languages.
    Lang,
    /// The caller's kept results.
    Report,
    /// Nothing can be proposed.
    Free,
}

/// Arguments that are settled already, by name.
type Settled = HashMap<String, String>;

/// Answers a request.
///
/// # Errors
/// A prompt, template or argument that does not exist, or a store that cannot be read.
pub(super) async fn complete(hub: &Hub, owner: &str, request: CompleteRequestParams) -> Result<CompleteResult, ToolError> {
    let source = source(&request.r#ref, &request.argument.name)?;
    let settled = request.context.and_then(|context| context.arguments).unwrap_or_default();
    let prefix = request.argument.value.to_ascii_lowercase();
    let mut found = match source {
        Source::Report => hub.content.kept.ids(owner),
        other => values(&hub.services, other, &settled).await?,
    };
    found.retain(|value| value.to_ascii_lowercase().starts_with(&prefix));
    let total = found.len();
    found.truncate(CompletionInfo::MAX_VALUES);
    let more = total > found.len();
    let found = found.iter().map(|value| hub.services.clean_text(value)).collect();
    let info = CompletionInfo::with_pagination(found, u32::try_from(total).ok(), more);
    Ok(CompleteResult::new(info.map_err(|e| ToolError::new("internal", e, "report this defect"))?))
}

fn source(reference: &Reference, argument: &str) -> Result<Source, ToolError> {
    let known: Vec<(&str, Source)> = match reference {
        Reference::Prompt(prompt) => prompts::find(&prompt.name)?.arguments.iter().map(|argument| (argument.name, argument.source)).collect(),
        Reference::Resource(resource) => template(&resource.uri)?.variables.to_vec(),
        _ => return Err(ToolError::new("invalid_input", "unknown kind of reference", "write ref/prompt or ref/resource")),
    };
    let found = known.iter().find(|(name, _)| *name == argument).map(|(_, source)| *source);
    found.ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        ToolError::new("invalid_input", "there is no such argument", format!("the ones there are: {}", names.join(", ")))
    })
}

/// A template as it is listed, with or without its options.
fn template(uri: &str) -> Result<&'static resources::Resource, ToolError> {
    let same = |known: &str| known == uri || known.split_once("{?").is_some_and(|(path, _)| path == uri);
    resources::ALL.iter().copied().find(|resource| same(resource.uri)).ok_or_else(|| {
        let known: Vec<&str> = resources::ALL.iter().map(|resource| resource.uri).filter(|uri| uri.contains('{')).collect();
        ToolError::new("invalid_input", "no such template", format!("the ones there are: {}", known.join(", ")))
    })
}

/// All values of a source that go with what is settled.
///
/// # Errors
/// A store that cannot be read.
pub(super) async fn values(services: &Services, source: Source, settled: &Settled) -> Result<Vec<String>, ToolError> {
    let target = ["target", "service"].iter().find_map(|name| services.recovery.target(settled.get(*name)?).ok());
    let issue = settled.get("issue_type").and_then(|issue| issue.parse::<IssueType>().ok());
    let strings = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    Ok(match source {
        Source::Playbook => strings(services.playbooks.ids()),
        Source::Target => {
            services.recovery.targets().values().filter(|t| issue.is_none_or(|issue| mends(services, t, issue))).map(|t| t.name.to_string()).collect()
        }
        Source::Issue => {
            IssueType::ALL.into_iter().filter(|issue| target.is_none_or(|target| mends(services, target, *issue))).map(|issue| issue.to_string()).collect()
        }
        Source::Check => services.health.checks.iter().map(|check| check.name.clone()).collect(),
        Source::Operation => operations(services, target.map(|target| target.name.clone()), issue).await?,
        Source::Lang => strings(vec!["en", "zh"]),
        Source::Report | Source::Free => Vec::new(),
    })
}

/// Whether a target has an action for this trouble.
fn mends(services: &Services, target: &Target, issue: IssueType) -> bool {
    services.recovery.settings().strategy(issue).iter().any(|action| target.actuators.contains_key(action))
}

async fn operations(services: &Services, target: Option<TargetName>, issue: Option<IssueType>) -> Result<Vec<String>, ToolError> {
    let filter = OperationFilter { target, limit: OPERATIONS, ..Default::default() };
    let found = services.recovery.list(&filter).await?.into_iter().filter(|operation| issue.is_none_or(|issue| operation.issue_type == issue));
    Ok(found.map(|operation| operation.operation_id.to_string()).collect())
}
