//! Holds the lease while an operation runs, and gives it a recorded end however the run ends. What is done meanwhile is in `runner`.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures::FutureExt as _;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Act, JournalError, Lease, Operation, Outcome, State, Target,
    engine::{LEASE, Parts},
    runner::Runner,
};

/// How often the lease is renewed; renewals may fail until it has run out.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(3);
/// A renewal gets at least this long, however late it is.
const ASK: Duration = Duration::from_secs(1);
/// How often the end of an operation is tried to record while the store does not work.
const RECORD_TRIES: u32 = 5;

/// What a run works on.
pub(super) struct Job {
    pub(super) parts: Arc<Parts>,
    pub(super) operation: Operation,
    pub(super) target: Target,
    pub(super) lease: Lease,
    /// Told whenever the operation changed, so that who follows it need not poll.
    pub(super) changed: Arc<Notify>,
    pub(super) shutdown: CancellationToken,
}

/// What to do under the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Carry the plan out.
    CarryOut,
    /// The same, after a person agreed to all of it in the client.
    Consented,
    /// Take the last action back.
    Undo,
    /// Look how a call ended whose end was not seen.
    Probe,
}

/// Runs until the end, a shutdown, or the loss of the lease.
pub(super) async fn run(job: Job, task: Task) {
    let Job { parts, operation, target, lease, changed, shutdown } = job;
    let id = operation.operation_id.clone();
    let renewed = AtomicI64::new(lease.taken.uptime_ms);
    let mut runner =
        Runner { parts: &parts, target: &target, lease: &lease, renewed: &renewed, changed: &changed, operation, consented: task == Task::Consented };
    // Pre-checks and guards may have taken their time out of the lease.
    let begun = match parts.ports.clock.moment().since(&lease.taken).unsigned_abs() >= HEARTBEAT {
        true => renew(&parts, &lease, &renewed, LEASE.unsigned_abs()).await,
        false => Ok(()),
    };
    let ended = match begun {
        Err(error) => Ended::Journal(error),
        Ok(()) => tokio::select! {
            biased;
            () = shutdown.cancelled() => Ended::Shutdown,
            error = keep_alive(&parts, &lease, &renewed) => Ended::Journal(error),
            result = AssertUnwindSafe(runner.carry_out(task)).catch_unwind() => match result {
                Ok(Ok(())) => Ended::Recorded,
                Ok(Err(error)) => Ended::Journal(error),
                Err(_) => Ended::Panic,
            },
        },
    };
    match runner.close_up(ended).await {
        Ok(()) => tracing::info!(operation = %id, state = runner.operation.state.name(), "recovery ended"),
        Err(error) => tracing::error!(operation = %id, %error, "recovery stopped without a recorded end; the next start will mark it"),
    }
    // Mostly the last write has given it back; what ended without a write, such as an undo that was refused late, has not.
    if let Err(error) = parts.journal.release(&lease).await {
        tracing::warn!(operation = %id, %error, "the lease could not be given back; it will run out");
    }
    changed.notify_waiters();
}

enum Ended {
    Recorded,
    Shutdown,
    Panic,
    Journal(JournalError),
}

/// Renews the lease until another holder has it, or no renewal worked for as long as it lives.
async fn keep_alive(parts: &Parts, lease: &Lease, renewed: &AtomicI64) -> JournalError {
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        // One that stood still, as a suspended machine does, still asks whether another has taken over meanwhile.
        let limit = LEASE.unsigned_abs().saturating_sub(last.elapsed()).max(ASK);
        match renew(parts, lease, renewed, limit).await {
            Ok(()) => last = Instant::now(),
            Err(error @ JournalError::Unavailable(_)) if last.elapsed() + HEARTBEAT < LEASE.unsigned_abs() => {
                tracing::warn!(%error, "the lease could not be renewed; trying again");
            }
            Err(error) => return error,
        }
    }
}

/// Renews the lease once. A store that does not answer must not keep an act going that is no longer covered.
async fn renew(parts: &Parts, lease: &Lease, renewed: &AtomicI64, limit: Duration) -> Result<(), JournalError> {
    let now = parts.ports.clock.moment();
    let done = tokio::time::timeout(limit, parts.journal.renew(lease, &now, LEASE)).await;
    done.unwrap_or_else(|_| Err(JournalError::Unavailable("it does not answer".to_owned())))?;
    renewed.store(now.uptime_ms, Ordering::SeqCst);
    Ok(())
}

impl Runner<'_> {
    async fn close_up(&mut self, ended: Ended) -> Result<(), JournalError> {
        match ended {
            Ended::Recorded => Ok(()),
            Ended::Shutdown => {
                let message = "the server was stopped in the middle; a command it ran was asked to end (SIGTERM), a call to another service may still go on";
                self.cut(State::Interrupted, Outcome::Interrupted, message).await
            }
            Ended::Panic => {
                self.cut(State::Unknown, Outcome::Unknown, "an internal error cut the operation off; look at the target before anything else").await
            }
            Ended::Journal(JournalError::Unavailable(_)) => self.cut_when_possible().await,
            Ended::Journal(error) => Err(error),
        }
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
