//! The one table that ties what was seen (a log pattern, a failing check, a metric) to an issue type and a playbook.
//!
//! Every answer names its next call from here, so that the tools agree with each other. Holds no text for people.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What recovery can be asked to mend. Each has a strategy: an ordered list of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum IssueType {
    /// Many requests fail.
    HighErrorRate,
    /// Requests are slow.
    HighLatency,
    /// The service does not answer.
    ServiceUnavailable,
    /// The database cannot be reached or refuses work.
    DatabaseConnectionError,
    /// Memory runs out.
    MemoryExhaustion,
    /// Trouble since a new version.
    BadDeployment,
}

impl IssueType {
    /// All issue types, in the order in which help lists them.
    pub const ALL: [Self; 6] =
        [Self::HighErrorRate, Self::HighLatency, Self::ServiceUnavailable, Self::DatabaseConnectionError, Self::MemoryExhaustion, Self::BadDeployment];

    /// The name on the wire and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::HighErrorRate => "high_error_rate",
            Self::HighLatency => "high_latency",
            Self::ServiceUnavailable => "service_unavailable",
            Self::DatabaseConnectionError => "database_connection_error",
            Self::MemoryExhaustion => "memory_exhaustion",
            Self::BadDeployment => "bad_deployment",
        }
    }
}

impl fmt::Display for IssueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for IssueType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|i| i.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name);
            let hint = super::suggest::nearest(text, known).map(|n| format!("; did you mean {n}?")).unwrap_or_default();
            format!("unknown issue type; the known ones are {}{hint}", known.join(", "))
        })
    }
}

/// Something that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign<'a> {
    /// An error pattern of the log analysis, by name.
    Pattern(&'a str),
    /// A health check that is not ok, by name.
    Check(&'a str),
    /// A metric of the classification that hit, by name.
    Metric(&'a str),
    /// Something in the course of a log over time, by the name of its recommendation.
    Course(&'a str),
}

/// Where a sign leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lead {
    /// What recovery would be asked to mend; none where no automatic action fits.
    pub issue: Option<IssueType>,
    /// The playbook to read.
    pub playbook: &'static str,
}

/// The playbook for what no row knows.
pub const FALLBACK_PLAYBOOK: &str = "incident_response";

const TABLE: &[(Sign<'static>, Option<IssueType>, &str)] = &[
    (Sign::Pattern("connection_timeout"), Some(IssueType::HighLatency), "network_issues"),
    (Sign::Pattern("database_error"), Some(IssueType::DatabaseConnectionError), "database_issues"),
    (Sign::Pattern("memory_error"), Some(IssueType::MemoryExhaustion), "memory_leak"),
    (Sign::Pattern("permission_error"), None, FALLBACK_PLAYBOOK),
    (Sign::Pattern("file_not_found"), Some(IssueType::BadDeployment), "service_down"),
    (Sign::Pattern("network_error"), Some(IssueType::ServiceUnavailable), "network_issues"),
    (Sign::Pattern("rate_limit"), Some(IssueType::HighErrorRate), "high_latency"),
    (Sign::Pattern("authentication_error"), None, FALLBACK_PLAYBOOK),
    (Sign::Pattern("validation_error"), None, FALLBACK_PLAYBOOK),
    (Sign::Check("application"), Some(IssueType::ServiceUnavailable), "service_down"),
    (Sign::Check("database"), Some(IssueType::DatabaseConnectionError), "database_issues"),
    (Sign::Check("redis"), Some(IssueType::ServiceUnavailable), "service_down"),
    (Sign::Check("external_api"), None, "network_issues"),
    (Sign::Check("disk"), None, "disk_full"),
    (Sign::Check("memory"), Some(IssueType::MemoryExhaustion), "memory_leak"),
    (Sign::Check("cpu"), Some(IssueType::HighLatency), "high_latency"),
    (Sign::Check("network"), None, "network_issues"),
    (Sign::Metric("availability_percent"), Some(IssueType::ServiceUnavailable), "service_down"),
    (Sign::Metric("error_rate_percent"), Some(IssueType::HighErrorRate), "service_down"),
    (Sign::Metric("response_time_ms"), Some(IssueType::HighLatency), "high_latency"),
    // New errors alone are no ground to act: what is new may be harmless.
    (Sign::Course("new_errors"), None, FALLBACK_PLAYBOOK),
    (Sign::Course("error_spike"), Some(IssueType::HighErrorRate), "service_down"),
    (Sign::Course("error_rate_step"), Some(IssueType::HighErrorRate), "service_down"),
    (Sign::Course("silence"), Some(IssueType::ServiceUnavailable), "service_down"),
];

/// Where a sign leads: its row, or no issue type and the incident-response manual.
pub fn lead(sign: Sign<'_>) -> Lead {
    TABLE
        .iter()
        .find(|(known, ..)| *known == sign)
        .map_or(Lead { issue: None, playbook: FALLBACK_PLAYBOOK }, |(_, issue, playbook)| Lead { issue: *issue, playbook })
}

/// Playbook of an issue type, for answers that know the issue and not the sign.
pub fn playbook_for(issue: IssueType) -> &'static str {
    match issue {
        IssueType::HighLatency => "high_latency",
        IssueType::DatabaseConnectionError => "database_issues",
        IssueType::MemoryExhaustion => "memory_leak",
        IssueType::HighErrorRate | IssueType::ServiceUnavailable | IssueType::BadDeployment => "service_down",
    }
}

/// All playbooks that rows lead to; each must exist in the library.
pub fn playbooks() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(.., playbook)| *playbook).chain(IssueType::ALL.map(playbook_for))
}
