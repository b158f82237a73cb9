//! The words around a verdict: why, what is missing, what contradicts, what would change it.

use super::{
    BusinessImpact, ClassifySettings, Confidence, Contradiction, Evidence, Metric, Missing, Policy, WouldChange,
    rules::{self, Case, DecidedBy, Decider, Decision, Held, Limit},
};
use crate::types::{lang::Lang, severity::Severity};

/// The documented rule of [`Confidence`].
pub(super) fn confidence(evidence: &Evidence, determined: bool, contradictions: usize) -> Confidence {
    if !determined || contradictions >= 2 {
        Confidence::Low
    } else if evidence.known() == Metric::ALL.len() && contradictions == 0 {
        Confidence::High
    } else {
        Confidence::Medium
    }
}

pub(super) fn why(decision: &Decision, deciders: &[Decider], lang: Lang) -> String {
    let severity = decision.severity;
    let by = deciders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match lang {
        Lang::En => match decision.decided_by {
            DecidedBy::Quorum => format!("{severity}: at least half of its rules hit ({by})"),
            DecidedBy::DecisiveSignal => format!("{severity}: a decisive signal ({by})"),
            DecidedBy::SingleMetric => format!("{severity}: one metric is far out ({by}), which counts one level below its own"),
            DecidedBy::BusinessImpact => format!("{severity}: the business impact sets this floor"),
            DecidedBy::WorstPlausible => format!("not determined, too little is known; {severity} is the worst that the evidence points to ({by})"),
            DecidedBy::NoRule if decision.determined => format!("{severity}: no rule hit"),
            DecidedBy::NoRule => format!("not determined, too little is known and nothing points anywhere; {severity} so that somebody looks"),
        },
        Lang::Zh => match decision.decided_by {
            DecidedBy::Quorum => format!("{severity}：该级别至少一半的规则命中（{by}）"),
            DecidedBy::DecisiveSignal => format!("{severity}：决定性信号（{by}）"),
            DecidedBy::SingleMetric => format!("{severity}：单一指标越界（{by}），按低一级计"),
            DecidedBy::BusinessImpact => format!("{severity}：业务影响设定了下限"),
            DecidedBy::WorstPlausible => format!("证据不足，无法判定；{severity} 是现有证据指向的最坏情况（{by}）"),
            DecidedBy::NoRule if decision.determined => format!("{severity}：没有规则命中"),
            DecidedBy::NoRule => format!("证据不足，无法判定；没有迹象，按 {severity} 处理，请有人查看"),
        },
    }
}

pub(super) fn missing(evidence: &Evidence, lang: Lang) -> Vec<Missing> {
    let how = |metric| match metric {
        Metric::ErrorRate => {
            lang.pick("failed / all requests of the last 5 minutes, from the load balancer or Prometheus", "最近 5 分钟失败请求占比（负载均衡或 Prometheus）")
        }
        Metric::ResponseTime => {
            lang.pick("p95 of the last 5 minutes, in ms; run_health_checks measures one request", "最近 5 分钟 p95，毫秒；run_health_checks 可测单次请求")
        }
        Metric::Availability => {
            lang.pick("share of successful probes; run_health_checks tells whether it answers now", "探测成功率；run_health_checks 可知当前是否有响应")
        }
        Metric::AffectedUsers => lang.pick("distinct users with failed requests; 0 only if it was counted", "请求失败的独立用户数；确实统计过才写 0"),
    };
    let metrics = Metric::ALL.into_iter().filter(|m| evidence.value(*m).is_none());
    metrics.map(|m| Missing { input: m.name(), how: how(m) }).collect()
}

