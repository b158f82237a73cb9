//! From counts and times to recommendations, in English and Chinese.
//!
//! **Invariant:** looks at counts, levels and times alone: no text of the log can change what is recommended, and none is in it.
//! [`Findings`] has no place for any.

mod course;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    insight::{
        spikes::{Silence, Spike},
        steps::Step,
    },
    patterns::PatternSet,
    time::{Nanos, show},
};
use crate::types::{
    issue::{IssueType, Sign, lead},
    lang::Lang,
};

/// Beyond this share of errors the rate itself is a finding. From the seed.
const HIGH_ERROR_RATE_PERCENT: f64 = 10.0;

/// How soon a recommendation wants attention. Ordered: the earlier, the sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Priority {
    /// At once.
    Critical,
    /// Today.
    High,
    /// Soon.
    Medium,
    /// When there is time.
    Low,
}

impl Priority {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// The counts and times behind a recommendation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Evidence {
    /// Records that matched the pattern, or that are errors: all, the new ones, those of the burst. 0 of a silence.
    pub count: u64,
    /// Records in the window.
    pub of_records: u64,
    /// `count` of `of_records`, 0 to 100.
    pub share_percent: f64,
    /// The first of them, or when it began. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// The last of them, or when it ended. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// Whether there are at least twice as many in the last third of the time as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rising: Option<bool>,
    /// Groups of errors that they belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<u64>,
    /// The highest count of a bucket, as a multiple of what is typical for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times_typical: Option<f64>,
    /// Errors a minute before a lasting change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_per_minute: Option<f64>,
    /// Errors a minute since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_per_minute: Option<f64>,
}

/// What to do about something that the log shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Recommendation {
    /// The pattern's name, or `high_error_rate`, `error_rate_step`, `error_spike`, `new_errors`, `silence`.
    pub id: String,
    /// How soon.
    pub priority: Priority,
    /// The trouble, in the language of the request.
    pub title: String,
    /// What to do, in the language of the request.
    pub text: String,
    /// The counts behind it.
    pub evidence: Evidence,
    /// What recovery can be asked to mend; absent where no automatic action fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue_type: Option<IssueType>,
    /// The playbook to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playbook: Option<String>,
}

/// English and Chinese.
type Text = (&'static str, &'static str);

/// What to say when a pattern was seen: pattern, priority, title, text.
const BY_PATTERN: [(&str, Priority, Text, Text); 9] = [
    (
        "connection_timeout",
        Priority::High,
        ("Connection timeouts", "连接超时"),
        (
            "Check the network path and its settings; raise connection timeouts where they are too short; use a connection pool.",
            "检查网络配置,适当增加连接超时时间,考虑使用连接池",
        ),
    ),
    (
        "database_error",
        Priority::High,
        ("Database errors", "数据库错误"),
        (
            "Check that the database accepts connections and how many are in use; look for slow queries and locks; watch its resources.",
            "检查数据库连接配置,优化查询性能,监控数据库资源",
        ),
    ),
    (
        "memory_error",
        Priority::Critical,
        ("Memory errors", "内存错误"),
        (
            "Find what uses the memory and whether it grows (a leak); lower its use or raise the limit before it is killed again.",
            "优化内存使用,增加服务器内存,检查内存泄漏",
        ),
    ),
    (
        "rate_limit",
        Priority::Medium,
        ("Rate limits hit", "频率限制"),
        ("Cache answers, call less often and back off on refusal; ask for a higher quota if the load is real.", "实施请求缓存,优化API调用频率,考虑升级API配额"),
    ),
    (
        "permission_error",
        Priority::Medium,
        ("Permission errors", "权限错误"),
        (
            "Compare owner, mode and roles with what the service runs as; look for a recent change of either.",
            "核对文件属主、权限和角色与服务运行身份是否一致,检查近期变更",
        ),
    ),
    (
        "file_not_found",
        Priority::Medium,
        ("Missing files", "文件缺失"),
        (
            "Check mounts, working directory and whether the last deployment is complete; roll it back if the files vanished with it.",
            "检查挂载点、工作目录和最近一次部署是否完整,必要时回滚",
        ),
    ),
    (
        "network_error",
        Priority::High,
        ("Network errors", "网络错误"),
        (
            "Check that the peer is up and reachable (route, firewall, DNS); see whether resets come from it or from something between.",
            "检查对端是否存活可达(路由、防火墙、DNS),确认连接重置的来源",
        ),
    ),
    (
        "authentication_error",
        Priority::High,
        ("Authentication errors", "认证失败"),
        (
            "Check expired or rotated credentials and clocks; many failures from few sources may be an attack.",
            "检查凭据是否过期或已轮换、时钟是否同步;来源集中的大量失败可能是攻击",
        ),
    ),
    (
        "validation_error",
        Priority::Low,
        ("Validation errors", "校验错误"),
        ("Find the client or release that sends the wrong input; compare both sides of the interface.", "定位发送错误输入的客户端或版本,核对接口两端的约定"),
    ),
];

