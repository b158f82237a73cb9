//! Escalation: what did not help three times, or had to be recovered five times in four hours, is no matter for automation.
//!
//! The limits are those of the operations table.

use jiff::SignedDuration;

use super::Situation;
use crate::recovery::{Plan, RecoveryError, State};

/// How far back is looked.
pub(in crate::recovery) const WINDOW: SignedDuration = SignedDuration::from_hours(4);
/// So many recoveries without effect are enough.
const INEFFECTIVE: usize = 3;
/// So many recoveries are enough, effective or not, and whatever the issue was called: renaming it must not dodge this.
const RECURRENCES: usize = 5;

pub(super) fn guard(situation: &Situation<'_>, plan: Plan) -> Result<Plan, RecoveryError> {
    let recent = || situation.since_reset().filter(|o| situation.now.since(&o.began) < WINDOW);
    let ineffective = recent().filter(|o| matches!(o.state, State::FailedVerification | State::Undone)).count();
    let recurrences = recent().count();
    let why = if ineffective >= INEFFECTIVE {
        format!("{ineffective} recoveries had no effect")
    } else if recurrences >= RECURRENCES {
        format!("it was recovered {recurrences} times")
    } else {
        return Ok(plan);
    };
    Err(RecoveryError::Escalated { target: plan.target.to_string(), why, hours: WINDOW.as_hours() })
}
