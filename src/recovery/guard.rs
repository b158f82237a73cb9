//! Decides whether a plan may run now. Pure: what it knows is handed in.

use jiff::{SignedDuration, Timestamp};

use super::{PastAttempt, Plan, RecoveryError};
use crate::types::issue::IssueType;

/// Removes from the plan what is in cooldown: the whole plan if the same issue was tried, single actions if they were tried for another
/// issue, so that renaming the issue does not dodge it. A start in the future (the clock was set back) counts as just now.
///
/// # Errors
/// `Cooldown` when nothing is left to run.
pub(super) fn cooldown(mut plan: Plan, past: &[PastAttempt], now: Timestamp, cooldown: SignedDuration) -> Result<Plan, RecoveryError> {
    let remaining = |attempt: &PastAttempt| cooldown - now.duration_since(attempt.started_at).clamp(SignedDuration::ZERO, SignedDuration::MAX);
    let hot: Vec<&PastAttempt> = past.iter().filter(|a| remaining(a) > SignedDuration::ZERO).collect();
    if let Some(attempt) = newest(hot.iter().copied(), plan.issue_type) {
        return Err(refusal(&plan, attempt, remaining(attempt)));
    }
    let mut last = None;
    for step in plan.steps.iter_mut().filter(|s| s.skipped.is_none()) {
        if let Some(attempt) = hot.iter().filter(|a| a.action == step.action).max_by_key(|a| a.started_at) {
            step.skipped = Some(format!("in cooldown: tried at {}", attempt.started_at));
            last = Some(*attempt);
        }
    }
    match last {
        Some(attempt) if plan.runnable().next().is_none() => Err(refusal(&plan, attempt, remaining(attempt))),
        _ => Ok(plan.sealed()),
    }
}

fn newest<'a>(attempts: impl Iterator<Item = &'a PastAttempt>, issue: IssueType) -> Option<&'a PastAttempt> {
    attempts.filter(|a| a.issue_type == issue).max_by_key(|a| a.started_at)
}

fn refusal(plan: &Plan, attempt: &PastAttempt, remaining: SignedDuration) -> RecoveryError {
    RecoveryError::Cooldown {
        target: plan.target.to_string(),
        action: attempt.action,
        since: attempt.started_at.to_string(),
        remaining_seconds: remaining.as_secs().max(1),
    }
}
