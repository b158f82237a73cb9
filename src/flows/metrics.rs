//! What the server tells Prometheus about itself: calls, errors and how long they took, per tool.
//!
//! Labels are names of ours only, so that nothing a caller or a log says ever becomes a time series.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Upper bounds of the buckets in seconds: an answer from memory takes well below a millisecond, and no call takes longer than three minutes.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 25.0, 180.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTool {
    tool: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfError {
    tool: &'static str,
    code: &'static str,
}

/// The figures. All methods are cheap and may be called from anywhere.
pub struct Metrics {
    registry: Registry,
    calls: Family<OfTool, Counter>,
    errors: Family<OfError, Counter>,
    seconds: Family<OfTool, Histogram, fn() -> Histogram>,
    sessions: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("opsmedic");
        let calls = Family::default();
        let errors = Family::default();
        let seconds = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let sessions = Gauge::default();
        registry.register("tool_calls", "Calls of a tool that got an answer", calls.clone());
        registry.register("tool_errors", "Answers of a tool that were an error, by its code", errors.clone());
        registry.register_with_unit("tool_call_duration", "From a call to its answer, waiting for its turn included", Unit::Seconds, seconds.clone());
        registry.register("sessions", "Open sessions of the revisions before 2026-07-28", sessions.clone());
        Self { registry, calls, errors, seconds, sessions }
    }
}

impl Metrics {
    /// A call got its answer; `code` is that of the error, if it was one.
    pub fn called(&self, tool: &'static str, code: Option<&'static str>, took: Duration) {
        self.calls.get_or_create(&OfTool { tool }).inc();
        self.seconds.get_or_create(&OfTool { tool }).observe(took.as_secs_f64());
        if let Some(code) = code {
            self.errors.get_or_create(&OfError { tool, code }).inc();
        }
    }

    /// All figures in the text format, with so many sessions open at this moment.
    pub fn text(&self, sessions: usize) -> String {
        self.sessions.set(i64::try_from(sessions).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a String cannot fail; a half-written text is still better than a panic.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_counted_once_and_an_error_by_its_code() {
        let metrics = Metrics::default();
        metrics.called("get_playbook", None, Duration::from_millis(2));
        metrics.called("get_playbook", Some("unknown_playbook"), Duration::from_millis(2));
        let text = metrics.text(3);
        for line in [
            "opsmedic_tool_calls_total{tool=\"get_playbook\"} 2",
            "opsmedic_tool_errors_total{tool=\"get_playbook\",code=\"unknown_playbook\"} 1",
            "opsmedic_tool_call_duration_seconds_bucket{le=\"0.0025\",tool=\"get_playbook\"} 2",
            "opsmedic_sessions 3",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
