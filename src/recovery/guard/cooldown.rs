//! Cooldown: a rest after each attempt, failed ones too, per target and issue and per target and action.

use jiff::SignedDuration;

use super::Situation;
use crate::recovery::{PastAttempt, Plan, RecoveryError};

/// Refuses the whole plan if the same issue was tried, and takes out single actions that were tried for another issue, so that renaming the issue
/// does not dodge it.
pub(super) fn guard(situation: &Situation<'_>, mut plan: Plan) -> Result<Plan, RecoveryError> {
    let remaining = |attempt: &PastAttempt| situation.now.left_of(situation.settings.cooldown(), &attempt.began);
    let hot: Vec<&PastAttempt> = situation.attempts.iter().filter(|a| remaining(a) > SignedDuration::ZERO).collect();
    let longest = |attempts: &mut dyn Iterator<Item = &&PastAttempt>| attempts.map(|a| (*a).clone()).max_by_key(remaining);
    if let Some(attempt) = longest(&mut hot.iter().filter(|a| a.issue_type == plan.issue_type)) {
        return Err(refusal(&plan, &attempt, remaining(&attempt)));
    }
    let mut last = None;
    for step in plan.steps.iter_mut().filter(|s| s.skipped.is_none()) {
        if let Some(attempt) = longest(&mut hot.iter().filter(|a| a.action == step.action)) {
            step.skipped = Some(format!("in cooldown: tried at {}", attempt.began.at));
            last = Some(attempt);
        }
    }
    match last {
        Some(attempt) if plan.runnable().next().is_none() => Err(refusal(&plan, &attempt, remaining(&attempt))),
        _ => Ok(plan.sealed()),
    }
}

fn refusal(plan: &Plan, attempt: &PastAttempt, remaining: SignedDuration) -> RecoveryError {
    RecoveryError::Cooldown {
        target: plan.target.to_string(),
        action: attempt.action,
        since: attempt.began.at.to_string(),
        remaining_seconds: remaining.as_secs().max(1),
    }
}
