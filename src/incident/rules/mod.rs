//! The two policies, and the rules that both hold against the evidence.
//!
//! A verdict also says what would change it, which takes dozens of judgements: so judging allocates little, and rules get their words at the end.

mod guarded;
mod quorum;

use std::{fmt, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BusinessImpact, ClassifySettings, Evidence, IncidentError, Level, Metric};
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
    pub rule: Arc<str>,
    /// The value it was held against; absent for keywords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The threshold; absent for keywords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Whether it hit.
    pub hit: bool,
}

/// A rule, held against a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) severity: Severity,
    pub(super) rule: Rule,
    pub(super) hit: bool,
}

impl Held {
    /// Whether it is about a metric.
    pub(super) fn measured(self) -> bool {
        matches!(self.rule, Rule::Beyond { .. })
    }

    /// With its words.
    pub(super) fn row(self, names: &Names) -> RuleRow {
        let (value, threshold) = match self.rule {
            Rule::Beyond { value, threshold, .. } => (Some(value), Some(threshold)),
            Rule::Keywords => (None, None),
        };
        RuleRow { severity: self.severity, rule: names.of(self), value, threshold, hit: self.hit }
    }
}

/// The names of all rules; they depend on the settings only, and every verdict has most of them.
pub(super) struct Names([Vec<Arc<str>>; 4]);

impl Names {
    pub(super) fn new(settings: &ClassifySettings) -> Self {
        let rules = |level: &Level| {
            let beyond = Metric::ALL.map(|metric| Rule::Beyond { metric, value: 0.0, threshold: level.threshold(metric) });
            beyond.into_iter().chain([Rule::Keywords]).map(|rule| rule.to_string().into()).collect()
        };
        Self(Severity::ALL.map(|severity| rules(settings.level(severity))))
    }

    fn of(&self, held: Held) -> Arc<str> {
        let at = match held.rule {
            Rule::Beyond { metric, .. } => metric as usize,
            Rule::Keywords => Metric::ALL.len(),
        };
        self.0[held.severity.index()][at].clone()
    }
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// A metric beyond a threshold.
    Beyond { metric: Metric, value: f64, threshold: f64 },
    /// The level's words in the description.
    Keywords,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beyond { metric, threshold, .. } => write!(f, "{} {} {threshold}", metric.name(), if metric.lower_is_worse() { '<' } else { '>' }),
            Self::Keywords => f.write_str("keywords"),
        }
    }
}

/// What set a severity.
#[derive(Debug, Clone, Copy)]
pub(super) enum Decider {
    /// A rule of the level.
    Rule(Rule),
    /// A metric beyond the limit that decides alone.
    Decisive(Metric),
    /// A metric by itself.
    Metric(Metric),
    /// What the business loses.
    Impact,
    /// The words of the description by themselves.
    Words,
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => rule.fmt(f),
            Self::Decisive(metric) => match decisive_limit(*metric) {
                Some(limit) => write!(f, "{} {}", metric.name(), limit.crossed),
                None => f.write_str(metric.name()),
            },
            Self::Metric(metric) => f.write_str(metric.name()),
            Self::Impact => f.write_str("business_impact"),
            Self::Words => f.write_str("keywords"),
        }
    }
}

/// What a policy makes of the evidence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decision {
    pub(super) severity: Severity,
    pub(super) determined: bool,
    pub(super) decided_by: DecidedBy,
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

/// Evidence as the policies look at it: its words were read, and one metric may be another than it is.
#[derive(Clone, Copy)]
pub(super) struct Case<'e> {
    evidence: &'e Evidence,
    /// For each severity, whether one of its words stands in the description.
    words: [bool; 4],
    /// For each metric that is known, the worst level that it hits. It hits the milder ones too: levels get milder from P0 to P3.
    levels: [Option<Option<Severity>>; 4],
    instead: Option<(Metric, f64)>,
}

