//! Thresholds, keywords, teams and SLA minutes. The defaults are the specification's (`classification_rules`, `response_teams`,
//! `response_sla`), with Chinese keywords of our own for the guarded policy.

use serde::Deserialize;

use super::{Metric, Policy};
use crate::types::{percent::Percent, severity::Severity};

/// `[classify]` of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifySettings {
    /// `guarded` (default) or `quorum`.
    pub policy: Policy,
    /// `[classify.levels.P0]` to `P3`.
    pub levels: Levels,
}

/// One level each.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "UPPERCASE")]
pub struct Levels {
    #[serde(deserialize_with = "merge_p0")]
    p0: Level,
    #[serde(deserialize_with = "merge_p1")]
    p1: Level,
    #[serde(deserialize_with = "merge_p2")]
    p2: Level,
    #[serde(deserialize_with = "merge_p3")]
    p3: Level,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            p0: Level::default_of(Severity::P0),
            p1: Level::default_of(Severity::P1),
            p2: Level::default_of(Severity::P2),
            p3: Level::default_of(Severity::P3),
        }
    }
}

/// When a level applies and who answers to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Hit when the error rate is above this percentage.
    pub error_rate_percent: Percent,
    /// Hit when the response time is above this, milliseconds.
    pub response_time_ms: u64,
    /// Hit when the availability is below this percentage.
    pub availability_percent: Percent,
    /// Hit when more users than this are affected.
    pub affected_users: u64,
    /// Words of a description that speak for this level, lower case.
    pub keywords: Vec<String>,
    /// Chinese words; read by the guarded policy only, because the specification has none.
    pub keywords_zh: Vec<String>,
    /// Who responds.
    pub team: Vec<String>,
    /// Minutes until somebody must have responded, 1 or more.
    pub sla_minutes: u32,
}

/// A level as written: what is absent keeps its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLevel {
    error_rate_percent: Option<Percent>,
    response_time_ms: Option<u64>,
    availability_percent: Option<Percent>,
    affected_users: Option<u64>,
    keywords: Option<Vec<String>>,
    keywords_zh: Option<Vec<String>>,
    team: Option<Vec<String>>,
    sla_minutes: Option<std::num::NonZeroU32>,
}

macro_rules! merge {
    ($name:ident, $severity:ident) => {
        fn $name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
            Ok(Level::default_of(Severity::$severity).merged(RawLevel::deserialize(deserializer)?))
        }
    };
}
merge!(merge_p0, P0);
merge!(merge_p1, P1);
merge!(merge_p2, P2);
merge!(merge_p3, P3);

impl Level {
    fn default_of(severity: Severity) -> Self {
        type Row = (f64, u64, f64, u64, &'static [&'static str], &'static [&'static str], &'static [&'static str], u32);
        let (error_rate, response_time_ms, availability, affected_users, keywords, keywords_zh, team, sla_minutes): Row = match severity {
            Severity::P0 => (
                50.0,
                30_000,
                90.0,
                1_000,
                &["down", "outage", "critical", "5xx"],
                &["宕机", "瘫痪", "不可用", "全部中断", "服务中断", "崩溃"],
                &["on-call-engineer", "engineering-lead", "product-manager"],
                5,
            ),
            Severity::P1 => {
                (20.0, 10_000, 95.0, 100, &["error", "timeout", "failure"], &["错误", "报错", "超时", "失败", "故障"], &["on-call-engineer", "team-lead"], 15)
            }
            Severity::P2 => {
                (5.0, 5_000, 98.0, 10, &["slow", "degraded", "warning"], &["缓慢", "变慢", "很慢", "卡顿", "降级", "告警"], &["on-call-engineer"], 60)
            }
            Severity::P3 => (1.0, 2_000, 99.5, 0, &["minor", "performance", "optimization"], &["轻微", "性能", "优化"], &["engineer"], 240),
        };
        let percent = |value| Percent::new(value).expect("the defaults are percentages");
        let texts = |words: &[&str]| words.iter().map(|&w| w.to_owned()).collect();
        Self {
            error_rate_percent: percent(error_rate),
            response_time_ms,
            availability_percent: percent(availability),
            affected_users,
            keywords: texts(keywords),
            keywords_zh: texts(keywords_zh),
            team: texts(team),
            sla_minutes,
        }
    }

    fn merged(self, raw: RawLevel) -> Self {
        let lower = |words: Vec<String>| words.into_iter().map(|w| w.to_lowercase()).collect();
        Self {
            error_rate_percent: raw.error_rate_percent.unwrap_or(self.error_rate_percent),
            response_time_ms: raw.response_time_ms.unwrap_or(self.response_time_ms),
            availability_percent: raw.availability_percent.unwrap_or(self.availability_percent),
            affected_users: raw.affected_users.unwrap_or(self.affected_users),
            keywords: raw.keywords.map_or(self.keywords, lower),
            keywords_zh: raw.keywords_zh.unwrap_or(self.keywords_zh),
            team: raw.team.unwrap_or(self.team),
            sla_minutes: raw.sla_minutes.map_or(self.sla_minutes, std::num::NonZeroU32::get),
        }
    }

    /// The threshold of a metric, in the metric's unit.
    #[expect(clippy::cast_precision_loss, reason = "thresholds are far below 2^52")]
    pub fn threshold(&self, metric: Metric) -> f64 {
        match metric {
            Metric::ErrorRate => self.error_rate_percent.get(),
            Metric::ResponseTime => self.response_time_ms as f64,
            Metric::Availability => self.availability_percent.get(),
            Metric::AffectedUsers => self.affected_users as f64,
        }
    }

    /// Whether a value hits this level: strictly beyond the threshold.
    pub fn hit(&self, metric: Metric, value: f64) -> bool {
        let threshold = self.threshold(metric);
        if metric.lower_is_worse() { value < threshold } else { value > threshold }
    }
}

impl ClassifySettings {
    /// The settings of one level.
    pub fn level(&self, severity: Severity) -> &Level {
        match severity {
            Severity::P0 => &self.levels.p0,
            Severity::P1 => &self.levels.p1,
            Severity::P2 => &self.levels.p2,
            Severity::P3 => &self.levels.p3,
        }
    }

    /// With other names of who responds.
    #[must_use]
    pub fn with_teams(mut self, of: impl Fn(&str) -> String) -> Self {
        let Levels { p0, p1, p2, p3 } = &mut self.levels;
        for name in [p0, p1, p2, p3].into_iter().flat_map(|level| &mut level.team) {
            *name = of(name);
        }
        self
    }

    /// The worst level that a value hits.
    pub(super) fn worst_hit(&self, metric: Metric, value: f64) -> Option<Severity> {
        Severity::ALL.into_iter().find(|s| self.level(*s).hit(metric, value))
    }

    /// Thresholds must not get stricter from P0 to P3, or a worse value would give a better verdict.
    ///
    /// # Errors
    /// The metric and the two levels that are out of order.
    pub fn validate(&self) -> Result<(), String> {
        for metric in Metric::ALL {
            for pair in Severity::ALL.windows(2) {
                let (worse, better) = (self.level(pair[0]).threshold(metric), self.level(pair[1]).threshold(metric));
                if if metric.lower_is_worse() { worse > better } else { worse < better } {
                    return Err(format!(
                        "classify.levels: {} of {} ({worse}) is milder than that of {} ({better}); write thresholds that rise with severity",
                        metric.name(),
                        pair[0],
                        pair[1]
                    ));
                }
            }
        }
        Ok(())
    }
}
