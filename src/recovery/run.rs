//! Runs one admitted operation to a recorded end: intent, act, verify, next action.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use tokio::time::Instant;

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::{
    Act, ActError, Attempt, Context, JournalError, Lease, Operation, Outcome, PlanStep, State, Target,
    engine::{LEASE, Parts},
    verify,
};
use crate::types::bound;

/// How often the lease is renewed; renewals may fail until it has run out.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// How often the end of an operation is tried to record while the store does not work.
const RECORD_TRIES: u32 = 5;
/// What is kept of an actuator's output, in bytes.
const OUTPUT_BYTES: usize = 2_000;

/// Runs until the end, a shutdown, or the loss of the lease.
pub(super) async fn run(parts: Arc<Parts>, operation: Operation, target: Target, lease: Lease, shutdown: CancellationToken) {
    let id = operation.operation_id.clone();
    let mut runner = Runner { parts: &parts, target: &target, lease: &lease, operation };
    let ended = tokio::select! {
        biased;
        () = shutdown.cancelled() => Ended::Shutdown,
        error = keep_alive(&parts, &lease) => Ended::Journal(error),
        result = AssertUnwindSafe(runner.steps()).catch_unwind() => match result {
            Ok(Ok(())) => Ended::Recorded,
            Ok(Err(error)) => Ended::Journal(error),
            Err(_) => Ended::Panic,
        },
    };
    let closing = match ended {
        Ended::Recorded => Ok(()),
        Ended::Shutdown => {
            let message = "the server was stopped in the middle; a command it ran was asked to end (SIGTERM), a call to another service may still go on";
            runner.cut(State::Interrupted, Outcome::Interrupted, message).await
        }
        Ended::Panic => runner.cut(State::Unknown, Outcome::Unknown, "an internal error cut the operation off; look at the target before anything else").await,
        Ended::Journal(JournalError::Unavailable(_)) => runner.cut_when_possible().await,
        Ended::Journal(error) => Err(error),
    };
    match closing {
        Ok(()) => tracing::info!(operation = %id, state = runner.operation.state.name(), "recovery ended"),
        Err(error) => tracing::error!(operation = %id, %error, "recovery stopped without a recorded end; the next start will mark it"),
    }
    if let Err(error) = parts.journal.release(&lease).await {
        tracing::warn!(operation = %id, %error, "the lease could not be given back; it will run out");
    }
}

enum Ended {
    Recorded,
    Shutdown,
    Panic,
    Journal(JournalError),
}

/// Renews the lease until another holder has it, or no renewal worked for as long as it lives.
async fn keep_alive(parts: &Parts, lease: &Lease) -> JournalError {
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        match parts.journal.renew(lease, parts.ports.clock.now(), LEASE).await {
            Ok(()) => renewed = Instant::now(),
            Err(error @ JournalError::Unavailable(_)) if renewed.elapsed() + HEARTBEAT < LEASE.unsigned_abs() => {
                tracing::warn!(%error, "the lease could not be renewed; trying again");
            }
            Err(error) => return error,
        }
    }
}

struct Runner<'a> {
    parts: &'a Parts,
    target: &'a Target,
    lease: &'a Lease,
    operation: Operation,
}

