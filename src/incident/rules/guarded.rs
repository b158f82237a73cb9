//! The default policy: quorum over what is known, then guards that only raise.
//!
//! - Quorum: from P0 down, at least half of the known metrics (and the keywords, when one stands as a word and is not negated) hit the level,
//!   and at least one of them is a metric.
//! - Decisive: availability < 50 % or error rate >= 90 % is P0, whatever the rest says.
//! - One metric alone at a level gives at least one level below it.
//! - Business impact `high` is at least P2, `critical` at least P1.
//! - Fewer than two metrics and nothing decisive: not determined; the severity is the worst that any of the evidence points to.

use super::{DecidedBy, Decision, RuleRow, hits, rows};
use crate::{
    incident::{BusinessImpact, ClassifySettings, Evidence, Metric, keywords},
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
type Candidate = (Severity, DecidedBy, Vec<String>);

pub(super) fn decide(settings: &ClassifySettings, evidence: &Evidence) -> Decision {
    let words = Severity::ALL.map(|s| {
        let level = settings.level(s);
        keywords::any_word(evidence.words(), &level.keywords) || keywords::any_word_zh(evidence.words(), &level.keywords_zh)
    });
    let all: Vec<RuleRow> = Severity::ALL.into_iter().flat_map(|s| rows(settings, evidence, s, words[s.index()])).collect();
    let decisive = decisive(evidence);
    let determined = decisive.is_some() || evidence.known() >= LEAST_METRICS;
    let candidates = if determined {
        [decisive, quorum(&all, evidence.known()), single(settings, evidence), impact(evidence)]
    } else {
        [plausible(settings, evidence, words), impact(evidence), None, None]
    };
    // The first of the worst: earlier candidates explain more.
    let none = (if evidence.known() == 0 { FLOOR_WITHOUT_METRICS } else { Severity::P3 }, DecidedBy::NoRule, Vec::new());
    let (severity, decided_by, deciders) = candidates.into_iter().flatten().fold(none, |best, next| {
        let explains = best.1 == DecidedBy::NoRule && next.0 == best.0;
        if next.0 > best.0 || explains { next } else { best }
    });
    Decision { severity, determined, decided_by, deciders, rows: all }
}

fn decisive(evidence: &Evidence) -> Option<Candidate> {
    let availability =
        evidence.availability_percent.filter(|a| *a < DECISIVE_AVAILABILITY_PERCENT).map(|_| format!("availability_percent < {DECISIVE_AVAILABILITY_PERCENT}"));
    let errors =
        evidence.error_rate_percent.filter(|e| *e >= DECISIVE_ERROR_RATE_PERCENT).map(|_| format!("error_rate_percent >= {DECISIVE_ERROR_RATE_PERCENT}"));
    let signals: Vec<String> = availability.into_iter().chain(errors).collect();
    (!signals.is_empty()).then_some((Severity::P0, DecidedBy::DecisiveSignal, signals))
}

pub(super) fn decisive_limit(metric: Metric) -> Option<(String, String, f64)> {
    let (low, high) = (DECISIVE_AVAILABILITY_PERCENT, DECISIVE_ERROR_RATE_PERCENT);
    match metric {
        Metric::Availability => Some((format!("< {low}"), format!(">= {low}"), low - 0.001)),
        Metric::ErrorRate => Some((format!(">= {high}"), format!("< {high}"), high)),
        Metric::ResponseTime | Metric::AffectedUsers => None,
    }
}

fn quorum(all: &[RuleRow], known: usize) -> Option<Candidate> {
    Severity::ALL.into_iter().find_map(|severity| {
        let of_level = || all.iter().filter(|r| r.severity == severity && r.hit);
        let metrics = of_level().filter(|r| r.value.is_some()).count();
        let keyword = of_level().any(|r| r.value.is_none());
        let (score, total) = (metrics + usize::from(keyword), known + usize::from(keyword));
        (metrics > 0 && 2 * score >= total).then(|| (severity, DecidedBy::Quorum, hits(all, severity)))
    })
}

fn single(settings: &ClassifySettings, evidence: &Evidence) -> Option<Candidate> {
    let (level, metric) = worst_metric(settings, evidence)?;
    Some((level.one_lower(), DecidedBy::SingleMetric, vec![metric.name().to_owned()]))
}

fn worst_metric(settings: &ClassifySettings, evidence: &Evidence) -> Option<(Severity, Metric)> {
    let hit = Metric::ALL.into_iter().filter_map(|m| Some((settings.worst_hit(m, evidence.value(m)?)?, m)));
    hit.reduce(|best, next| if next.0 > best.0 { next } else { best })
}

fn impact(evidence: &Evidence) -> Option<Candidate> {
    let floor = match evidence.business_impact? {
        BusinessImpact::High => Severity::P2,
        BusinessImpact::Critical => Severity::P1,
        BusinessImpact::None | BusinessImpact::Low | BusinessImpact::Medium => return None,
    };
    Some((floor, DecidedBy::BusinessImpact, vec!["business_impact".to_owned()]))
}

/// The worst level that the one metric or a word points to.
fn plausible(settings: &ClassifySettings, evidence: &Evidence, words: [bool; 4]) -> Option<Candidate> {
    let by_word = Severity::ALL.into_iter().find(|s| words[s.index()]).map(|s| (s, "keywords"));
    let by_metric = worst_metric(settings, evidence).map(|(s, m)| (s, m.name()));
    let (severity, source) = [by_metric, by_word].into_iter().flatten().reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    Some((severity, DecidedBy::WorstPlausible, vec![source.to_owned()]))
}
