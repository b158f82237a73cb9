//! The answer of a classification.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Policy,
    rules::{DecidedBy, RuleRow},
};
use crate::types::{issue::IssueType, severity::Severity};

/// How much a verdict can be relied on.
///
/// `high`: all four metrics known and nothing contradicts. `low`: not determined, or two or more contradictions. `medium`: the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Confidence {
    /// Not determined, or contradicted twice.
    Low,
    /// Determined, with gaps or a contradiction.
    Medium,
    /// All metrics known, no contradiction.
    High,
}

/// Two pieces of evidence that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Contradiction {
    /// The inputs.
    pub between: Vec<&'static str>,
    /// What does not fit, and what it may mean.
    pub text: &'static str,
}

/// An input that was not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Missing {
    /// The input.
    pub input: &'static str,
    /// How to get it.
    pub how: &'static str,
}

/// A change of one input that would change the severity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct WouldChange {
    /// The condition, such as `error_rate_percent > 50`.
    pub if_true: String,
    /// The severity it would give.
    pub severity: Severity,
}

/// A severity with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Verdict {
    /// P0 (worst) to P3.
    pub severity: Severity,
    /// False when the evidence does not suffice: then the severity is the worst plausible one, and nothing automatic may follow from it.
    pub determined: bool,
    /// How much the verdict can be relied on.
    pub confidence: Confidence,
    /// The policy that judged.
    pub policy: Policy,
    /// The step of the policy that set the severity.
    pub decided_by: DecidedBy,
    /// The same in a sentence.
    pub why: String,
    /// Every rule with value, threshold and whether it hit.
    pub rules: Vec<RuleRow>,
    /// What was not given, and how to get it.
    pub missing_evidence: Vec<Missing>,
    /// What does not fit together.
    pub contradictions: Vec<Contradiction>,
    /// Single changes that would change the severity.
    pub would_change: Vec<WouldChange>,
    /// Who responds.
    pub response_team: Vec<String>,
    /// Minutes until somebody must have responded.
    pub sla_minutes: u32,
    /// The same as a moment, RFC 3339 UTC, counted from this answer.
    pub respond_by: String,
    /// The playbook to read next.
    pub playbook: &'static str,
    /// What recovery would be asked to mend; absent where no automatic action fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue_type: Option<IssueType>,
}
