//! Carries an admitted operation out: last look, intent, act, watch, next action.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    Act, ActError, Action, Actuator, Attempt, Context, JournalError, Lease, Limits, Operation, Outcome, PlanStep, Prepared, Receipt, RecoveryError, Risk,
    State, Target, Vital,
    engine::{LEASE, Parts},
    guard::{self, blast_radius, freeze},
    run::Task,
    verify::{self, Aftermath, Watched},
};
use crate::types::{bound, moment::Moment};

/// How often the kill switch and freezes are looked at while a target is watched: effective within a second.
const STOP_LOOK: Duration = Duration::from_millis(400);
/// What is kept of an actuator's output, in bytes.
const OUTPUT_BYTES: usize = 2_000;
/// A lease with less than this left is not acted under: its holder was held up, and another may take over at any moment.
const MARGIN_MS: i64 = 1_000;

pub(super) struct Runner<'a> {
    pub(super) parts: &'a Parts,
    pub(super) target: &'a Target,
    pub(super) lease: &'a Lease,
    pub(super) renewed: &'a AtomicI64,
    pub(super) changed: &'a Notify,
    pub(super) operation: Operation,
    /// Whether a person agreed in the client to all that it does.
    pub(super) consented: bool,
}

/// What a last look before acting says.
enum Before {
    /// Go on; with how well the target is.
    Act(Vital),
    /// The operation is over; it was recorded.
    Over,
}

