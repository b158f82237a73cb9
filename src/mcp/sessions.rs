//! The sessions of the older protocol revisions: how many there may be, whose each is, and when one that nobody uses goes.
//!
//! The protocol's crate keeps sessions without a limit and ends a call that is silent for too long; so here a session is idle only while it has
//! neither call nor stream, and the crate's own timer is off.
//!
//! When all places are taken, room is made at the expense of whoever has most, and never of somebody who has fewer than the newcomer.

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
    /// For the session that it begins, if it begins one.
    pub(super) place: Mutex<Option<Place>>,
    /// Set where there was no room for a new session.
    pub(super) full: std::sync::atomic::AtomicBool,
}

/// A place that is taken before its session is there; given back when dropped, unless a session has it by then.
pub(super) struct Place {
    id: SessionId,
    sessions: Arc<Sessions>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.release(&self.id);
    }
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

    /// Takes a place; where there is none, that of a session that has been idle for long enough: see [`expendable`].
    ///
    /// # Errors
    /// There is no place for this owner.
    pub(super) async fn claim(&self, id: &SessionId, owner: &str, end: Option<CancellationToken>) -> Result<(), SessionsError> {
        let gone = {
            let mut table = self.table();
            let now = Instant::now();
            let mut gone = None;
            if table.len() >= self.most {
                let id = expendable(&table, owner, now, MAY_GO.min(self.idle)).ok_or(SessionsError::Full(self.most))?;
                gone = table.remove(&id).map(|entry| (id, entry));
            }
            table.insert(id.clone(), Entry { owner: owner.to_owned(), used: now, streams: 0, end });
            gone
        };
        if let Some((id, entry)) = gone {
            self.end(&id, entry).await;
        }
        Ok(())
    }

    /// Takes a place for a session that is to come.
    ///
    /// # Errors
    /// As [`Sessions::claim`].
    pub(super) async fn place(self: &Arc<Self>, owner: &str) -> Result<Place, SessionsError> {
        let id: SessionId = format!("to come: {}", uuid::Uuid::new_v4().simple()).into();
        self.claim(&id, owner, None).await?;
        Ok(Place { id, sessions: self.clone() })
    }

    /// Makes a place that of a session.
    fn settle(&self, place: &Place, id: &SessionId) {
        let mut table = self.table();
        if let Some(entry) = table.remove(&place.id) {
            table.insert(id.clone(), Entry { used: Instant::now(), ..entry });
        }
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

/// The session that goes first: of the owner with most sessions, the one that has been idle the longest. None of an owner with fewer sessions than
/// the newcomer, so that nobody takes more and more from others; whoever has more than half of them all makes room at their own expense only.
fn expendable(table: &HashMap<SessionId, Entry>, newcomer: &str, now: Instant, idle: Duration) -> Option<SessionId> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    table.values().for_each(|entry| *counts.entry(&entry.owner).or_default() += 1);
    let of = |owner: &str| counts.get(owner).copied().unwrap_or_default();
    let least = of(newcomer);
    let may_go = table.iter().filter(|(_, entry)| entry.streams == 0 && now - entry.used >= idle && of(&entry.owner) >= least);
    may_go.min_by_key(|(_, entry)| (std::cmp::Reverse(of(&entry.owner)), entry.used)).map(|(id, _)| id.clone())
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
        let place = CALL.try_with(|call| call.place.lock().unwrap_or_else(PoisonError::into_inner).take()).ok().flatten();
        let (id, transport) = self.0.inner.create_session().await?;
        if let Some(place) = place {
            self.0.settle(&place, &id);
            return Ok((id, transport));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SessionId {
        text.to_owned().into()
    }

    /// Sessions of these owners, each named by its owner and number, idle for so many seconds.
    async fn house(most: usize, owners: &[(&str, u64)]) -> Arc<Sessions> {
        let sessions = Sessions::new(most, Duration::from_secs(3_600));
        for (number, (owner, _)) in owners.iter().enumerate() {
            sessions.claim(&id(&format!("{owner}{number}")), owner, None).await.expect("room");
        }
        let now = Instant::now();
        for (number, (owner, seconds)) in owners.iter().enumerate() {
            let mut table = sessions.table();
            table.get_mut(&id(&format!("{owner}{number}"))).expect("there").used = now - Duration::from_secs(*seconds);
        }
        sessions
    }

    fn gone(sessions: &Sessions, owners: &[(&str, u64)]) -> Vec<String> {
        let names = owners.iter().enumerate().map(|(number, (owner, _))| format!("{owner}{number}"));
        names.filter(|name| !sessions.table().contains_key(&id(name))).collect()
    }

    #[tokio::test]
    async fn room_is_made_at_the_expense_of_who_has_most() {
        let owners = [("ann", 900), ("bob", 100), ("bob", 200), ("cat", 800)];
        let sessions = house(4, &owners).await;
        sessions.claim(&id("new"), "dan", None).await.expect("room");
        assert_eq!(gone(&sessions, &owners), ["bob2"], "not the one that was idle the longest of all");
        // Now everybody has one.
        sessions.claim(&id("newer"), "eve", None).await.expect("room");
        assert_eq!(gone(&sessions, &owners), ["ann0", "bob2"]);
    }

    #[tokio::test]
    async fn who_has_most_takes_from_nobody_but_themselves() {
        let busy = [("ann", 900), ("bob", 1), ("bob", 1), ("bob", 1)];
        let sessions = house(4, &busy).await;
        assert!(sessions.claim(&id("new"), "bob", None).await.is_err(), "three of four, and none is idle");
        assert_eq!(gone(&sessions, &busy), [""; 0]);
        sessions.claim(&id("new"), "cat", None).await.expect("room");
        assert_eq!(gone(&sessions, &busy), ["ann0"], "those of bob are in use");
        let idle = [("ann", 900), ("bob", 40), ("bob", 50), ("bob", 1)];
        let sessions = house(4, &idle).await;
        sessions.claim(&id("new"), "bob", None).await.expect("room");
        assert_eq!(gone(&sessions, &idle), ["bob2"]);
    }

    #[tokio::test]
    async fn a_session_in_use_stays() {
        let owners = [("ann", 900), ("bob", 29)];
        let sessions = house(2, &owners).await;
        let _stream = sessions.stream(&id("ann0"), futures::stream::empty::<()>());
        assert!(sessions.claim(&id("new"), "cat", None).await.is_err());
        assert_eq!(gone(&sessions, &owners), [""; 0]);
    }

    #[tokio::test]
    async fn a_place_is_given_back_unless_a_session_took_it() {
        let sessions = Sessions::new(1, Duration::from_secs(60));
        let place = sessions.place("ann").await.expect("room");
        assert!(sessions.place("ann").await.is_err() && sessions.claim(&id("x"), "bob", None).await.is_err(), "it is taken");
        drop(place);
        assert_eq!(sessions.count(), 0);
        let place = sessions.place("ann").await.expect("room");
        sessions.settle(&place, &id("hers"));
        drop(place);
        assert!(sessions.count() == 1 && sessions.touch("hers", "ann") && !sessions.touch("hers", "bob"));
    }
}
