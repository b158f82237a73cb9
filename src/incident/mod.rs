//! Incident: turns evidence (metrics, impact, a description) into a severity with its reasons.
//!
//! Judges; does not measure, notify or act. What it is told may be wrong or missing, and the verdict says how much that matters.
//!
//! **Invariant:** a verdict that is not `determined` is no ground for anything automatic, and no description alone determines one.

mod evidence;
mod explain;
mod keywords;
mod rules;
mod settings;
mod verdict;

use std::sync::Arc;

use jiff::SignedDuration;

pub use evidence::{BusinessImpact, Evidence, Metric};
pub use rules::{DecidedBy, Policy, RuleRow};
pub use settings::{ClassifySettings, Level, Levels};
pub use verdict::{Confidence, Contradiction, Missing, Verdict, WouldChange};

use crate::{
    ports::Clock,
    types::{
        issue::{self, Lead, Sign},
        lang::Lang,
    },
};

/// Why evidence got no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IncidentError {
    /// Nothing to judge by.
    #[error("no evidence: give at least one of {}", evidence::INPUTS.join(", "))]
    NoEvidence,
    /// A value outside its range.
    #[error("{field} is {value}: {expected}")]
    OutOfRange {
        /// The input.
        field: &'static str,
        /// What was given.
        value: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// The quorum policy needs all four metrics.
    #[error("policy quorum needs all four metrics; missing: {}", .0.join(", "))]
    MissingMetrics(Vec<&'static str>),
}

/// The classifier with its settings.
pub struct Classifier {
    settings: ClassifySettings,
    bands: explain::Bands,
    names: rules::Names,
    clock: Arc<dyn Clock>,
}

impl Classifier {
    /// A classifier by these settings.
    pub fn new(settings: ClassifySettings, clock: Arc<dyn Clock>) -> Self {
        Self { bands: explain::Bands::new(&settings), names: rules::Names::new(&settings), settings, clock }
    }

    /// Judges the evidence by the configured policy.
    ///
    /// # Errors
    /// See [`IncidentError`]: no evidence, a value outside its range, or metrics that the policy needs.
    pub fn classify(&self, evidence: &Evidence, lang: Lang) -> Result<Verdict, IncidentError> {
        self.classify_by(None, evidence, lang)
    }

    /// The same by another policy, which only a person may choose.
    ///
    /// # Errors
    /// As [`Classifier::classify`].
    pub fn classify_by(&self, policy: Option<Policy>, evidence: &Evidence, lang: Lang) -> Result<Verdict, IncidentError> {
        evidence.validate()?;
        let policy = policy.unwrap_or(self.settings.policy);
        let case = rules::Case::new(policy, &self.settings, evidence);
        let decision = rules::decide(policy, &case)?;
        let rules: Vec<rules::Held> = rules::all(&self.settings, &case).collect();
        let contradictions = explain::contradictions(evidence, &decision, &rules, lang);
        let lead = lead(evidence, &self.settings);
        let level = self.settings.level(decision.severity);
        let deadline = self.clock.now().saturating_add(SignedDuration::from_mins(i64::from(level.sla_minutes))).unwrap_or(jiff::Timestamp::MAX);
        Ok(Verdict {
            severity: decision.severity,
            determined: decision.determined,
            confidence: explain::confidence(evidence, decision.determined, contradictions.len()),
            policy,
            decided_by: decision.decided_by,
            why: explain::why(&decision, &rules::deciders(&self.settings, &case, &decision), lang),
            rules: rules.iter().map(|held| held.row(&self.names)).collect(),
            missing_evidence: explain::missing(evidence, lang),
            would_change: explain::would_change(policy, &self.settings, &self.bands, &case, decision.severity),
            contradictions,
            response_team: level.team.clone(),
            sla_minutes: level.sla_minutes,
            respond_by: deadline.to_string(),
            playbook: lead.playbook,
            issue_type: lead.issue,
        })
    }
}

/// The metric that points to the worst level names the issue type and the playbook.
fn lead(evidence: &Evidence, settings: &ClassifySettings) -> Lead {
    let worst = Metric::ALL
        .into_iter()
        .filter_map(|metric| Some((settings.worst_hit(metric, evidence.value(metric)?)?, metric)))
        .max_by(|a, b| a.0.cmp(&b.0).then(b.1.rank().cmp(&a.1.rank())));
    worst.map_or_else(|| issue::lead(Sign::Metric("none")), |(_, metric)| issue::lead(Sign::Metric(metric.name())))
}

#[cfg(test)]
mod tests;
