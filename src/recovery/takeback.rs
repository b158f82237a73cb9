//! Looks back: how a call ended whose end was not seen, and how an action is taken back.

use std::time::Duration;

use tokio::time::Instant;

use super::{Act, ActError, Actuator, Attempt, JournalError, Limits, Outcome, Probe, Receipt, State, runner::Runner};

/// Pause between two looks at a call whose end was not seen.
const PAUSE: Duration = Duration::from_secs(1);

impl Runner<'_> {
    /// Looks how a call ended whose end was not seen: at least once, and again for as long as it cannot be told.
    pub(super) async fn resolve(&mut self, patience: Duration) -> Result<(), JournalError> {
        let begun = Instant::now();
        let Some(attempt) = self.operation.attempts.last().cloned() else { return Ok(()) };
        let Some(actuator) = self.target.actuators.get(&attempt.action).cloned() else { return Ok(()) };
        loop {
            let probe = actuator.probe(&self.parts.ports, &attempt.receipt.untrusted_prior).await;
            let found = match probe {
                Probe::CannotTell(_) if begun.elapsed() < patience => None,
                found => Some(found),
            };
            if let Some(found) = found {
                return self.resolved(&*actuator, found).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn resolved(&mut self, actuator: &dyn Actuator, found: Probe) -> Result<(), JournalError> {
        let vital = self.parts.vitals.look(&self.target.name).await;
        let said = match &found {
            Probe::Happened(act) => format!("the call had its effect: {}", act.message),
            Probe::DidNot(why) => format!("the call had no effect: {why}"),
            Probe::CannotTell(why) => format!("whether the call had its effect cannot be told: {why}"),
        };
        let looked = format!("looked at {}: {said}; now {}", self.parts.ports.clock.now(), vital.summary);
        self.operation.probe = Some(self.parts.clean(&looked));
        self.operation.after = Some(self.parts.clean(&vital.summary));
        self.operation.score_after = vital.score;
        let state = self.operation.state;
        let undoing = self.operation.attempts.last().is_some_and(|a| a.undo);
        match found {
            Probe::Happened(act) if state == State::Unknown && !undoing => {
                self.note(&act, Outcome::Started);
                match self.watch_after(actuator, &vital).await? {
                    Outcome::Succeeded => self.finish(State::Succeeded, "the call had its effect and the target is well").await,
                    Outcome::Stopped => self.finish(State::Interrupted, "stopped while the target was watched").await,
                    _ => self.finish(State::FailedVerification, "the call had its effect, the target did not get well; a person is needed").await,
                }
            }
            Probe::DidNot(why) if state == State::Unknown => {
                self.note(&Act::said(why), Outcome::Failed);
                self.finish(State::Failed, "the call had no effect; it is not repeated by itself").await
            }
            _ => {
                let message = self.operation.message.clone();
                self.finish(state, &message).await
            }
        }
    }

    /// Takes the last action back, if things still are as it left them.
    pub(super) async fn undo(&mut self) -> Result<(), JournalError> {
        let Some(done) = self.operation.to_undo().cloned() else { return Ok(()) };
        let (Some(actuator), Some(undo)) = (self.target.actuators.get(&done.action).cloned(), done.receipt.undo.clone()) else { return Ok(()) };
        let from = self.operation.state;
        let now = actuator.observe(&self.parts.ports).await;
        if now.as_ref().ok() != done.receipt.untrusted_left.as_ref() {
            let why = now.err().unwrap_or_else(|| "it was changed since".to_owned());
            let message = format!("{} was not taken back: {why}; a person is needed", done.action);
            return if from == State::Verifying { self.finish(State::FailedVerification, &message).await } else { Ok(()) };
        }
        let receipt = Receipt { untrusted_prior: done.receipt.untrusted_left.clone().unwrap_or_default(), untrusted_left: None, undo: None };
        let attempt = Attempt { action: done.action, receipt, undo: true, ..self.attempt(&*actuator, &undo) };
        if let Err(why) = self.intend(attempt, Limits::default()).await? {
            return if self.operation.state.is_final() { Ok(()) } else { self.end_early(&why).await };
        }
        match actuator.undo(&self.parts.ports, &done.receipt.untrusted_prior, &self.context()).await {
            Ok(act) => {
                self.note(&act, Outcome::Succeeded);
                self.finish(State::Undone, &format!("{} was taken back", done.action)).await
            }
            Err(ActError::Failed(act)) => {
                self.note(&act, Outcome::Failed);
                self.finish(State::Failed, &format!("{} could not be taken back; a person is needed", done.action)).await
            }
            Err(ActError::Unknown(act)) => {
                self.note(&act, Outcome::Unknown);
                self.finish(State::Unknown, "the end of the undo was not seen; look at the target before anything else").await
            }
        }
    }
}
