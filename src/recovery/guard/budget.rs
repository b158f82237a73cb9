//! Budget: so many actions an hour over all targets, whoever asks. Asked again in the transaction that journals the intent, so that calls on
//! several targets at once cannot overrun it.

use super::Situation;
use crate::recovery::{Plan, RecoveryError};

pub(super) fn guard(situation: &Situation<'_>, plan: Plan) -> Result<Plan, RecoveryError> {
    let limit = situation.settings.actions_per_hour;
    if situation.actions_last_hour < limit { Ok(plan) } else { Err(RecoveryError::BudgetSpent { limit }) }
}
