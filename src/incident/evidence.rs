//! What a verdict is made from: the inputs, their names and their ranges.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::IncidentError;

/// The names of all inputs.
pub(super) const INPUTS: &[&str] = &["error_rate_percent", "response_time_ms", "availability_percent", "affected_users", "business_impact", "description"];

/// The longest description that is read, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 4_096;

/// How much the business feels it, as a person judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum BusinessImpact {
    /// None.
    None,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// At least P2.
    High,
    /// At least P1.
    Critical,
}

/// The inputs of a classification. All are optional, at least one is needed; the aliases are the specification's first names.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Share of requests that fail, 0 to 100.
    #[serde(default, alias = "error_rate")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub error_rate_percent: Option<f64>,
    /// Response time as users feel it (p95 or p99), milliseconds, 0 or more.
    #[serde(default, alias = "response_time")]
    #[schemars(range(min = 0.0))]
    pub response_time_ms: Option<f64>,
    /// Share of time or probes in which the service worked, 0 to 100.
    #[serde(default, alias = "availability")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub availability_percent: Option<f64>,
    /// Number of users affected, 0 or more.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub affected_users: Option<i64>,
    /// How much the business feels it.
    #[serde(default)]
    pub business_impact: Option<BusinessImpact>,
    /// What people see, in their words, English or Chinese. Supports a verdict, never decides one.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub description: Option<String>,
}

/// The four numeric inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// `error_rate_percent`
    ErrorRate,
    /// `response_time_ms`
    ResponseTime,
    /// `availability_percent`
    Availability,
    /// `affected_users`
    AffectedUsers,
}

impl Metric {
    /// All four, in the specification's order.
    pub const ALL: [Self; 4] = [Self::ErrorRate, Self::ResponseTime, Self::Availability, Self::AffectedUsers];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::ErrorRate => "error_rate_percent",
            Self::ResponseTime => "response_time_ms",
            Self::Availability => "availability_percent",
            Self::AffectedUsers => "affected_users",
        }
    }

    /// Which metric names the playbook when several hit the same level: an outage explains errors, and errors explain slowness.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Availability => 0,
            Self::ErrorRate => 1,
            Self::ResponseTime => 2,
            Self::AffectedUsers => 3,
        }
    }

    /// Whether a lower value is the worse one.
    pub fn lower_is_worse(self) -> bool {
        self == Self::Availability
    }
}

impl Evidence {
    /// The value of a metric, if known.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::ErrorRate => self.error_rate_percent,
            Metric::ResponseTime => self.response_time_ms,
            Metric::Availability => self.availability_percent,
            #[expect(clippy::cast_precision_loss, reason = "thresholds are far below 2^52 users")]
            Metric::AffectedUsers => self.affected_users.map(|n| n as f64),
        }
    }

    /// How many of the four metrics are known.
    pub fn known(&self) -> usize {
        Metric::ALL.into_iter().filter(|m| self.value(*m).is_some()).count()
    }

    /// The description, or nothing.
    pub(super) fn words(&self) -> &str {
        self.description.as_deref().unwrap_or_default()
    }

    /// Checks ranges, and that there is anything at all.
    ///
    /// # Errors
    /// `NoEvidence` or `OutOfRange` with the field.
    pub fn validate(&self) -> Result<(), IncidentError> {
        for metric in Metric::ALL {
            let Some(value) = self.value(metric) else { continue };
            let (fits, expected) = match metric {
                Metric::ErrorRate | Metric::Availability => ((0.0..=100.0).contains(&value), "write a percentage from 0 to 100"),
                Metric::ResponseTime => (value.is_finite() && value >= 0.0, "write milliseconds, 0 or more"),
                Metric::AffectedUsers => (value >= 0.0, "write a count, 0 or more"),
            };
            if !fits {
                return Err(IncidentError::OutOfRange { field: metric.name(), value: value.to_string(), expected });
            }
        }
        if self.words().len() > MAX_DESCRIPTION_BYTES {
            let value = format!("{} bytes long", self.words().len());
            return Err(IncidentError::OutOfRange { field: "description", value, expected: "write at most 4096 bytes" });
        }
        if self.known() == 0 && self.business_impact.is_none() && self.words().trim().is_empty() {
            return Err(IncidentError::NoEvidence);
        }
        Ok(())
    }
}
