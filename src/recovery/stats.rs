//! Figures over past operations.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Operation, Outcome, State};

/// What happened in a period.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Statistics {
    /// Length of the period, hours.
    pub period_hours: u32,
    /// Operations that tried at least one action and ended.
    pub ended: usize,
    /// Those that succeeded.
    pub succeeded: usize,
    /// Share of succeeded ones, 0 to 100; absent when none ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_rate_percent: Option<f64>,
    /// Operations by state.
    pub by_state: BTreeMap<String, usize>,
    /// Attempts by action, as `succeeded/all`.
    pub by_action: BTreeMap<String, String>,
}

/// Counts the operations of a period.
pub(super) fn statistics(operations: &[Operation], period_hours: u32) -> Statistics {
    let mut stats = Statistics { period_hours, ..Default::default() };
    let mut actions: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for operation in operations {
        *stats.by_state.entry(operation.state.name().to_owned()).or_default() += 1;
        if operation.state.is_final() && !operation.attempts.is_empty() {
            stats.ended += 1;
            stats.succeeded += usize::from(operation.state == State::Succeeded);
        }
        for attempt in &operation.attempts {
            let (good, all) = actions.entry(attempt.action.to_string()).or_default();
            *all += 1;
            *good += usize::from(attempt.outcome == Outcome::Succeeded);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of operations in a day")]
    let rate = |good: usize, all: usize| (good as f64 / all as f64 * 1_000.0).round() / 10.0;
    stats.success_rate_percent = (stats.ended > 0).then(|| rate(stats.succeeded, stats.ended));
    stats.by_action = actions.into_iter().map(|(name, (good, all))| (name, format!("{good}/{all}"))).collect();
    stats
}