/// Patterns that the seed gives advice on, which are the first of [`BY_PATTERN`].
const SEED_ADVICE: usize = 4;

/// What to say about many errors.
const HIGH_ERROR_RATE: (Text, Text) = (
    ("High error rate", "高错误率"),
    (
        "More than a tenth of the records are errors; find the root cause at once, starting with the largest group of errors.",
        "当前错误率超过 10%,需要紧急调查根本原因",
    ),
);

/// `count` of `total` in percent with two decimals; 0 of nothing.
pub(crate) fn share(count: u64, total: u64) -> f64 {
    if total == 0 {
        return 0.0;
    }
    (count as f64 * 10_000.0 / total as f64).round() / 100.0
}

/// Some records of the window, by count and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub(crate) count: u64,
    pub(crate) first: Option<Nanos>,
    pub(crate) last: Option<Nanos>,
    /// None: not known. See [`rising`](super::insight::steps::rising).
    pub(crate) rising: Option<bool>,
    /// Groups of errors among them. None: not known.
    pub(crate) groups: Option<u64>,
}

impl From<u64> for Seen {
    fn from(count: u64) -> Self {
        Self { count, ..Self::default() }
    }
}

/// What recommendations are made from.
pub(crate) struct Findings<'a> {
    pub(crate) set: PatternSet,
    pub(crate) lang: Lang,
    /// Records in the window.
    pub(crate) records: u64,
    /// Levels error and critical.
    pub(crate) errors: Seen,
    /// Records that match a pattern, by its name.
    pub(crate) patterns: &'a dyn Fn(&str) -> Seen,
    /// Errors of groups that did not occur in what was read before the window. None if nothing was read before it.
    pub(crate) new_errors: Option<Seen>,
    pub(crate) spikes: &'a [Spike],
    pub(crate) steps: &'a [Step],
    pub(crate) silence: Option<Silence>,
}

impl<'a> Findings<'a> {
    /// Of these counts; nothing is known of the course over time.
    pub(crate) fn new(set: PatternSet, lang: Lang, records: u64, errors: Seen, patterns: &'a dyn Fn(&str) -> Seen) -> Self {
        Self { set, lang, records, errors, patterns, new_errors: None, spikes: &[], steps: &[], silence: None }
    }

    fn evidence(&self, seen: Seen) -> Evidence {
        let counts = Evidence { count: seen.count, of_records: self.records, share_percent: share(seen.count, self.records), ..Evidence::default() };
        if self.set == PatternSet::Seed {
            return counts;
        }
        Evidence { first_seen: seen.first.map(show), last_seen: seen.last.map(show), rising: seen.rising, groups: seen.groups, ..counts }
    }

    fn recommendation(&self, id: &str, sign: Sign<'_>, priority: Priority, (title, text): (Text, Text), evidence: Evidence) -> Recommendation {
        let leads = lead(sign);
        Recommendation {
            id: id.to_owned(),
            priority,
            title: self.lang.pick(title.0, title.1).to_owned(),
            text: self.lang.pick(text.0, text.1).to_owned(),
            evidence,
            issue_type: leads.issue,
            playbook: Some(leads.playbook.to_owned()),
        }
    }
}

/// What the findings call for. In the seed's reading: its own advice in its own order. Else all, the most urgent first.
pub(crate) fn recommend(findings: &Findings<'_>) -> Vec<Recommendation> {
    let seed = findings.set == PatternSet::Seed;
    let mut out = Vec::new();
    for (name, priority, title, text) in if seed { &BY_PATTERN[..SEED_ADVICE] } else { &BY_PATTERN[..] } {
        let seen = (findings.patterns)(name);
        if seen.count > 0 {
            out.push(findings.recommendation(name, Sign::Pattern(name), *priority, (*title, *text), findings.evidence(seen)));
        }
    }
    if findings.errors.count as f64 * 100.0 > HIGH_ERROR_RATE_PERCENT * findings.records as f64 {
        let sign = Sign::Metric("error_rate_percent");
        out.push(findings.recommendation("high_error_rate", sign, Priority::Critical, HIGH_ERROR_RATE, findings.evidence(findings.errors)));
    }
    if !seed {
        out.extend(course::recommend(findings));
        out.sort_by_key(|r| r.priority);
    }
    out
}

#[cfg(test)]
mod tests;
