//! The sessions of the older protocol revisions: how many there may be, whose each is, and when one that nobody uses goes.
//!
//! The protocol's crate keeps sessions without a limit and ends a call that is silent for too long; so here a session is idle only while it has
//! neither call nor stream, and the crate's own timer is off.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        RestoreOutcome, ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError},
    },
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A session that has been idle for this long may make room for a new one when there is no room left.
const MAY_GO: Duration = Duration::from_secs(30);
/// How often idle sessions are looked for, at the least.
const SWEEP: Duration = Duration::from_secs(10);

tokio::task_local! {
    /// For whom the request at hand is served, and whether it found no room.
    pub(super) static CALL: Arc<CallOf>;
}

/// A request on its way through the protocol's crate.
pub(super) struct CallOf {
    /// The principal's name.
    pub(super) owner: String,
    /// Set where there was no room for a new session.
    pub(super) full: std::sync::atomic::AtomicBool,
}

/// One session.
struct Entry {
    owner: String,
    used: Instant,
    streams: usize,
    /// How to end it where it is none of the crate's own.
    end: Option<CancellationToken>,
}

/// All sessions, of streamable HTTP and of the older transport.
pub struct Sessions {
    inner: LocalSessionManager,
    table: Mutex<HashMap<SessionId, Entry>>,
    most: usize,
    idle: Duration,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionsError {
    /// All places are taken.
    #[error("there are {0} sessions already")]
    Full(usize),
    /// The crate's own.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

impl Sessions {
    /// At most so many; those that are idle for so long go.
    pub fn new(most: usize, idle: Duration) -> Arc<Self> {
        let mut inner = LocalSessionManager::default();
        inner.session_config.keep_alive = None;
        Arc::new(Self { inner, table: Mutex::default(), most, idle })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.table().len()
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place; where there is none, that of the session that has been idle the longest, if long enough.
    ///
    /// # Errors
    /// All places are in use.
    pub(super) async fn claim(&self, id: &SessionId, owner: &str, end: Option<CancellationToken>) -> Result<(), SessionsError> {
        let gone = {
            let mut table = self.table();
            let now = Instant::now();
            let mut gone = None;
            if table.len() >= self.most {
                let oldest = table.iter().filter(|(_, e)| e.streams == 0 && now - e.used >= MAY_GO.min(self.idle)).min_by_key(|(_, e)| e.used);
                let oldest = oldest.map(|(id, _)| id.clone()).ok_or(SessionsError::Full(self.most))?;
                gone = table.remove(&oldest).map(|entry| (oldest, entry));
            }
            table.insert(id.clone(), Entry { owner: owner.to_owned(), used: now, streams: 0, end });
            gone
        };
        if let Some((id, entry)) = gone {
            self.end(&id, entry).await;
        }
        Ok(())
    }

    /// Gives a place back.
    pub(super) fn release(&self, id: &SessionId) {
        self.table().remove(id);
    }

    async fn end(&self, id: &SessionId, entry: Entry) {
        match entry.end {
            Some(end) => end.cancel(),
            None => drop(self.inner.close_session(id).await),
        }
    }

    /// Marks a session as used, if it is this caller's: somebody else's is as if it were not there.
    pub(super) fn touch(&self, id: &str, owner: &str) -> bool {
        match self.table().get_mut(id) {
            Some(entry) if entry.owner == owner => {
                entry.used = Instant::now();
                true
            }
            _ => false,
        }
    }

    /// Counts a stream of a session until it is dropped.
    pub(super) fn stream<S>(self: &Arc<Self>, id: &SessionId, inner: S) -> Counted<S> {
        if let Some(entry) = self.table().get_mut(id) {
            entry.streams += 1;
        }
        Counted { inner, id: id.clone(), sessions: self.clone() }
    }

    /// Closes idle sessions until `stop`.
    pub async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP.min(self.idle)) => {}
            }
            let gone: Vec<(SessionId, Entry)> = {
                let now = Instant::now();
                let mut table = self.table();
                table.extract_if(|_, entry| entry.streams == 0 && now - entry.used >= self.idle).collect()
            };
            for (id, entry) in gone {
                self.end(&id, entry).await;
            }
        }
    }

    /// The caller of the request at hand.
    fn owner() -> String {
        CALL.try_with(|call| call.owner.clone()).unwrap_or_default()
    }
}

/// A stream that keeps its session from being idle.
pub(super) struct Counted<S> {
    inner: S,
    id: SessionId,
    sessions: Arc<Sessions>,
}

impl<S> Drop for Counted<S> {
    fn drop(&mut self) {
        if let Some(entry) = self.sessions.table().get_mut(&self.id) {
            entry.streams = entry.streams.saturating_sub(1);
            entry.used = Instant::now();
        }
    }
}

impl<S: Stream + Unpin> Stream for Counted<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        Pin::new(&mut self.inner).poll_next(context)
    }
}

/// The sessions as the protocol's crate asks for them.
pub(super) struct Manager(pub(super) Arc<Sessions>);

impl SessionManager for Manager {
    type Error = SessionsError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.0.inner.create_session().await?;
        match self.0.claim(&id, &Sessions::owner(), None).await {
            Ok(()) => Ok((id, transport)),
            Err(full) => {
                let _ = CALL.try_with(|call| call.full.store(true, std::sync::atomic::Ordering::Relaxed));
                drop(transport);
                self.0.inner.close_session(&id).await?;
                Err(full)
            }
        }
    }

    async fn initialize_session(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<ServerJsonRpcMessage, Self::Error> {
        Ok(self.0.inner.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        Ok(self.0.inner.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.0.release(id);
        Ok(self.0.inner.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let stream = self.0.inner.create_stream(id, message).await?;
        Ok(self.0.stream(id, Box::pin(stream)))
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        Ok(self.0.inner.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(&self, id: &SessionId) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let stream = self.0.inner.create_standalone_stream(id).await?;
        Ok(self.0.stream(id, Box::pin(stream)))
    }

    async fn resume(&self, id: &SessionId, last_event_id: String) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let stream = self.0.inner.resume(id, last_event_id).await?;
        Ok(self.0.stream(id, Box::pin(stream)))
    }

    async fn restore_session(&self, _id: SessionId) -> Result<RestoreOutcome<Self::Transport>, Self::Error> {
        Ok(RestoreOutcome::NotSupported)
    }
}
