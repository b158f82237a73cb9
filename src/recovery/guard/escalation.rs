//! Escalation: what did not help three times, or came back five times in four hours, is no matter for automation.
//!
//! The limits are those of the operations table.

use jiff::SignedDuration;

use super::Situation;
use crate::recovery::{Plan, RecoveryError, State};

/// How far back is looked.
pub(in crate::recovery) const WINDOW: SignedDuration = SignedDuration::from_hours(4);
/// So many recoveries without effect are enough.
const INEFFECTIVE: usize = 3;
/// So many recoveries of the same issue are enough, effective or not.
const RECURRENCES: usize = 5;

pub(super) fn guard(situation: &Situation<'_>, plan: Plan) -> Result<Plan, RecoveryError> {
    let recent = || situation.since_reset().filter(|o| situation.now.since(&o.began) < WINDOW);
    let ineffective = recent().filter(|o| matches!(o.state, State::FailedVerification | State::Undone)).count();
    let recurrences = recent().filter(|o| o.issue_type == plan.issue_type).count();
    let why = if ineffective >= INEFFECTIVE {
        format!("{ineffective} recoveries had no effect")
    } else if recurrences >= RECURRENCES {
        format!("{} came back {recurrences} times", plan.issue_type)
    } else {
        return Ok(plan);
    };
    Err(RecoveryError::Escalated { target: plan.target.to_string(), why, hours: WINDOW.as_hours() })
}
