//! Circuit breaker: after so many failures in a row nothing more is done to a target until a person has looked.

use super::Situation;
use crate::recovery::{Plan, RecoveryError};

/// Time does not close it, and neither does a restart or a clock: operations are counted, not minutes.
pub(super) fn guard(situation: &Situation<'_>, plan: Plan) -> Result<Plan, RecoveryError> {
    let failures = situation.since_reset().take_while(|o| o.state.is_failure()).count();
    if failures < situation.settings.breaker_failures as usize {
        return Ok(plan);
    }
    Err(RecoveryError::BreakerOpen { target: plan.target.to_string(), failures })
}