pub(super) fn contradictions(evidence: &Evidence, decision: &Decision, rules: &[Held], lang: Lang) -> Vec<Contradiction> {
    let mut found = Vec::new();
    let mut add = |holds: bool, between: &[&'static str], en: &'static str, zh: &'static str| {
        if holds {
            found.push(Contradiction { between: between.to_vec(), text: lang.pick(en, zh) });
        }
    };
    let (errors, availability, users) = (evidence.error_rate_percent, evidence.availability_percent, evidence.affected_users);
    let both = |a: Option<f64>, b: Option<f64>, test: fn(f64, f64) -> bool| a.zip(b).is_some_and(|(a, b)| test(a, b));
    add(
        both(errors, availability, |e, a| a < 95.0 && e <= 1.0),
        &["availability_percent", "error_rate_percent"],
        "low availability with hardly any errors: no traffic arrives, or one of the two is measured in the wrong place",
        "可用性低却几乎没有错误：可能没有流量到达，或其中一个指标测量位置有误",
    );
    add(
        both(errors, availability, |e, a| e > 20.0 && a >= 99.5),
        &["error_rate_percent", "availability_percent"],
        "many errors at full availability: the probe may test something that still works",
        "错误很多而可用性正常：探测的可能是仍然正常的部分",
    );
    add(
        users == Some(0) && (availability.is_some_and(|a| a < 90.0) || errors.is_some_and(|e| e > 50.0)),
        &["affected_users"],
        "nobody affected by an outage: the count may be missing rather than zero",
        "故障却无人受影响：人数可能是缺失而非为零",
    );
    let healthy = rules.iter().filter(|r| r.measured()).all(|r| !r.hit);
    let word = rules.iter().any(|r| !r.measured() && r.hit && r.severity >= Severity::P1);
    add(
        word && healthy && evidence.known() > 0,
        &["description"],
        "the description speaks of serious trouble, the metrics do not: check what they measure",
        "描述称问题严重，指标却正常：请核实指标的测量对象",
    );
    add(
        evidence.business_impact == Some(BusinessImpact::None) && decision.determined && decision.severity >= Severity::P1,
        &["business_impact"],
        "no business impact, yet the metrics are serious",
        "称无业务影响，而指标显示严重",
    );
    found
}

/// Which ranges of each known metric would give another severity, everything else as it is.
pub(super) fn would_change(policy: Policy, settings: &ClassifySettings, bands: &Bands, case: &Case<'_>, now: Severity) -> Vec<WouldChange> {
    let mut found = Vec::new();
    for (metric, bands) in Metric::ALL.into_iter().zip(&bands.0).filter(|(m, _)| case.value(*m).is_some()) {
        let mut ranges: Vec<(Severity, &Band, &Band)> = Vec::new();
        for band in bands {
            let Ok(other) = rules::decide(policy, &case.with(settings, metric, band.value)) else { continue };
            match ranges.last_mut() {
                // Neighbours with the same severity are one range.
                Some((severity, _, last)) if *severity == other.severity => *last = band,
                _ => ranges.push((other.severity, band, band)),
            }
        }
        let others = ranges.into_iter().filter(|(severity, ..)| *severity != now);
        found.extend(others.map(|(severity, first, last)| WouldChange { if_true: condition(metric, first, last), severity }));
    }
    found
}

/// The ranges of each metric, in the order of [`Metric::ALL`]; they depend on the settings only.
pub(super) struct Bands([Vec<Band>; 4]);

impl Bands {
    pub(super) fn new(settings: &ClassifySettings) -> Self {
        Self(Metric::ALL.map(|metric| bands(settings, metric)))
    }
}

/// A range of a metric between two limits.
struct Band {
    /// A value inside.
    value: f64,
    mild_end: Option<String>,
    bad_end: Option<String>,
}

fn condition(metric: Metric, first: &Band, last: &Band) -> String {
    let ends: Vec<String> = first.mild_end.iter().chain(&last.bad_end).map(|end| format!("{} {end}", metric.name())).collect();
    ends.join(" and ")
}

/// The ranges between the limits of all levels and the decisive one, mildest first.
fn bands(settings: &ClassifySettings, metric: Metric) -> Vec<Band> {
    let down = metric.lower_is_worse();
    let step = if matches!(metric, Metric::ErrorRate | Metric::Availability) { 0.001 } else { 1.0 };
    let mut limits: Vec<Limit> = Vec::new();
    for level in Severity::ALL.into_iter().rev() {
        let t = settings.level(level).threshold(metric);
        limits.push(match down {
            true => Limit { crossed: format!("< {t}"), kept: format!(">= {t}"), beyond: t - step },
            false => Limit { crossed: format!("> {t}"), kept: format!("<= {t}"), beyond: t + step },
        });
    }
    limits.extend(rules::decisive_limit(metric));
    // Limits that are equal, or a decisive one that a configured level is beyond, leave no range.
    limits.dedup_by(|next, last| if down { next.beyond >= last.beyond } else { next.beyond <= last.beyond });
    let best = if down { 100.0 } else { 0.0 };
    (0..=limits.len())
        .map(|i| Band {
            value: if i == 0 { best } else { limits[i - 1].beyond.clamp(0.0, ceiling(metric)) },
            mild_end: (i > 0).then(|| limits[i - 1].crossed.clone()),
            bad_end: limits.get(i).map(|limit| limit.kept.clone()),
        })
        .collect()
}

fn ceiling(metric: Metric) -> f64 {
    match metric {
        Metric::ErrorRate | Metric::Availability => 100.0,
        Metric::ResponseTime | Metric::AffectedUsers => 9e15,
    }
}