impl<'e> Case<'e> {
    /// The evidence as it is, read as this policy reads words.
    pub(super) fn new(policy: Policy, settings: &ClassifySettings, evidence: &'e Evidence) -> Self {
        let words = evidence.description.as_deref().map_or([false; 4], |text| match policy {
            Policy::Guarded => guarded::words(settings, text),
            Policy::Quorum => quorum::words(settings, text),
        });
        let levels = Metric::ALL.map(|metric| evidence.value(metric).map(|value| settings.worst_hit(metric, value)));
        Self { evidence, words, levels, instead: None }
    }

    /// The same, if a metric were this.
    pub(super) fn with(mut self, settings: &ClassifySettings, metric: Metric, value: f64) -> Self {
        self.levels[metric as usize] = Some(settings.worst_hit(metric, value));
        self.instead = Some((metric, value));
        self
    }

    /// How many of the known metrics hit a level.
    fn metrics_hit(&self, severity: Severity) -> usize {
        self.levels.iter().filter(|level| level.flatten().is_some_and(|level| level >= severity)).count()
    }

    /// The metric that hits the worst level, and that level.
    fn worst_metric(&self) -> Option<(Severity, Metric)> {
        let hit = Metric::ALL.into_iter().filter_map(|metric| Some((self.levels[metric as usize]??, metric)));
        hit.reduce(|best, next| if next.0 > best.0 { next } else { best })
    }

    /// The value of a metric, if known.
    pub(super) fn value(&self, metric: Metric) -> Option<f64> {
        match self.instead {
            Some((changed, value)) if changed == metric => Some(value),
            _ => self.evidence.value(metric),
        }
    }

    fn known(&self) -> usize {
        self.levels.iter().flatten().count()
    }

    fn impact(&self) -> Option<BusinessImpact> {
        self.evidence.business_impact
    }
}

/// Judges by a policy.
///
/// # Errors
/// `MissingMetrics` under the quorum policy.
pub(super) fn decide(policy: Policy, case: &Case<'_>) -> Result<Decision, IncidentError> {
    match policy {
        Policy::Quorum => quorum::decide(case),
        Policy::Guarded => Ok(guarded::decide(case)),
    }
}

/// What set the severity of a decision.
pub(super) fn deciders(settings: &ClassifySettings, case: &Case<'_>, decision: &Decision) -> Vec<Decider> {
    match decision.decided_by {
        DecidedBy::Quorum => hold(settings, case, decision.severity).filter(|r| r.hit).map(|r| Decider::Rule(r.rule)).collect(),
        DecidedBy::DecisiveSignal => guarded::decisive(case).map(Decider::Decisive).collect(),
        DecidedBy::SingleMetric => case.worst_metric().map(|(_, metric)| Decider::Metric(metric)).into_iter().collect(),
        DecidedBy::BusinessImpact => vec![Decider::Impact],
        DecidedBy::WorstPlausible => guarded::plausible(case).map(|(_, source)| source).into_iter().collect(),
        DecidedBy::NoRule => Vec::new(),
    }
}

/// A limit of a metric.
pub(super) struct Limit {
    /// How it is crossed, such as `< 50`.
    pub(super) crossed: String,
    /// How it is not.
    pub(super) kept: String,
    /// A value just beyond it.
    pub(super) beyond: f64,
}

/// The limit that decides alone. None where a metric has no such limit.
pub(super) fn decisive_limit(metric: Metric) -> Option<Limit> {
    guarded::decisive_limit(metric)
}

/// All rules of a level over the known metrics, and the keyword rule last.
fn hold<'c>(settings: &'c ClassifySettings, case: &'c Case<'_>, severity: Severity) -> impl Iterator<Item = Held> + 'c {
    let level = settings.level(severity);
    let metrics = Metric::ALL.into_iter().filter_map(move |metric| {
        let value = case.value(metric)?;
        Some(Held { severity, rule: Rule::Beyond { metric, value, threshold: level.threshold(metric) }, hit: level.hit(metric, value) })
    });
    let described = case.evidence.description.is_some();
    metrics.chain(described.then_some(Held { severity, rule: Rule::Keywords, hit: case.words[severity.index()] }))
}

/// The rules of all levels.
pub(super) fn all<'c>(settings: &'c ClassifySettings, case: &'c Case<'_>) -> impl Iterator<Item = Held> + 'c {
    Severity::ALL.into_iter().flat_map(|severity| hold(settings, case, severity))
}
