//! Recovery: mends what an issue type names on a configured target, one guarded action after the other, and measures whether it helped.
//!
//! A call flows one way: plan -> guard -> journal -> act -> verify -> journal. Targets and everything that is called come from the
//! configuration; a caller chooses only an issue type and a target's name.
//!
//! **Invariant:** nothing is called before its intent is durable in the journal, and nothing is `succeeded` before the target's own check
//! passed for the soak time.

pub mod actions;
mod engine;
mod error;
mod guard;
mod journal;
mod operation;
mod plan;
mod run;
mod settings;
mod stats;
mod strategy;
mod target;
mod verify;

pub use actions::{Act, ActError, Actuator, ActuatorKind, Context, Postcondition, Prepared, Probe, Snapshot};
pub use engine::{Parts, Recovery, TriggerRequest};
pub use error::RecoveryError;
pub use journal::{IsDead, Journal, JournalError, Lease, OperationFilter, Owner, PastAttempt};
pub use operation::{Attempt, Operation, Outcome, State};
pub use plan::{Plan, PlanStep};
pub use settings::RecoverySettings;
pub use stats::Statistics;
pub use strategy::{Action, Risk, default_strategy};
pub use target::Target;
pub use verify::{Vital, Vitals};

#[cfg(test)]
mod tests;
