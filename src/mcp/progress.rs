//! How far a call is, told to who asked for it with a progress token, and shown as the message of a task.
//!
//! The work only leaves word and goes on; what is sent is the latest, at most a few times a second, always more than before, and nothing after the
//! answer.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rmcp::{
    Peer, RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};
use tokio::sync::watch;

use super::running::Running;
use crate::{flows::Services, recovery::Operation};

/// At least this long between two notifications.
const PAUSE: Duration = Duration::from_millis(200);
/// How long an answer waits for a notification on its way: a client that reads slowly gets neither sooner.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// How far a call is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Step {
    done: usize,
    of: Option<usize>,
    /// In our words.
    pub(super) message: String,
}

/// Where a tool leaves word of how far it is.
#[derive(Debug, Clone)]
pub struct Progress {
    steps: Option<watch::Sender<Step>>,
}

impl Progress {
    /// For a call; without anybody who would be told, for nobody.
    pub(super) fn of(running: &Running, wanted: bool) -> Self {
        Self { steps: wanted.then(|| running.steps.clone()) }
    }

    /// Whether anybody is told.
    pub fn wanted(&self) -> bool {
        self.steps.is_some()
    }

    /// Leaves word; what is not more than before is not told. Never waits.
    pub fn report(&self, done: usize, of: Option<usize>, message: impl Into<String>) {
        let Some(steps) = &self.steps else { return };
        steps.send_if_modified(|step| {
            let more = done > step.done;
            if more {
                *step = Step { done, of, message: message.into() };
            }
            more
        });
    }

    /// Leaves word of every new state and action of an operation.
    pub fn operation<'p>(&'p self, services: &'p Services) -> impl Fn(&Operation) + Send + Sync + 'p {
        let seen = Mutex::new(BTreeSet::new());
        move |operation| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.insert((operation.state.name(), operation.attempts.len(), operation.message.clone())) {
                self.report(seen.len(), None, services.clean_text(&format!("{}: {}", operation.state.name(), operation.message)));
            }
        }
    }
}

/// Sends what was left word of.
pub(super) struct Pump {
    to: Option<(Peer<RoleServer>, ProgressToken)>,
    running: Running,
}

impl Pump {
    /// To who sent a request, if it came with a token.
    pub(super) fn new(context: &RequestContext<RoleServer>, running: &Running) -> Self {
        let token = context.meta.get_progress_token();
        Self { to: token.map(|token| (context.peer.clone(), token)), running: running.clone() }
    }

    /// Whether somebody asked.
    pub(super) fn wanted(&self) -> bool {
        self.to.is_some()
    }

    /// Sends beside the work until that ends, and nothing from then on.
    pub(super) async fn beside<T>(self, work: impl Future<Output = T>) -> T {
        let Self { to: Some((peer, token)), running } = self else { return work.await };
        let mut work = std::pin::pin!(work);
        // From now on, so that the work's very first word is not missed.
        let steps = running.steps.subscribe();
        let mut sending = std::pin::pin!(send(&peer, &token, &running, steps));
        let done = tokio::select! {
            biased;
            done = &mut work => done,
            () = &mut sending => return work.await,
        };
        running.answered.cancel();
        let _ = tokio::time::timeout(ON_ITS_WAY, sending).await;
        done
    }
}

/// Until the caller was answered, or is gone.
async fn send(peer: &Peer<RoleServer>, token: &ProgressToken, running: &Running, mut steps: watch::Receiver<Step>) {
    loop {
        tokio::select! {
            biased;
            () = running.answered.cancelled() => return,
            changed = steps.changed() => if changed.is_err() { return },
        }
        {
            let _sending = running.sending.lock().await;
            if running.answered.is_cancelled() {
                return;
            }
            let step = steps.borrow_and_update().clone();
            let mut told = ProgressNotificationParam::new(token.clone(), step.done as f64).with_message(step.message);
            told.total = step.of.map(|of| of as f64);
            if peer.notify_progress(told).await.is_err() {
                return;
            }
        }
        tokio::select! {
            biased;
            () = running.answered.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Waits until nothing is on its way to a caller that was answered; what comes afterwards is not sent.
pub(super) async fn settled(running: &Running) {
    running.answered.cancel();
    let _ = tokio::time::timeout(ON_ITS_WAY, running.sending.lock()).await;
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[test]
    fn only_more_than_before_counts_and_nobody_waits() {
        let running = Running::new(CancellationToken::new());
        let progress = Progress::of(&running, true);
        let mut steps = running.steps.subscribe();
        for (done, told) in [(3, true), (2, false), (3, false), (4, true)] {
            progress.report(done, Some(9), "so far");
            assert_eq!(steps.has_changed().expect("open"), told, "{done}");
            assert!(steps.borrow_and_update().done >= done);
        }
        let unheard = Progress::of(&running, false);
        unheard.report(7, None, "for nobody");
        assert!(!unheard.wanted() && !steps.has_changed().expect("open"));
    }

    #[tokio::test]
    async fn without_a_token_the_work_is_all_there_is() {
        let running = Running::new(CancellationToken::new());
        let pump = Pump { to: None, running: running.clone() };
        assert!(!pump.wanted());
        assert_eq!(pump.beside(async { 7 }).await, 7);
    }
}
