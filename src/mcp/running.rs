//! A call while it runs: what it shares with whoever waits for its answer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::progress::Step;

/// A call that runs. Cheap to clone; all clones are the same call.
#[derive(Debug, Clone)]
pub(super) struct Running {
    /// Fires when the answer is no longer wanted.
    pub(super) cancel: CancellationToken,
    /// Fires when the caller was answered, although the call goes on.
    pub(super) answered: CancellationToken,
    /// Held while something is sent to the caller.
    pub(super) sending: Arc<Mutex<()>>,
    /// How far it is.
    pub(super) steps: watch::Sender<Step>,
    held: Arc<AtomicUsize>,
}

impl Running {
    /// A call that begins.
    pub(super) fn new(cancel: CancellationToken) -> Self {
        Self { cancel, answered: CancellationToken::new(), sending: Arc::default(), steps: watch::Sender::new(Step::default()), held: Arc::default() }
    }

    /// Keeps the call from becoming a task for as long as this lives: a person may have to be asked, and only an open call can do that.
    pub(super) fn hold(&self) -> Hold {
        self.held.fetch_add(1, Ordering::SeqCst);
        Hold(self.held.clone())
    }

    /// Whether nothing keeps it from becoming a task.
    pub(super) fn may_become_a_task(&self) -> bool {
        self.held.load(Ordering::SeqCst) == 0
    }
}

/// Keeps a call open until dropped.
pub struct Hold(Arc<AtomicUsize>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
