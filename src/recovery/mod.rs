//! Recovery: mends what an issue type names on a configured target, one guarded action after the other, and measures whether it helped.
//!
//! A call flows one way: plan -> guard -> journal -> act -> verify -> journal. Targets and everything that is called come from the
//! configuration; a caller chooses only an issue type and a target's name.
//!
//! **Invariant:** nothing is called before its intent is durable in the journal, and nothing is `succeeded` before the target's own check
//! passed for the soak time.

pub mod actions;
mod admit;
mod approval;
mod audit;
mod consent;
mod controls;
mod engine;
mod error;
mod guard;
mod journal;
mod operation;
mod people;
mod plan;
mod run;
mod runner;
mod settings;
mod state;
mod stats;
mod strategy;
mod takeback;
mod target;
mod verify;

pub use actions::{Act, ActError, Actuator, ActuatorKind, Context, Postcondition, Prepared, Probe, Snapshot};
pub use admit::TriggerRequest;
pub use approval::{ApproverKey, PassphraseError};
pub use audit::{Audit, AuditEvent, AuditLine, GENESIS, Verified, Verifier};
pub use consent::ElicitationApproves;
pub use controls::{Change, ControlState, Controls, Freeze};
pub use engine::{Parts, Records, Recovery};
pub use error::RecoveryError;
pub use guard::FreezeWindow;
pub use journal::{IsDead, Journal, JournalError, Lease, Limits, OperationFilter, Owner, PastAttempt, PastOperation};
pub use operation::{Actor, Attempt, Operation, Outcome, Receipt};
pub use plan::{Plan, PlanStep};
pub use settings::{RecoverySettings, WatchSettings};
pub use state::{State, may_follow};
pub use stats::Statistics;
pub use strategy::{Action, Risk, default_strategy};
pub use target::Target;
pub use verify::{Vital, Vitals};

#[cfg(test)]
mod tests;
