//! The specification's rule to the letter.
//!
//! From P0 down: the level is taken when at least half of its rules hit. Its rules are the four metrics, and the keywords only when one of
//! them stands anywhere in the description, inside words and negated ones included. P3 if no level is taken.

use super::{Case, DecidedBy, Decision};
use crate::{
    incident::{ClassifySettings, IncidentError, Metric},
    types::severity::Severity,
};

/// For each severity, whether one of its words stands anywhere in the text.
pub(super) fn words(settings: &ClassifySettings, text: &str) -> [bool; 4] {
    let lower = text.to_lowercase();
    Severity::ALL.map(|s| settings.level(s).keywords.iter().any(|k| lower.contains(k.as_str())))
}

pub(super) fn decide(case: &Case<'_>) -> Result<Decision, IncidentError> {
    let missing: Vec<&str> = Metric::ALL.into_iter().filter(|m| case.value(*m).is_none()).map(Metric::name).collect();
    if !missing.is_empty() {
        return Err(IncidentError::MissingMetrics(missing));
    }
    let half = |severity: &Severity| {
        let word = usize::from(case.words[severity.index()]);
        2 * (case.metrics_hit(*severity) + word) >= Metric::ALL.len() + word
    };
    let taken = Severity::ALL.into_iter().find(half);
    let (severity, decided_by) = taken.map_or((Severity::P3, DecidedBy::NoRule), |s| (s, DecidedBy::Quorum));
    Ok(Decision { severity, determined: true, decided_by })
}
