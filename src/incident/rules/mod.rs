//! The two policies, and the rule rows both show.

mod guarded;
mod quorum;

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClassifySettings, Evidence, IncidentError, Metric};
use crate::types::severity::Severity;

/// How evidence becomes a severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Policy {
    /// Quorum over what is known, then guards that only raise; says when it cannot tell.
    #[default]
    Guarded,
    /// The specification's rule to the letter: half of the rules of a level, P0 first, P3 if none.
    Quorum,
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "guarded" => Ok(Self::Guarded),
            "quorum" => Ok(Self::Quorum),
            other => Err(format!("unknown policy '{other}': write guarded or quorum")),
        }
    }
}

/// One rule held against the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct RuleRow {
    /// The level the rule belongs to.
    pub severity: Severity,
    /// The rule, such as `error_rate_percent > 50` or `keywords`.
    pub rule: String,
    /// The value it was held against; absent for keywords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The threshold; absent for keywords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Whether it hit.
    pub hit: bool,
}

/// What a policy makes of the evidence.
#[derive(Debug, Clone)]
pub(super) struct Decision {
    pub(super) severity: Severity,
    pub(super) determined: bool,
    pub(super) decided_by: DecidedBy,
    /// What decided, in rule terms, such as `availability_percent < 50`.
    pub(super) deciders: Vec<String>,
    pub(super) rows: Vec<RuleRow>,
}

/// Which step of a policy set the severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum DecidedBy {
    /// At least half of the rules of the level hit.
    Quorum,
    /// One signal that leaves no doubt.
    DecisiveSignal,
    /// One metric far out, which counts one level below its own.
    SingleMetric,
    /// The business impact sets a floor.
    BusinessImpact,
    /// Too little is known; the worst that the evidence points to.
    WorstPlausible,
    /// No rule hit.
    NoRule,
}

/// Judges by a policy.
///
/// # Errors
/// `MissingMetrics` under the quorum policy.
pub(super) fn decide(policy: Policy, settings: &ClassifySettings, evidence: &Evidence) -> Result<Decision, IncidentError> {
    match policy {
        Policy::Quorum => quorum::decide(settings, evidence),
        Policy::Guarded => Ok(guarded::decide(settings, evidence)),
    }
}

/// The limit that decides alone: how it is crossed, how it is not, and a value beyond it. None where a metric has no such limit.
pub(super) fn decisive_limit(metric: Metric) -> Option<(String, String, f64)> {
    guarded::decisive_limit(metric)
}

/// All rules of a level over the known metrics, and the keyword rule last.
fn rows(settings: &ClassifySettings, evidence: &Evidence, severity: Severity, keyword_hit: bool) -> Vec<RuleRow> {
    let level = settings.level(severity);
    let metrics = Metric::ALL.into_iter().filter_map(|metric| {
        let value = evidence.value(metric)?;
        let threshold = level.threshold(metric);
        let sign = if metric.lower_is_worse() { '<' } else { '>' };
        let rule = format!("{} {sign} {threshold}", metric.name());
        Some(RuleRow { severity, rule, value: Some(value), threshold: Some(threshold), hit: level.hit(metric, value) })
    });
    let keywords = evidence.description.as_ref().map(|_| RuleRow { severity, rule: "keywords".to_owned(), value: None, threshold: None, hit: keyword_hit });
    metrics.chain(keywords).collect()
}

/// The names of the rules that hit.
fn hits(rows: &[RuleRow], severity: Severity) -> Vec<String> {
    rows.iter().filter(|r| r.severity == severity && r.hit).map(|r| r.rule.clone()).collect()
}