impl Runner<'_> {
    async fn steps(&mut self) -> Result<(), JournalError> {
        self.operation.before = Some(self.parts.vitals.look(&self.target.name).await.summary);
        let steps: Vec<PlanStep> = self.operation.plan.runnable().cloned().collect();
        let mut end = State::Failed;
        for step in &steps {
            match self.step(step).await? {
                Outcome::Succeeded => return self.finish(State::Succeeded, "the target is well again").await,
                Outcome::Unknown => {
                    let message = "a call went out and its end was not seen; look at the target, it is not retried";
                    return self.finish(State::Unknown, message).await;
                }
                Outcome::Drift => return self.finish(State::Failed, "what would be called changed since the plan was made; nothing more is tried").await,
                Outcome::FailedVerification => end = State::FailedVerification,
                Outcome::Failed | Outcome::Started | Outcome::Interrupted => {}
            }
        }
        let message = match end {
            State::FailedVerification => "everything was tried, the target did not get well; a person is needed",
            _ => "no action could be carried out; a person is needed",
        };
        self.finish(end, message).await
    }

    /// One action: intent, act, verify.
    async fn step(&mut self, step: &PlanStep) -> Result<Outcome, JournalError> {
        let attempt = Attempt {
            action: step.action,
            actuator: step.actuator.clone().unwrap_or_default(),
            call: step.call.clone().unwrap_or_default(),
            started_at: self.parts.ports.clock.now(),
            ended_at: None,
            outcome: Outcome::Started,
            message: "called".to_owned(),
            untrusted_output: None,
        };
        self.operation.attempts.push(attempt);
        self.move_to(State::Running, format!("running {}", step.action)).await?;
        let actuator = self.target.actuators.get(&step.action).cloned();
        let prepared = match &actuator {
            Some(actuator) => actuator.prepare(&self.parts.ports).await,
            None => Err("the target no longer supports it".to_owned()),
        };
        let (Some(actuator), Ok(prepared)) = (actuator, &prepared) else {
            let message = prepared.err().unwrap_or_default();
            return Ok(self.note(&Act::said(message), Outcome::Failed));
        };
        if Some(&prepared.call) != step.call.as_ref() {
            let message = "what would be called differs from the plan; nothing was called".to_owned();
            return Ok(self.note(&Act::said(message), Outcome::Drift));
        }
        let context = Context {
            operation: self.operation.operation_id.clone(),
            target: self.target.name.clone(),
            issue: self.operation.issue_type,
            fence: self.lease.fence,
        };
        match actuator.act(&self.parts.ports, prepared, &context).await {
            Ok(act) => {
                self.note(&act, Outcome::Started);
                self.move_to(State::Verifying, format!("{} was called; watching the target", step.action)).await?;
                let verified = verify::verify(&*self.parts.vitals, self.target).await;
                Ok(self.close(verified.map(|v| v.summary)))
            }
            Err(ActError::Failed(act)) => Ok(self.note(&act, Outcome::Failed)),
            Err(ActError::Unknown(act)) => Ok(self.note(&act, Outcome::Unknown)),
        }
    }

    /// Writes what an act left into the current attempt.
    fn note(&mut self, act: &Act, outcome: Outcome) -> Outcome {
        let now = self.parts.ports.clock.now();
        let redactor = &self.parts.redactor;
        if let Some(attempt) = self.operation.attempts.last_mut() {
            attempt.message.clone_from(&act.message);
            attempt.untrusted_output = act.untrusted_output.as_deref().map(|text| bound::cut(&redactor.redact(text), OUTPUT_BYTES));
            attempt.outcome = outcome;
            attempt.ended_at = (outcome != Outcome::Started).then_some(now);
        }
        outcome
    }

    /// Ends the current attempt by what the verification saw.
    fn close(&mut self, verified: Result<String, String>) -> Outcome {
        let (outcome, text) = match verified {
            Ok(text) => (Outcome::Succeeded, text),
            Err(text) => (Outcome::FailedVerification, text),
        };
        if let Some(attempt) = self.operation.attempts.last_mut() {
            attempt.outcome = outcome;
            attempt.ended_at = Some(self.parts.ports.clock.now());
            attempt.message = format!("{}; {text}", attempt.message);
        }
        self.operation.after = Some(text);
        outcome
    }

    async fn move_to(&mut self, state: State, message: String) -> Result<(), JournalError> {
        let from = std::mem::replace(&mut self.operation.state, state);
        self.operation.message = message;
        self.operation.updated_at = self.parts.ports.clock.now();
        self.parts.journal.update(&self.operation, from, Some(self.lease)).await
    }

    /// The store failed in the middle of an action: its end is recorded as unknown as soon as the store works again.
    async fn cut_when_possible(&mut self) -> Result<(), JournalError> {
        let mut last = Ok(());
        for _ in 0..RECORD_TRIES {
            last = self.cut(State::Unknown, Outcome::Unknown, "the store failed in the middle; look at the target before anything else").await;
            if !matches!(last, Err(JournalError::Unavailable(_))) {
                break;
            }
            tokio::time::sleep(HEARTBEAT).await;
        }
        last
    }

    async fn finish(&mut self, state: State, message: &str) -> Result<(), JournalError> {
        self.move_to(state, message.to_owned()).await
    }

    /// Ends an operation that was cut off: what is in the store counts, not what this process had in mind.
    async fn cut(&mut self, state: State, outcome: Outcome, message: &str) -> Result<(), JournalError> {
        let Some(stored) = self.parts.journal.get(&self.operation.operation_id).await? else { return Ok(()) };
        if stored.state.is_final() {
            return Ok(());
        }
        self.operation = stored;
        if !self.operation.state.is_active() {
            return self.finish(State::Failed, "stopped before anything was called").await;
        }
        if self.operation.attempts.last().is_some_and(|a| a.outcome == Outcome::Started) {
            self.note(&Act::said(message), outcome);
        }
        // From verifying, `unknown` is no legal move: the call itself had ended.
        let state = if self.operation.state == State::Verifying && state == State::Unknown { State::Interrupted } else { state };
        self.finish(state, message).await
    }
}
