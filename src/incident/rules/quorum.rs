//! The specification's rule to the letter.
//!
//! From P0 down: the level is taken when at least half of its rules hit. Its rules are the four metrics, and the keywords only when one of
//! them stands anywhere in the description, inside words and negated ones included. P3 if no level is taken.

use super::{DecidedBy, Decision, hits, rows};
use crate::{
    incident::{ClassifySettings, Evidence, IncidentError, Metric},
    types::severity::Severity,
};

pub(super) fn decide(settings: &ClassifySettings, evidence: &Evidence) -> Result<Decision, IncidentError> {
    let missing: Vec<&str> = Metric::ALL.into_iter().filter(|m| evidence.value(*m).is_none()).map(Metric::name).collect();
    if !missing.is_empty() {
        return Err(IncidentError::MissingMetrics(missing));
    }
    let description = evidence.words().to_lowercase();
    let mut all = Vec::new();
    let mut taken = None;
    for severity in Severity::ALL {
        let keyword_hit = settings.level(severity).keywords.iter().any(|k| description.contains(k.as_str()));
        let rows = rows(settings, evidence, severity, keyword_hit);
        let score = rows.iter().filter(|r| r.hit).count();
        let total = Metric::ALL.len() + usize::from(keyword_hit);
        if taken.is_none() && 2 * score >= total {
            taken = Some(severity);
        }
        all.extend(rows);
    }
    let (severity, decided_by) = taken.map_or((Severity::P3, DecidedBy::NoRule), |s| (s, DecidedBy::Quorum));
    let deciders = if taken.is_some() { hits(&all, severity) } else { Vec::new() };
    Ok(Decision { severity, determined: true, decided_by, deciders, rows: all })
}
