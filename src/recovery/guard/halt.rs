//! The kill switch: a file or a command of a person stops everything, before the next step of what runs already, too.

use super::Situation;
use crate::recovery::{Plan, RecoveryError};

pub(super) fn guard(situation: &Situation<'_>, plan: Plan) -> Result<Plan, RecoveryError> {
    match &situation.controls.halted {
        Some(reason) => Err(RecoveryError::Halted { reason: reason.clone() }),
        None => Ok(plan),
    }
}
