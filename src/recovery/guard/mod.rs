//! Decides whether a plan may run now. Pure: what is known is handed in as a [`Situation`].
//!
//! A guard is one function in one file of this folder and one line in [`GUARDS`].

pub(super) mod blast_radius;
mod breaker;
mod budget;
mod cooldown;
mod escalation;
pub(super) mod freeze;
mod halt;

use super::{ControlState, PastAttempt, PastOperation, Plan, RecoveryError, RecoverySettings, Target, Vital};
use crate::types::moment::Moment;

pub use freeze::FreezeWindow;

/// Everything that guards look at.
pub(super) struct Situation<'a> {
    /// Now.
    pub(super) now: Moment,
    /// Limits.
    pub(super) settings: &'a RecoverySettings,
    /// The target.
    pub(super) target: &'a Target,
    /// What a person set.
    pub(super) controls: ControlState,
    /// Attempts on the target, at least as far back as the cooldown reaches.
    pub(super) attempts: Vec<PastAttempt>,
    /// Ended operations on the target that called something, newest first.
    pub(super) operations: Vec<PastOperation>,
    /// Actions called on any target during the last hour.
    pub(super) actions_last_hour: u32,
    /// How the members of the target's group are, itself included; empty without a group.
    pub(super) group: Vec<Vital>,
}

impl Situation<'_> {
    /// Operations since a person last reset the target's breaker.
    fn since_reset(&self) -> impl Iterator<Item = &PastOperation> {
        let reset = self.controls.resets.get(&self.target.name).copied().unwrap_or(0);
        self.operations.iter().filter(move |o| o.row > reset)
    }
}

/// The refusal where a group's health cannot be seen at all.
pub(super) fn group_unseen(target: &Target) -> RecoveryError {
    RecoveryError::HealthUnknown { what: format!("group {}", target.group.as_deref().unwrap_or_default()) }
}

/// May take actions out of the plan; a plan with nothing left is a refusal.
type Guard = fn(&Situation<'_>, Plan) -> Result<Plan, RecoveryError>;

/// Every guard, in the order in which they are asked. The first refusal is the answer, so the ones that only a person lifts come first.
const GUARDS: &[Guard] = &[halt::guard, freeze::guard, breaker::guard, escalation::guard, cooldown::guard, budget::guard, blast_radius::guard];

/// Asks every guard.
///
/// # Errors
/// The first refusal.
pub(super) fn ask_all(situation: &Situation<'_>, plan: Plan) -> Result<Plan, RecoveryError> {
    GUARDS.iter().try_fold(plan, |plan, guard| guard(situation, plan))
}

#[cfg(test)]
mod tests;
