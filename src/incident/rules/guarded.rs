//! The default policy: quorum over what is known, then guards that only raise.
//!
//! - Quorum: from P0 down, at least half of the known metrics (and the keywords, when one stands as a word and is not negated) hit the level,
//!   and at least one of them is a metric.
//! - Decisive: availability < 50 % or error rate >= 90 % is P0, whatever the rest says.
//! - One metric alone at a level gives at least one level below it.
//! - Business impact `high` is at least P2, `critical` at least P1.
//! - Fewer than two metrics and nothing decisive: not determined; the severity is the worst that any of the evidence points to.

use super::{Case, DecidedBy, Decider, Decision, Limit};
use crate::{
    incident::{
        BusinessImpact, ClassifySettings, Metric,
        keywords::{Clauses, any_word_zh},
    },
    types::severity::Severity,
};

/// Below this availability nothing else needs to be known (specification issue: a total outage without traffic is P0).
const DECISIVE_AVAILABILITY_PERCENT: f64 = 50.0;
/// From this error rate on nothing else needs to be known.
const DECISIVE_ERROR_RATE_PERCENT: f64 = 90.0;
/// With fewer metrics than this no quorum means anything.
const LEAST_METRICS: usize = 2;
/// What a report without any sign gets when no metric is known: a person looks within the hour, because nothing says that it is harmless.
const FLOOR_WITHOUT_METRICS: Severity = Severity::P2;

/// A severity with its reason.
type Candidate = (Severity, DecidedBy);

/// For each severity, whether one of its words stands in the text as a word and is not negated.
pub(super) fn words(settings: &ClassifySettings, text: &str) -> [bool; 4] {
    let lower = text.to_lowercase();
    let clauses = Clauses::of(&lower);
    Severity::ALL.map(|s| clauses.have_any(&settings.level(s).keywords) || any_word_zh(text, &settings.level(s).keywords_zh))
}

pub(super) fn decide(case: &Case<'_>) -> Decision {
    let decisive = decisive(case).next().map(|_| (Severity::P0, DecidedBy::DecisiveSignal));
    let determined = decisive.is_some() || case.known() >= LEAST_METRICS;
    let candidates = if determined {
        [decisive, quorum(case), single(case), impact(case)]
    } else {
        [plausible(case).map(|(severity, _)| (severity, DecidedBy::WorstPlausible)), impact(case), None, None]
    };
    // The first of the worst: earlier candidates explain more.
    let none = (if case.known() == 0 { FLOOR_WITHOUT_METRICS } else { Severity::P3 }, DecidedBy::NoRule);
    let (severity, decided_by) = candidates.into_iter().flatten().fold(none, |best, next| {
        let explains = best.1 == DecidedBy::NoRule && next.0 == best.0;
        if next.0 > best.0 || explains { next } else { best }
    });
    Decision { severity, determined, decided_by }
}

/// The metrics beyond the limits that decide alone.
pub(super) fn decisive(case: &Case<'_>) -> impl Iterator<Item = Metric> {
    let availability = case.value(Metric::Availability).filter(|a| *a < DECISIVE_AVAILABILITY_PERCENT).map(|_| Metric::Availability);
    let errors = case.value(Metric::ErrorRate).filter(|e| *e >= DECISIVE_ERROR_RATE_PERCENT).map(|_| Metric::ErrorRate);
    availability.into_iter().chain(errors)
}

pub(super) fn decisive_limit(metric: Metric) -> Option<Limit> {
    let (low, high) = (DECISIVE_AVAILABILITY_PERCENT, DECISIVE_ERROR_RATE_PERCENT);
    match metric {
        Metric::Availability => Some(Limit { crossed: format!("< {low}"), kept: format!(">= {low}"), beyond: low - 0.001 }),
        Metric::ErrorRate => Some(Limit { crossed: format!(">= {high}"), kept: format!("< {high}"), beyond: high }),
        Metric::ResponseTime | Metric::AffectedUsers => None,
    }
}

fn quorum(case: &Case<'_>) -> Option<Candidate> {
    let known = case.known();
    Severity::ALL.into_iter().find_map(|severity| {
        let (metrics, word) = (case.metrics_hit(severity), usize::from(case.words[severity.index()]));
        (metrics > 0 && 2 * (metrics + word) >= known + word).then_some((severity, DecidedBy::Quorum))
    })
}

fn single(case: &Case<'_>) -> Option<Candidate> {
    let (level, _) = case.worst_metric()?;
    Some((level.one_lower(), DecidedBy::SingleMetric))
}

fn impact(case: &Case<'_>) -> Option<Candidate> {
    let floor = match case.impact()? {
        BusinessImpact::High => Severity::P2,
        BusinessImpact::Critical => Severity::P1,
        BusinessImpact::None | BusinessImpact::Low | BusinessImpact::Medium => return None,
    };
    Some((floor, DecidedBy::BusinessImpact))
}

/// The worst level that the one metric or a word points to, and which of them.
pub(super) fn plausible(case: &Case<'_>) -> Option<(Severity, Decider)> {
    let by_word = Severity::ALL.into_iter().find(|s| case.words[s.index()]).map(|s| (s, Decider::Words));
    let by_metric = case.worst_metric().map(|(s, m)| (s, Decider::Metric(m)));
    [by_metric, by_word].into_iter().flatten().reduce(|best, next| if next.0 > best.0 { next } else { best })
}