impl Runner<'_> {
    pub(super) async fn carry_out(&mut self, task: Task) -> Result<(), JournalError> {
        match task {
            Task::CarryOut | Task::Consented => self.steps().await,
            Task::Undo => self.undo().await,
            Task::Probe => self.resolve(Duration::ZERO).await,
        }
    }

    async fn steps(&mut self) -> Result<(), JournalError> {
        let tried = |action| self.operation.attempts.iter().any(|a| a.action == action && !a.undo);
        let steps: Vec<PlanStep> = self.operation.plan.runnable().filter(|s| !tried(s.action)).cloned().collect();
        for step in &steps {
            let vital = match self.before(step).await? {
                Before::Act(vital) => vital,
                Before::Over => return Ok(()),
            };
            match self.step(step, &vital).await? {
                Outcome::Succeeded => return self.finish(State::Succeeded, "the target is well again").await,
                Outcome::Unknown => {
                    let message = "a call went out and its end was not seen; it is not retried, the target is looked at to tell how it went";
                    self.finish(State::Unknown, message).await?;
                    return self.resolve(self.target.verify_timeout).await;
                }
                Outcome::Drift => return self.end_early("what would be called changed since the plan was made").await,
                Outcome::Stopped => return self.end_early(&self.last_message()).await,
                Outcome::FailedVerification if self.made_worse(&vital) => return self.undo().await,
                Outcome::Failed | Outcome::FailedVerification | Outcome::Started | Outcome::Interrupted => {}
            }
        }
        let called = self.operation.attempts.iter().any(|a| a.outcome == Outcome::FailedVerification);
        match called {
            true => self.finish(State::FailedVerification, "everything was tried, the target did not get well; a person is needed").await,
            false => self.finish(State::Failed, "no action could be carried out; a person is needed").await,
        }
    }

    /// The last look right before an action: stopped, well already, blind, or waiting for a person; nobody is asked about a target that healed.
    async fn before(&mut self, step: &PlanStep) -> Result<Before, JournalError> {
        if let Some(reason) = self.stopped().await? {
            self.end_early(&reason).await?;
            return Ok(Before::Over);
        }
        if let Some(refusal) = self.group_refuses().await {
            self.end_early(&refusal.to_string()).await?;
            return Ok(Before::Over);
        }
        let first = self.operation.before.is_none();
        let mut vital = self.parts.vitals.look(&self.target.name).await;
        self.saw_before(first, &vital);
        if vital.well && !self.target.check_cannot_see.contains(&self.operation.issue_type) {
            match self.stays_well().await? {
                None => return Ok(Before::Over),
                // What is seen now is what the action starts from.
                Some(last) => vital = last,
            }
            self.saw_before(first, &vital);
        }
        if vital.unknown {
            self.end_early(&format!("the target's health cannot be told, and acting would be blind: {}", vital.summary)).await?;
            return Ok(Before::Over);
        }
        if self.operation.unattended && step.risk == Risk::Destructive && !self.consented && !self.parts.person_approved(&self.operation) {
            self.wait_for_person(step).await?;
            return Ok(Before::Over);
        }
        Ok(Before::Act(vital))
    }

    async fn wait_for_person(&mut self, step: &PlanStep) -> Result<(), JournalError> {
        let message = self.parts.how_to_approve(&self.operation.operation_id, &format!("{} cannot be taken back, so it waits for approval", step.action));
        self.operation.expires_at = self.parts.ports.clock.now() + self.parts.settings.approval();
        self.operation.waits_since = self.parts.ports.clock.moment();
        self.operation.approved_by = None;
        self.finish(State::Planned, &message).await
    }

    /// Admission asked about the group; what the first action did to it, and what happened meanwhile, is asked before each further one.
    async fn group_refuses(&self) -> Option<RecoveryError> {
        if self.operation.attempts.is_empty() {
            return None;
        }
        match self.parts.look_at_group(self.target).await {
            Some(group) => blast_radius::check(self.target, &group, self.parts.settings.max_unhealthy_percent).err(),
            None => Some(guard::group_unseen(self.target)),
        }
    }

    fn saw_before(&mut self, first: bool, vital: &Vital) {
        if first {
            self.operation.before = Some(self.parts.clean(&vital.summary));
            self.operation.score_before = vital.score;
        }
    }

    /// Would it heal anyway? Watches a target that is well already; none when the operation is over, else how the target is now.
    async fn stays_well(&mut self) -> Result<Option<Vital>, JournalError> {
        self.move_to(State::Verifying, "the target is well; watching whether it stays so".to_owned()).await?;
        let before = self.operation.attempts.iter().rev().find(|a| a.outcome == Outcome::FailedVerification).cloned();
        let actuator = before.as_ref().and_then(|a| self.target.actuators.get(&a.action).cloned());
        let left = before.as_ref().and_then(|a| a.receipt.untrusted_left.clone()).unwrap_or_default();
        let after = actuator.as_ref().map(|actuator| Aftermath { actuator: &**actuator, ports: &self.parts.ports, left: &left });
        let watched = match self.watch(after.as_ref()).await? {
            Ok(watched) => watched,
            Err(reason) => return self.end_early(&reason).await.map(|()| None),
        };
        if !watched.good && watched.looks_well {
            self.saw(&watched);
            let message = "the target's checks pass, but what the action was to leave is not there; nothing more is done to a target that is well";
            return self.finish(State::FailedVerification, message).await.map(|()| None);
        }
        if !watched.good {
            return Ok(Some(watched.vital));
        }
        self.saw(&watched);
        self.operation.healed_by_itself = true;
        let message = format!(
            "the target is well, so nothing more was done; where its checks cannot see {0}, list {0} in the target's check_cannot_see",
            self.operation.issue_type
        );
        self.finish(State::Succeeded, &message).await.map(|()| None)
    }

    /// One action: prepare, intent, act, watch.
    async fn step(&mut self, step: &PlanStep, before: &Vital) -> Result<Outcome, JournalError> {
        let Some(actuator) = self.target.actuators.get(&step.action).cloned() else {
            return Ok(self.not_called(step, Outcome::Failed, "the target no longer supports it"));
        };
        let prepared = match actuator.prepare(&self.parts.ports).await {
            Ok(prepared) => prepared,
            Err(reason) => return Ok(self.not_called(step, Outcome::Failed, &reason)),
        };
        if Some(self.parts.clean(&prepared.call)) != step.call {
            return Ok(self.not_called(step, Outcome::Drift, "what would be called differs from the plan"));
        }
        let undo = prepared.undo.as_deref().map(|undo| self.parts.clean(undo));
        let receipt = Receipt { untrusted_prior: prepared.prior.clone(), untrusted_left: None, undo };
        let attempt = Attempt { action: step.action, receipt, ..self.attempt(&*actuator, &prepared.call) };
        let siblings = self.target.group.iter().flat_map(|group| self.parts.siblings(group)).map(|t| t.name.clone()).collect();
        let limits = Limits { actions_per_hour: Some(self.parts.settings.actions_per_hour), siblings };
        if let Err(why) = self.intend(attempt, limits).await? {
            return Ok(self.not_called(step, Outcome::Stopped, &why));
        }
        match self.act(&*actuator, &prepared).await {
            Ok(act) => {
                self.note(&act, Outcome::Started);
                self.watch_after(&*actuator, before).await
            }
            Err(ActError::Failed(act)) => Ok(self.note(&act, Outcome::Failed)),
            Err(ActError::Unknown(act)) => Ok(self.note(&act, Outcome::Unknown)),
        }
    }

    async fn act(&self, actuator: &dyn Actuator, prepared: &Prepared) -> Result<Act, ActError> {
        actuator.act(&self.parts.ports, prepared, &self.context()).await
    }

    /// Watches the target after an act, and judges it.
    pub(super) async fn watch_after(&mut self, actuator: &dyn Actuator, before: &Vital) -> Result<Outcome, JournalError> {
        let message = format!("{} was called; watching the target", self.last_action());
        self.move_to(State::Verifying, message).await?;
        let left = self.operation.attempts.last().and_then(|a| a.receipt.untrusted_left.clone()).unwrap_or_default();
        let after = Aftermath { actuator, ports: &self.parts.ports, left: &left };
        match self.watch(Some(&after)).await? {
            Ok(watched) => {
                self.saw(&watched);
                let compared = match (before.score, watched.vital.score) {
                    (Some(before), Some(after)) => format!(" (score {before} -> {after})"),
                    _ => String::new(),
                };
                let outcome = if watched.good { Outcome::Succeeded } else { Outcome::FailedVerification };
                Ok(self.conclude(outcome, &format!("{}{compared}", watched.text)))
            }
            Err(reason) => Ok(self.conclude(Outcome::Interrupted, &reason)).map(|_| Outcome::Stopped),
        }
    }

    /// Watches until an end, or until a person stops it: then why.
    async fn watch(&self, after: Option<&Aftermath<'_>>) -> Result<Result<Watched, String>, JournalError> {
        let stop = async {
            loop {
                tokio::time::sleep(STOP_LOOK).await;
                // A store that fails for a moment is no reason to stop watching; every step asks it again.
                if let Ok(Some(reason)) = self.stopped().await {
                    return reason;
                }
            }
        };
        tokio::select! {
            watched = verify::watch(&*self.parts.vitals, self.target, after) => Ok(Ok(watched)),
            reason = stop => Ok(Err(reason)),
        }
    }

    /// Why nothing more may be done, if a person says so.
    async fn stopped(&self) -> Result<Option<String>, JournalError> {
        let controls = self.parts.journal.controls().await?;
        if let Some(reason) = &controls.halted {
            return Ok(Some(format!("stopped by a person: {reason}")));
        }
        let frozen = freeze::reason(&self.parts.settings.freeze, &controls, &self.target.name, &self.parts.ports.clock.moment());
        Ok(frozen.map(|reason| format!("frozen: {reason}")))
    }

    /// Whether the target is worse than before the action, so that going back is better than going on.
    fn made_worse(&self, before: &Vital) -> bool {
        let can = self.operation.attempts.last().is_some_and(|a| a.receipt.undo.is_some());
        can && matches!((before.score, self.operation.score_after), (Some(before), Some(after)) if after < before)
    }

    pub(super) fn context(&self) -> Context {
        Context { operation: self.operation.operation_id.clone(), target: self.target.name.clone(), issue: self.operation.issue_type, fence: self.lease.fence }
    }

    pub(super) fn attempt(&self, actuator: &dyn Actuator, call: &str) -> Attempt {
        let began = self.parts.ports.clock.moment();
        Attempt {
            // Overwritten by whoever knows it.
            action: self.operation.attempts.last().map_or(Action::RestartService, |a| a.action),
            actuator: actuator.kind().to_owned(),
            call: self.parts.clean(call),
            started_at: began.at,
            ended_at: None,
            outcome: Outcome::Started,
            message: "called".to_owned(),
            untrusted_output: None,
            undo: false,
            receipt: Receipt::default(),
            began,
        }
    }

    /// Journals the intent of an attempt. `Ok(Ok)`: it may be called now. `Ok(Err(why))`: it may not, and was not.
    pub(super) async fn intend(&mut self, attempt: Attempt, limits: Limits) -> Result<Result<(), String>, JournalError> {
        // The last look, the watch and the pre-check took longer than a person who freezes may have to wait.
        if let Some(reason) = self.stopped().await? {
            return Ok(Err(reason));
        }
        let before = self.operation.clone();
        let from = self.operation.state;
        self.operation.message = if attempt.undo { format!("taking {} back", attempt.action) } else { format!("running {}", attempt.action) };
        self.operation.state = State::Running;
        self.operation.attempts.push(attempt);
        self.operation.updated_at = self.parts.ports.clock.now();
        match self.parts.journal.begin(&self.operation, from, self.lease, &limits).await {
            Ok(()) => {}
            Err(JournalError::Refused(reason)) => {
                self.operation = before;
                return Ok(Err(reason));
            }
            Err(error) => {
                self.operation = before;
                return Err(error);
            }
        }
        self.changed.notify_waiters();
        // This process may have stood still between the write and here.
        let held_ms = self.parts.ports.clock.moment().uptime_ms - self.renewed.load(Ordering::SeqCst);
        if held_ms > i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX) - MARGIN_MS {
            self.operation.attempts.pop();
            return Ok(Err("this process stood still and its lease ran out".to_owned()));
        }
        Ok(Ok(()))
    }

    /// Records an action that was not called.
    fn not_called(&mut self, step: &PlanStep, outcome: Outcome, why: &str) -> Outcome {
        let now = self.parts.ports.clock.now();
        self.operation.attempts.push(Attempt {
            action: step.action,
            actuator: step.actuator.clone().unwrap_or_default(),
            call: step.call.clone().unwrap_or_default(),
            started_at: now,
            ended_at: Some(now),
            outcome,
            message: self.parts.clean(&format!("not called: {why}")),
            untrusted_output: None,
            undo: false,
            receipt: Receipt::default(),
            // Never began, so that no guard counts it.
            began: Moment::default(),
        });
        outcome
    }

    fn last_message(&self) -> String {
        self.operation.attempts.last().map(|a| a.message.clone()).unwrap_or_default()
    }

    fn last_action(&self) -> String {
        self.operation.attempts.last().map(|a| a.action.to_string()).unwrap_or_default()
    }

    /// Writes what an act left into the current attempt.
    pub(super) fn note(&mut self, act: &Act, outcome: Outcome) -> Outcome {
        let now = self.parts.ports.clock.now();
        let redactor = &self.parts.redactor;
        if let Some(attempt) = self.operation.attempts.last_mut() {
            attempt.message = redactor.redact(&act.message).into_owned();
            if let Some(text) = &act.untrusted_output {
                attempt.untrusted_output = Some(bound::cut(&redactor.redact(text), OUTPUT_BYTES));
            }
            if outcome == Outcome::Started || outcome == Outcome::Succeeded {
                attempt.receipt.untrusted_left = Some(act.left.clone());
            }
            attempt.outcome = outcome;
            attempt.ended_at = (outcome != Outcome::Started).then_some(now);
        }
        outcome
    }

    /// Ends the current attempt by what watching saw.
    fn conclude(&mut self, outcome: Outcome, text: &str) -> Outcome {
        if let Some(attempt) = self.operation.attempts.last_mut() {
            attempt.outcome = outcome;
            attempt.ended_at = Some(self.parts.ports.clock.now());
            attempt.message = self.parts.clean(&format!("{}; {text}", attempt.message));
        }
        outcome
    }

    fn saw(&mut self, watched: &Watched) {
        self.operation.after = Some(self.parts.clean(&watched.text));
        self.operation.score_after = watched.vital.score;
    }

    async fn move_to(&mut self, state: State, message: String) -> Result<(), JournalError> {
        let from = std::mem::replace(&mut self.operation.state, state);
        self.operation.message = self.parts.clean(&message);
        self.operation.updated_at = self.parts.ports.clock.now();
        let written = self.parts.journal.update(&self.operation, from, Some(self.lease)).await;
        self.changed.notify_waiters();
        written
    }

    pub(super) async fn finish(&mut self, state: State, message: &str) -> Result<(), JournalError> {
        self.move_to(state, message.to_owned()).await
    }

    /// Ends an operation that may not go on: failed if nothing was called for it, else by how the last call ended.
    pub(super) async fn end_early(&mut self, why: &str) -> Result<(), JournalError> {
        let called = self.operation.attempts.iter().any(|a| !matches!(a.outcome, Outcome::Drift | Outcome::Stopped | Outcome::Failed));
        let (state, message) = match self.operation.state {
            State::Approved | State::Planned => (State::Failed, format!("{why}; nothing was called")),
            State::Running | State::Verifying if called => (State::Interrupted, format!("{why}; nothing more is tried")),
            _ => (State::Failed, format!("{why}; nothing more is tried")),
        };
        self.finish(state, &message).await
    }
}
